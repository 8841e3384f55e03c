"""On each engine, a pipeline whose warehouse has its tables and no events."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.identity.worlds import PROJECT
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline


@pytest.fixture(scope="module", autouse=True)
def on_each_engine(engine: Engine) -> Engine:
    """Run every test of this package on each engine."""
    return engine


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with open_pipeline(tmp_path / "project", PROJECT) as opened:
        yield opened

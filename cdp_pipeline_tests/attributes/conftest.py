"""Every test of this package runs on each engine."""

import pytest

from cdp_pipeline_tests.engines import Engine


@pytest.fixture(scope="module", autouse=True)
def on_each_engine(engine: Engine) -> Engine:
    return engine

"""A pipeline for a test: `start(project_text)` opens one in a folder of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline

Start: TypeAlias = Callable[[str], Pipeline]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Open as many pipelines as the test asks for; they are closed after it."""
    with ExitStack() as stack:
        opened: list[Pipeline] = []

        def open_next(project_text: str) -> Pipeline:
            opened.append(stack.enter_context(open_pipeline(tmp_path / f"project-{len(opened)}", project_text)))
            return opened[-1]

        yield open_next


@pytest.fixture(scope="module", autouse=True)
def on_each_engine(engine: Engine) -> Engine:
    """Run every test of this package on each engine."""
    return engine

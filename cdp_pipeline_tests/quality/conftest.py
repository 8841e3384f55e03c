"""On each engine, a fresh project and its empty warehouse for every test of this room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.quality.warehouses import make_project, open_warehouse


@pytest.fixture(scope="module", autouse=True)
def on_each_engine(engine: Engine) -> Engine:
    return engine


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def warehouse(tmp_path: Path, project: Project) -> Iterator[Connection]:
    connection = open_warehouse(tmp_path, project)
    yield connection
    connection.close()

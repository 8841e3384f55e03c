"""A database of its own for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline_tests.engines import Engine, on


@pytest.fixture
def postgresql() -> Iterator[Engine]:
    """Run the test on PostgreSQL."""
    with on("postgresql") as engine:
        yield engine


@pytest.fixture
def url(postgresql: Engine, tmp_path: Path) -> str:
    """Return the address of an empty database."""
    return postgresql.url(tmp_path)

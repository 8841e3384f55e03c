"""A fresh tiny project for each test, and a Dagster home that is made once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.tiny import quick_folder, write_tiny


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Return a Dagster home without runs; making one takes seconds."""
    with quick_folder() as folder:
        with instance_of(write_tiny(folder)):
            pass
        yield folder / ".dagster"


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made


@pytest.fixture
def project(folder: Path, home: Path) -> Project:
    """Return a project that never ran."""
    shutil.copytree(home, folder / "tiny" / ".dagster")
    return write_tiny(folder / "tiny")

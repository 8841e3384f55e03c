"""On each engine, a tiny project whose third day lies there and has not been landed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    SECOND,
    THIRD,
    copy_of,
    land,
    quick_folder,
    row,
    run_without_dagster,
    write_tiny,
)
from cdp_pipeline_tests.engines import Engine


@pytest.fixture(scope="module")
def two_days(engine: Engine) -> Iterator[Path]:
    """Return the folder of a project that ran after two days; since then, the second has changed and a third come."""
    with quick_folder() as folder:
        project = write_tiny(folder / "tiny", days={day: rows for day, rows in DAYS.items() if day != THIRD})
        with instance_of(project):
            pass
        run_without_dagster(project)
        land(project.folder, SECOND, [*DAYS[SECOND], row(11, SECOND, cookie="d", total=7)])
        land(project.folder, THIRD, DAYS[THIRD])
        yield project.folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made


@pytest.fixture
def project(two_days: Path, folder: Path) -> Project:
    """Return a copy of it."""
    return copy_of(two_days, folder / "tiny")

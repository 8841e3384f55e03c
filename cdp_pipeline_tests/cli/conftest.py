"""The command in this process, as its `main` is called, and a tiny project that has run."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import dagster as dg
import pytest

from cdp_pipeline.cli import main
from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.tiny import copy_of, quick_folder, run_without_dagster, write_tiny


class Answer(NamedTuple):
    """How a command ended, and what it said on standard output and standard error."""

    code: int
    out: str
    err: str


Command: TypeAlias = Callable[..., Answer]


@pytest.fixture
def cdp_on_disk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Return the command; nothing that it says goes to a terminal."""

    def command(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["cdp", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Answer(code, *capsys.readouterr())

    level = logging.getLogger("dagster").level
    yield command
    logging.getLogger("dagster").setLevel(level)


@pytest.fixture
def cdp(cdp_on_disk: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command, whose runs Dagster forgets: that halves what a run costs."""
    monkeypatch.setattr("cdp_pipeline.automation.launch.open_instance", lambda _: dg.DagsterInstance.ephemeral())
    return cdp_on_disk


@pytest.fixture(scope="session")
def ran_once() -> Iterator[Path]:
    """Return the folder of a tiny project that has run."""
    with quick_folder() as folder:
        project = write_tiny(folder / "tiny")
        run_without_dagster(project)
        yield project.folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made


@pytest.fixture
def ran(ran_once: Path, folder: Path) -> Project:
    """Return a project that has run."""
    return copy_of(ran_once, folder / "tiny")


@pytest.fixture
def fresh(folder: Path) -> Project:
    """Return a project that never ran."""
    return write_tiny(folder / "tiny")


@pytest.fixture
def standing_in_the_project(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be nobody, in the folder of a project that has run."""
    monkeypatch.chdir(ran.folder)
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)

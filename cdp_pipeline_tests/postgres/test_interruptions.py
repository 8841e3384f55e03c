"""Backends terminated and the server killed at any moment: what comes after ends with the tables of an undisturbed run.

Moments are drawn from the suite's seed. `CDP_TEST_KILLS=40` tries more of them.
"""

import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import WarehouseInterrupted
from cdp_pipeline.operations.pipeline import landing_due, run_stages, stages_due
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse.postgres import PostgresConnection
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.automation.driver import run_job
from cdp_pipeline_tests.automation.tiny import DAYS, SECOND, THIRD, land, row, run_without_dagster, write_tiny
from cdp_pipeline_tests.pipeline.driver import each_statement
from cdp_pipeline_tests.postgres.comparison import every_table

KILLS = int(os.environ.get("CDP_TEST_KILLS", "6"))
RUNS = {"cdp.runs", "cdp.metrics"}
pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def two_days(engine: engines.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that ran after two days; since then, the second has been replaced and a third has come."""
    folder = tmp_path_factory.mktemp("two-days") / "tiny"
    run_without_dagster(write_tiny(folder, days={day: rows for day, rows in DAYS.items() if day != THIRD}))
    land(folder, SECOND, [*DAYS[SECOND][1:], row(11, SECOND, cookie="d", email="ann", total=7)])
    land(folder, THIRD, DAYS[THIRD])
    return folder


@pytest.fixture
def project(two_days: Path, tmp_path: Path) -> Iterator[Project]:
    """Return a copy of it."""
    yield load_valid_project(engines.current().copy(two_days, tmp_path / "copy"), {})
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def undisturbed(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], int]:
    """Return the tables when nothing happens, and how many statements that takes."""
    project = load_valid_project(engines.current().copy(two_days, tmp_path_factory.mktemp("calm") / "copy"), {})
    statements = 0

    def count(connection: PostgresConnection) -> None:
        nonlocal statements
        statements += 1

    with before_each_statement(count):
        run_without_dagster(project)
    return tables_of(project), statements


class before_each_statement:  # noqa: N801
    """Calls something before each statement of the block's warehouse."""

    def __init__(self, happens: Callable[[PostgresConnection], None]) -> None:
        self._happens = happens
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        execute = PostgresConnection._execute

        def disturbed(connection: PostgresConnection, *arguments: Any) -> psycopg.Cursor[Any]:
            self._happens(connection)
            return execute(connection, *arguments)

        self._patch.setattr(PostgresConnection, "_execute", disturbed)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def tables_of(project: Project) -> dict[str, list[str]]:
    connection = engines.current().open(project.folder)
    try:
        return {name: rows for name, rows in every_table(connection, project).items() if name not in RUNS}
    finally:
        connection.close()


def run_until_done(project: Project) -> int:
    """Run again and again until a run comes to its end; returns how many did not."""
    broken = 0
    while True:
        try:
            run_without_dagster(project)
        except WarehouseInterrupted:
            broken += 1
        else:
            return broken


def assert_nothing_is_due(project: Project) -> None:
    with open_session(project, "look", lambda holder: None) as session:
        assert not landing_due(session.connection, project, session.run).readings
        assert stages_due(session.connection, project) == []


@pytest.mark.parametrize("number", range(KILLS))
def test_a_terminated_backend_loses_nothing(
    project: Project, undisturbed: tuple[dict[str, list[str]], int], seed: int, number: int
) -> None:
    """Before a statement drawn at random, between two transactions or within one."""
    tables, statements = undisturbed
    chosen = random.Random(seed + number).randrange(statements)
    done = 0

    def terminate(connection: PostgresConnection) -> None:
        nonlocal done
        done += 1
        if done == chosen + 1:
            pid = connection.driver.info.backend_pid
            assert engines.server().execute("select pg_terminate_backend(%s, 5000)", pid) == [(True,)]

    with before_each_statement(terminate):
        run_until_done(project)
    assert done > chosen
    assert tables_of(project) == tables, f"seed {seed}, terminated before statement {chosen} of {statements}"
    assert_nothing_is_due(project)


@pytest.mark.parametrize("number", range(max(2, KILLS // 4)))
def test_a_killed_server_loses_nothing(
    project: Project, undisturbed: tuple[dict[str, list[str]], int], seed: int, number: int
) -> None:
    """At a moment drawn at random, in the middle of a statement as well; the run waits until the server is back."""
    tables, _ = undisturbed
    started = time.monotonic()
    moment = random.Random(seed + number).uniform(0.0, 0.6)

    def kill() -> None:
        time.sleep(moment)
        engines.server().kill()
        time.sleep(0.3)
        engines.server().start()

    killer = threading.Thread(target=kill)
    killer.start()
    run_until_done(project)
    killer.join()
    assert time.monotonic() - started > moment
    run_until_done(project)  # it may have been killed after all was done
    assert tables_of(project) == tables, f"seed {seed}, killed after {moment:.3f} s"
    assert_nothing_is_due(project)


def test_a_step_is_done_again_within_the_run(project: Project, undisturbed: tuple[dict[str, list[str]], int]) -> None:
    """A stage whose transaction broke is simply called again, on the same connection: it opens another session."""
    tables, _ = undisturbed
    broken: list[int] = []

    def terminate(connection: PostgresConnection) -> None:
        if not broken and connection._within and connection._functions:
            broken.append(connection.driver.info.backend_pid)
            engines.server().execute("select pg_terminate_backend(%s, 5000)", *broken)

    with open_session(project, "run", lambda holder: None) as session, before_each_statement(terminate):
        first = session.connection
        with pytest.raises(WarehouseInterrupted, match=r"terminating connection|closed the connection|is closed|lost"):
            list(run_stages(first, project, session.run))
        list(run_stages(first, project, session.run))
        assert isinstance(first, PostgresConnection)
        assert first.driver.info.backend_pid not in broken
    assert tables_of(project) == tables


def test_dagster_does_the_step_again(project: Project, undisturbed: tuple[dict[str, list[str]], int]) -> None:
    """The run that loses its backend in the middle of a step tries the step once more, and succeeds."""
    broken: list[int] = []
    statements: list[str] = []

    def terminate(connection: PostgresConnection) -> None:
        if not broken and connection._within and statements[-1:] == ["identity_graph.pairs"]:
            broken.append(connection.driver.info.backend_pid)
            engines.server().execute("select pg_terminate_backend(%s, 5000)", *broken)

    with (
        dg.DagsterInstance.ephemeral() as instance,
        each_statement(lambda _, name: statements.append(name)),
        before_each_statement(terminate),
    ):
        result = run_job(project, "run_all", THIRD, instance)
    assert broken
    assert result.success
    retried = [
        event.step_key for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY
    ]
    assert retried == ["customer__identity_graph"]
    assert tables_of(project) == undisturbed[0]

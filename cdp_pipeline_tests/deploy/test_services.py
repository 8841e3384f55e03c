"""The services as compose.yaml starts them, on a real server.

A backfill from the UI, what lands by itself, a crash, and an orderly end.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cdp_pipeline.automation.jobs import RUN_ALL
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_for_reading, open_session
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline_tests.automation.tiny import quick_folder
from cdp_pipeline_tests.automation.webserver import states, turn_off, turn_on
from cdp_pipeline_tests.deploy.ninety_days import (
    DAYS,
    ENDED,
    FIRST,
    LAST,
    OF_DAYS,
    land_late_login,
    launch_backfill,
    launch_job,
    write,
)
from cdp_pipeline_tests.deploy.stack import Stack
from cdp_pipeline_tests.postgres_server import PostgresServer

PATIENCE = 180.0  # the other workers are at work too; containers have a quarter of an hour to end


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        write(made / "project")
        yield made


@pytest.fixture(scope="module")
def stack(server: PostgresServer, folder: Path) -> Iterator[Stack]:
    """Return PostgreSQL, the code server and the webserver at work; the daemon is down."""
    made = Stack(server, folder, folder / "project")
    try:
        made.wait_until_healthy("postgres")
        made.start("code")
        made.wait_until_healthy("code")
        made.start("webserver")
        made.wait_until_healthy("webserver")
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def project(stack: Stack, folder: Path) -> Project:
    return load_valid_project(folder / "project", stack.environment("code"))


@pytest.fixture
def instance(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return Dagster's instance as the services see it."""
    for name, value in stack.environment("webserver").items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(stack.home)) as opened:
        yield opened


def until(holds: Callable[[], bool], stack: Stack) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, stack.log("code") + stack.log("daemon")
        time.sleep(0.5)


def rows_of(project: Project, query: str) -> list[tuple[Any, ...]]:
    """Return what the warehouse answers, whoever is at work on it."""
    with open_for_reading(project, "a test", nobody_waits) as connection:
        kind = project.entities["customer"].schema_name
        return connection.fetch(statement("query", query).bind({"cdp": project.schema_name, "kind": kind}))


def nobody_waits(holder: object) -> None:
    raise AssertionError(f"the warehouse is held by {holder}")


def test_a_backfill_of_90_days_from_the_ui_is_one_run(
    stack: Stack, project: Project, instance: dg.DagsterInstance
) -> None:
    """The daemon is down when the backfill is asked for, and finds it when it comes; that also saves half a minute.

    The sensor would find the same files at once, and waits for the next test.
    """
    assert len(DAYS) == 90
    assert not stack.is_healthy("daemon")
    turn_off(stack.url, "landing_web")
    backfill = launch_backfill(stack.url, OF_DAYS, DAYS)
    stack.start("daemon")
    until(lambda: bool(ENDED & set(states(stack.url, "dagster/backfill", backfill))), stack)
    stack.wait_until_healthy("daemon")

    [run] = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/backfill"] == backfill
    for end, day in (("start", FIRST), ("end", LAST)):
        assert run.tags[f"dagster/asset_partition_range_{end}"] == day.isoformat()
    days = {day.isoformat() for day in DAYS}
    for asset in OF_DAYS:
        filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset.split("/")))
        records = instance.fetch_materializations(filters, limit=1000).records
        assert {record.run_id for record in records} == {run.run_id}
        assert {record.partition_key for record in records if record.partition_key} == days
    count = "select e.arrived_on, count(*) from cdp.customer_events as e group by e.arrived_on"
    assert dict(rows_of(project, count)) == dict.fromkeys(DAYS, 2)


def test_what_lands_is_in_the_profiles_without_a_hand(
    stack: Stack, project: Project, instance: dg.DagsterInstance
) -> None:
    """A log-in of the first day arrives after all that is stitched, and makes one of two people."""
    seen = "select p.n_events from kind.profiles as p"
    with open_session(project, "a test", nobody_waits) as session:
        list(run_stages(session.connection, project, session.run))
    assert rows_of(project, seen) == [(90,), (90,)]
    land_late_login(project.folder)
    turn_on(stack.url, "landing_web")
    stack.start("daemon")
    until(lambda: states(stack.url, "dagster/sensor_name", "landing_web") == ["SUCCESS"], stack)
    assert rows_of(project, seen) == [(181,)]

    [run] = instance.get_runs(filters=dg.RunsFilter(tags={"dagster/sensor_name": "landing_web"}))
    assert run.job_name == RUN_ALL
    assert run.tags["dagster/partition"] == f"{LAST}"
    replayed = instance.get_latest_materialization_event(dg.AssetKey(["customer", "stitched_events"]))
    assert replayed is not None
    assert replayed.run_id == run.run_id
    assert replayed.asset_materialization is not None
    assert replayed.asset_materialization.metadata["events_rekeyed"].value == 90


def test_a_crash_is_noted_and_made_good_and_an_orderly_end_waits(stack: Stack, project: Project) -> None:
    """The code server goes down with a run at work, which waits for the warehouse: ours as long as the block lasts."""

    def at_work() -> list[str]:
        return states(stack.url, "asked-for", RUN_ALL)

    stack.start("daemon")
    codes: list[int] = []
    ending = threading.Thread(target=lambda: codes.append(stack.stop("code", seconds=PATIENCE)))
    with open_session(project, "a test", nobody_waits):
        launch_job(stack.url, RUN_ALL, FIRST)
        until(lambda: at_work() == ["STARTED"] and "Waiting for the warehouse" in stack.log("code"), stack)
        stack.kill("code")
        assert at_work() == ["STARTED"]
        stack.start("code")
        until(lambda: at_work()[0] == "FAILURE", stack)
        until(lambda: at_work() == ["FAILURE", "STARTED"], stack)  # the daemon asked for it once more
        ending.start()
        ending.join(35)  # for half a minute Dagster would have waited by itself
        assert ending.is_alive()
        assert at_work() == ["FAILURE", "STARTED"]
    ending.join(PATIENCE)
    assert codes == [0], stack.log("code")
    assert at_work() == ["FAILURE", "SUCCESS"]

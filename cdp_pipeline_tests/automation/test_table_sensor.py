"""The sensor of a source table, on a server: rows that arrived request the main run, beside whoever is at work."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import InputError
from cdp_pipeline.operations.session import open_session
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.ticks import tick
from cdp_pipeline_tests.automation.tiny import TINY, write_tiny

CRM = "landing_crm"
SOURCE = """\
  crm:
    table: raw.contacts
    arrived_at: updated_at
    where: row->>'state' = 'real'
    event: {id: id, type: "'contact'", time: updated_at}
entities:
"""
WITH_TABLE = TINY.replace("entities:\n", SOURCE).replace("end: 2026-01-03\n", "")
NOTHING = "Nothing new in raw.contacts."
Execute = Callable[..., None]


@pytest.fixture
def project(folder: Path, home: Path) -> Iterator[Project]:
    shutil.copytree(home, folder / ".dagster")
    with engines.on("postgresql"):
        yield write_tiny(folder, WITH_TABLE, {})


@pytest.fixture
def execute(project: Project) -> Execute:
    """Return what runs a statement of somebody else, who fills the table."""
    database = project.warehouse.rpartition("/")[2]

    def run(statement: str, *values: object) -> None:
        engines.server().execute(statement, *values, database=database)

    run("create schema raw")
    run("create table raw.contacts (id text, updated_at timestamptz, state text)")
    return run


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with instance_of(project) as opened:
        yield opened


def arrive(execute: Execute, number: int, moment: datetime, state: str = "real") -> None:
    execute("insert into raw.contacts values (%s, %s, %s)", str(number), moment, state)


def test_rows_that_are_new_request_the_run_and_others_do_not(
    project: Project, instance: dg.DagsterInstance, execute: Execute
) -> None:
    """An old table may have no row of late; then the newest one tells from where to look on."""
    now = datetime.now(UTC)
    last_week, an_hour_ago = now - timedelta(days=7), now - timedelta(minutes=61)
    assert tick(project, instance, CRM) == ([], NOTHING, None)
    arrive(execute, 1, last_week)
    (first,), _, cursor = tick(project, instance, CRM)
    assert (first.job_name, first.partition_key) == ("run_all", str(last_week.date()))
    assert tick(project, instance, CRM)[0] == [first]
    assert tick(project, instance, CRM, cursor)[:2] == ([], NOTHING)

    arrive(execute, 2, an_hour_ago)
    arrive(execute, 3, now + timedelta(days=1))  # has not arrived yet
    arrive(execute, 4, now, "test")  # is none by the source's condition
    (second,), _, cursor = tick(project, instance, CRM, cursor)
    assert (second.tags["cdp/days"], second.tags["cdp/source"]) == (str(an_hour_ago.date()), "crm")
    assert second.run_key != first.run_key
    assert tick(project, instance, CRM, cursor)[:2] == ([], NOTHING)

    arrive(execute, 5, an_hour_ago - timedelta(minutes=30))  # committed late
    (third,), _, cursor = tick(project, instance, CRM, cursor)
    assert "cdp/days" not in third.tags
    assert tick(project, instance, CRM, cursor)[:2] == ([], NOTHING)
    assert json.loads(cursor or "")["requests"] == 3


def test_it_looks_while_a_run_is_at_work_and_before_the_first_one(
    project: Project, instance: dg.DagsterInstance, execute: Execute
) -> None:
    arrive(execute, 1, datetime.now(UTC))
    asked, _, cursor = tick(project, instance, CRM)
    assert len(asked) == 1
    with open_session(project, "another", lambda holder: None):
        arrive(execute, 2, datetime.now(UTC))
        assert len(tick(project, instance, CRM, cursor)[0]) == 1


def test_a_table_that_is_not_there_is_told(project: Project, instance: dg.DagsterInstance) -> None:
    with pytest.raises(InputError, match=r"the warehouse has no table raw\.contacts"):
        tick(project, instance, CRM)

"""A session of a server: who holds the writer's lock, what the server shows, what is refused; a password nowhere."""

import json
import logging
import threading
import time
from pathlib import Path

import psycopg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import SchemaNotOurs, WarehouseError, WarehouseInterrupted
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.lock import Claim, Holder
from cdp_pipeline.warehouse.opening import hold_warehouse
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.automation.tiny import FIRST, TINY, land, row, run_without_dagster, write_tiny
from cdp_pipeline_tests.engines import Engine

JOB, RUN = "run_all", "0b54b2a6-6a1e-4d2c-9d0e-1f3f2c1a7b11"


def not_waiting(holder: Holder | None) -> None:
    raise AssertionError(f"had to wait for {holder}")


@pytest.fixture
def project(postgresql: Engine, tmp_path: Path) -> Project:
    return write_tiny(tmp_path / "tiny")


def test_a_server_shows_job_and_run(project: Project) -> None:
    with open_session(project, RUN, not_waiting, job=JOB):
        rows = engines.server().execute(
            "select application_name from pg_stat_activity where application_name like 'cdp %%'", *()
        )
    assert (f"cdp {JOB} {RUN}",) in rows


def test_a_waiter_is_told_who_holds_the_warehouse_and_goes_on_when_it_is_free(project: Project) -> None:
    told: list[Holder | None] = []
    got = threading.Event()

    def wait() -> None:
        with open_session(project, "second", told.append):
            got.set()

    with open_session(project, RUN, not_waiting, job=JOB) as session:
        waiter = threading.Thread(target=wait)
        waiter.start()
        while not told:
            time.sleep(0.01)
        assert not got.is_set()
        pid = session.connection.fetch(statement("pid", "select pg_backend_pid()"))[0][0]
    waiter.join(30)
    assert got.is_set()
    assert told[0] is not None
    assert (told[0].pid, told[0].run) == (pid, f"{JOB} {RUN}")
    assert told[0].since.endswith("+00:00")


def test_two_warehouses_of_one_database_do_not_wait_for_each_other(project: Project, tmp_path: Path) -> None:
    text = TINY.replace("start:", "schema: other\nstart:", 1).replace("customer:", "client:")
    folder = tmp_path / "other"
    other = write_tiny(folder, text.replace("duckdb:///warehouse.duckdb", project.warehouse))
    with open_session(project, "first", not_waiting), open_session(other, "second", not_waiting):
        pass


def test_a_schema_of_somebody_else_is_refused(project: Project) -> None:
    database = project.warehouse.rpartition("/")[2]
    engines.server().execute("create schema customer", database=database)
    made_by = "already has a schema `customer`, made by somebody else"
    with pytest.raises(SchemaNotOurs, match=made_by), open_session(project, RUN, not_waiting):
        pass
    assert engines.server().execute("select to_regnamespace('cdp')::text", database=database) == [(None,)]


def claim() -> Claim:
    return Claim("cdp", JOB, RUN, not_waiting)


WRONG = {
    "password": ("{user}:wr0ng-s3cret@{host}:{port}/{database}", "Check user and password in `warehouse`"),
    "database": ("{user}:{password}@{host}:{port}/gone", 'database "gone" does not exist'),
    "port": ("{user}:{password}@{host}:1/{database}", r"connect: .*refused"),
    "host": ("{user}:{password}@no.such.host.invalid:{port}/{database}", "connect: "),
    "option": ("{user}:{password}@{host}:{port}/{database}?sslmode=sideways", "sslmode"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_reached_is_said_without_the_password(
    url: str, tmp_path: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = {"user": "cdp_test", "password": engines.server().password, "host": "127.0.0.1",
             "port": engines.server().port, "database": url.rpartition("/")[2]}  # fmt: skip
    written, said = WRONG[wrong]
    address = "postgresql://" + written.format(**parts)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(WarehouseError, match=said) as caught,
        hold_warehouse(address, tmp_path, claim()),
    ):
        pass
    causes: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        causes.append(f"{error!s} {error!r}")
        error = error.__cause__
    for secret in ("wr0ng-s3cret", engines.server().password):
        assert secret not in " ".join(causes) + caplog.text


def test_nothing_shows_the_password(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    secret = engines.server().password
    with caplog.at_level(logging.DEBUG), open_session(project, RUN, not_waiting) as session:
        with pytest.raises(WarehouseError) as caught:
            session.connection.fetch(statement("wrong", "select 1 / 0"))
        assert secret not in f"{session.connection!r} {vars(session.connection)!r} {caught.value!r}"
    command = Path("/proc/self/cmdline")
    assert secret not in caplog.text + (command.read_text() if command.exists() else "")


def test_times_are_utc_and_json_is_text(url: str, tmp_path: Path) -> None:
    with hold_warehouse(url, tmp_path, claim()) as connection:
        ((moment, json_text, number),) = connection.fetch(
            statement("types", """select cast('2026-01-01 12:00' as timestamptz), cast('{"a": 1.50}' as jsonb), 0.1""")
        )
    assert (str(moment), json.loads(json_text), str(number)) == ("2026-01-01 12:00:00+00:00", {"a": 1.5}, "0.1")


ADVICE = {
    "statement_timeout": ("set statement_timeout = '50ms'", "select pg_sleep(5)", "statement_timeout = '1h'"),
    "read only": ("set default_transaction_read_only = on", "create table t (a integer)", "takes no writes"),
}


@pytest.mark.parametrize("case", ADVICE)
def test_what_trying_again_cannot_help_says_what_to_do(url: str, tmp_path: Path, case: str) -> None:
    setting, text, advice = ADVICE[case]
    with hold_warehouse(url, tmp_path, claim()) as connection:
        connection.run_text(setting, {}, "set")
        with pytest.raises(WarehouseError, match=advice) as caught:
            connection.run_text(text, {}, "case")
    assert not caught.value.transient
    assert "the next run continues from here" in str(caught.value)


def test_a_deadlock_asks_for_another_try(url: str, tmp_path: Path) -> None:
    other = Claim("another", JOB, "other", not_waiting)
    with hold_warehouse(url, tmp_path, claim()) as first, hold_warehouse(url, tmp_path, other) as second:
        for connection in (first, second):
            connection.run_text("set deadlock_timeout = '50ms'", {}, "set")
        first.run_text("create table a as select 1 as n", {}, "a")
        first.run_text("create table b as select 1 as n", {}, "b")
        errors: list[WarehouseError] = []

        def cross(connection: Connection, one: str, two: str, ready: threading.Barrier) -> None:
            try:
                with connection.transaction():
                    connection.run_text(one, {}, "one")
                    ready.wait()
                    connection.run_text(two, {}, "two")
            except WarehouseError as error:
                errors.append(error)

        updates = ("update a set n = n + 1", "update b set n = n + 1")
        barrier = threading.Barrier(2)
        crossing = threading.Thread(target=cross, args=(second, *updates[::-1], barrier))
        crossing.start()
        cross(first, *updates, barrier)
        crossing.join()
    assert [type(error) for error in errors] == [WarehouseInterrupted]
    assert errors[0].transient


def test_a_full_disk_is_no_reason_to_try_again() -> None:
    from cdp_pipeline.warehouse.postgres_errors import translated

    error = translated(psycopg.errors.DiskFull("could not extend file"), "landing")
    assert not error.transient
    assert "disk is full. Make room on it" in str(error)


def test_settings_of_the_database_change_no_value(project: Project) -> None:
    """A client encoding, an order of dates and a number of digits that somebody set for other clients."""
    database = project.warehouse.rpartition("/")[2]
    for setting in ("client_encoding = latin1", "datestyle = 'SQL, DMY'", "extra_float_digits = 0"):
        engines.server().execute(f'alter database "{database}" set {setting}', database=database)
    day = row(1, FIRST, cookie="Jörg", total=0.30000000000000004)
    land(project.folder, FIRST, [day])
    run_without_dagster(project)
    with open_session(project, RUN, not_waiting) as session:
        values = "select v.value from customer.identifier_values as v where v.value like 'J%'"
        assert session.connection.fetch(statement("values", values)) == [("Jörg",)]
        dated = "select cast(cast('03/04/2026' as date) as text), cast(0.30000000000000004 as double precision)"
        assert session.connection.fetch(statement("dated", dated)) == [("2026-03-04", 0.30000000000000004)]


def test_a_reader_who_forgot_to_commit_holds_nobody_up(project: Project) -> None:
    run_without_dagster(project)
    with psycopg.connect(project.warehouse) as forgetful, psycopg.connect(project.warehouse) as other:
        forgetful.execute("select count(*) from customer.events, customer.attributes, customer.entity_redirects")
        with open_session(project, RUN, not_waiting) as session:
            list(run_stages(session.connection, project, session.run, full=True))
        other.execute("set statement_timeout = '5s'")
        assert other.execute("select count(*) > 0 from customer.events").fetchall() == [(True,)]


def test_a_session_that_is_lost_while_it_waits_waits_on(project: Project) -> None:
    told: list[Holder | None] = []
    got = threading.Event()

    def wait() -> None:
        with open_session(project, "waiter", told.append):
            got.set()

    with open_session(project, RUN, not_waiting):
        waiter = threading.Thread(target=wait)
        waiter.start()
        for losses in (1, 2):
            while len(told) < losses:
                time.sleep(0.01)
            engines.server().execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'cdp waiter'"
            )
        while len(told) < 3:
            time.sleep(0.01)
        assert not got.is_set()
    waiter.join(30)
    assert got.is_set()

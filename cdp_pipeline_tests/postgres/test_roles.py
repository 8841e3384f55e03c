"""The roles of deploy/warehouse_roles.sql: one can do all that the pipeline does and no more, the other only reads."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, TINY, land, run_without_dagster, write_tiny
from cdp_pipeline_tests.engines import WRITTEN
from cdp_pipeline_tests.postgres_server import PostgresServer

SCRIPT = Path(__file__).parents[2] / "deploy" / "warehouse_roles.sql"
WRITER, READER = "own_writer", "own_reader"
SECRETS = {"CDP_WAREHOUSE_USER": WRITER, "CDP_WAREHOUSE_PASSWORD": "it's-1", "CDP_READER_USER": READER,
           "CDP_READER_PASSWORD": "re%ad"}  # fmt: skip


def run_script(server: PostgresServer, database: str, **secrets: str) -> "subprocess.CompletedProcess[str]":
    command = [str(server.binaries / "psql"), "--no-psqlrc", "--quiet", "--file", str(SCRIPT)]
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "cdp_test", "PGPASSWORD": server.password,
             "PGDATABASE": database, "PATH": os.environ["PATH"]}  # fmt: skip
    return subprocess.run(command, env=where | secrets, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Return a database that nobody may enter but those to whom the script grants it."""
    server = engines.server()
    server.create_database("roles")
    server.execute("revoke all on database roles from public")
    for _ in range(2):
        done = run_script(server, "roles", **SECRETS)
        assert (done.returncode, done.stderr) == (0, "")
    yield "roles"
    server.drop_database("roles")
    for role in (WRITER, READER):
        server.execute(f"drop role {role}")


def address(user: str, password: str, database: str) -> str:
    return engines.server().url(database, user=user, password=password)


@pytest.fixture(scope="module")
def project(database: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose pipeline has run as the writer."""
    text = TINY.replace(WRITTEN, address(WRITER, "it%27s-1", database))
    project = write_tiny(tmp_path_factory.mktemp("roles"), text, {FIRST: DAYS[FIRST]})
    run_without_dagster(project)
    return project


def test_the_writer_does_all_that_the_pipeline_does(project: Project) -> None:
    land(project.folder, SECOND, DAYS[SECOND])
    land(project.folder, FIRST, DAYS[FIRST][1:])
    run_without_dagster(project)
    with psycopg.connect(project.warehouse) as connection:
        assert connection.execute("select count(*) from customer.profiles").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "deed",
    [
        "create table public.mine (a integer)",
        "create role another",
        "create database another",
        "copy (select 1) to 'x.csv'",
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/hostname')",
        "alter system set work_mem = '1GB'",
        "select * from pg_authid",
    ],
)
def test_the_writer_can_do_nothing_else(project: Project, deed: str) -> None:
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(project.warehouse, autocommit=True) as connection, refused:
        connection.execute(deed.encode())


def test_the_reader_reads_everything_and_changes_nothing(project: Project, database: str) -> None:
    with psycopg.connect(address(READER, "re%25ad", database), autocommit=True) as connection:
        names = connection.execute(
            "select format('%I.%I', s, t) from (select schemaname, tablename from pg_tables union "
            "select schemaname, viewname from pg_views) as there (s, t) where s in ('cdp', 'customer')"
        ).fetchall()
        assert ("customer.profiles",) in names
        assert ("customer.events",) in names
        for (name,) in names:
            if name == "cdp.erasure_secrets":
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"table {name} limit 1".encode())
                continue
            connection.execute(f"table {name} limit 1".encode())
        connection.execute("set default_transaction_read_only = off")
        for deed in ("delete from customer.profiles", "update cdp.runs set status = ''", "create schema mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(deed.encode())


def test_without_passwords_there_are_no_roles(database: str) -> None:
    done = run_script(engines.server(), database, CDP_WAREHOUSE_USER="open_to_all")
    assert done.returncode != 0
    assert "Set CDP_WAREHOUSE_PASSWORD" in done.stderr
    assert engines.server().execute("select count(*) from pg_roles where rolname = 'open_to_all'") == [(0,)]

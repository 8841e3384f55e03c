"""The scripts on a real server: two databases, and no role may look at what is not its own."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from cdp_pipeline_tests.deploy.stack import fill, interpolate, service
from cdp_pipeline_tests.postgres_server import PostgresServer

WHOSE = {"DAGSTER_PG": "dagster", "WAREHOUSE": "cdp", "READER": "cdp_reader"}
DATABASE_OF = {"DAGSTER_PG": "dagster", "WAREHOUSE": "warehouse", "READER": "warehouse"}


def passwords() -> dict[str, str]:
    return {f"CDP_{whose}_PASSWORD": secrets.token_hex(8) for whose in WHOSE}


def run(server: PostgresServer, variables: dict[str, str]) -> None:
    done = fill(server, variables)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr


@pytest.fixture(scope="module")
def filled(server: PostgresServer) -> dict[str, str]:
    """Return the passwords of a server on which the script ran twice."""
    run(server, passwords())
    last = passwords()
    run(server, last)
    return last


@pytest.fixture
def dagster(server: PostgresServer, filled: dict[str, str]) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Return Dagster's role in its database."""
    url = server.url("dagster", user="dagster", password=filled["CDP_DAGSTER_PG_PASSWORD"])
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cdp(server: PostgresServer, filled: dict[str, str]) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Return the pipeline's role in the warehouse."""
    url = server.url("warehouse", user="cdp", password=filled["CDP_WAREHOUSE_PASSWORD"])
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def test_twice_makes_two_databases_and_plain_roles(server: PostgresServer, filled: dict[str, str]) -> None:
    assert filled
    databases = server.execute(
        "select datname, pg_encoding_to_char(encoding) from pg_database"
        " where datname <> 'postgres' and not datistemplate order by 1"
    )
    assert databases == [("dagster", "UTF8"), ("warehouse", "UTF8")]
    roles = server.execute(
        "select rolname, rolcanlogin, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls"
        " from pg_roles where rolname !~ '^pg_' and rolname <> 'cdp_test' order by 1"
    )
    assert roles == [("cdp", True, False), ("cdp_reader", True, False), ("dagster", True, False)]
    assert server.execute("select count(*) from pg_auth_members where member > 16383") == [(0,)]


def test_no_role_may_enter_a_database_that_is_not_its_own(server: PostgresServer, filled: dict[str, str]) -> None:
    for whose, user in WHOSE.items():
        for database in ("dagster", "warehouse"):
            url = server.url(database, user=user, password=filled[f"CDP_{whose}_PASSWORD"])
            if database == DATABASE_OF[whose]:
                psycopg.connect(url).close()
            else:
                with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
                    psycopg.connect(url)


def test_to_run_it_again_changes_the_passwords(server: PostgresServer, filled: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("dagster", user="dagster", password=filled["CDP_WAREHOUSE_PASSWORD"]))
    changed = passwords()
    run(server, changed)
    psycopg.connect(server.url("dagster", user="dagster", password=changed["CDP_DAGSTER_PG_PASSWORD"])).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("dagster", user="dagster", password=filled["CDP_DAGSTER_PG_PASSWORD"]))
    run(server, filled)


def test_dagsters_role_makes_tables_in_public_and_nothing_else(
    dagster: "psycopg.Connection[tuple[object, ...]]",
) -> None:
    dagster.execute("create table public.probe (id int)")
    dagster.execute("drop table public.probe")
    for statement in (
        "create schema other",
        "create database other",
        "create role other",
        "create temporary table t ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            dagster.execute(statement)


def test_the_pipelines_role_makes_schemas_and_leaves_public_alone(
    cdp: "psycopg.Connection[tuple[object, ...]]",
) -> None:
    cdp.execute("create schema customer")
    cdp.execute("create table customer.probe (id int)")
    cdp.execute("create temporary table t ()")
    cdp.execute("drop schema customer cascade")
    for statement in ("create table public.probe (id int)", "create database other", "create role other"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cdp.execute(statement)


def test_without_a_password_nothing_is_made(server: PostgresServer) -> None:
    before = server.execute("select count(*) from pg_roles")
    done = fill(server, {"CDP_DAGSTER_PG_USER": "open_to_all", "CDP_WAREHOUSE_PASSWORD": "some"})
    assert done.returncode == 3
    assert "Set CDP_DAGSTER_PG_PASSWORD: a role without a password is open to all." in done.stderr
    assert server.execute("select count(*) from pg_roles") == before


def test_any_name_and_any_password_will_do(server: PostgresServer) -> None:
    database, user, password = '"Dagster\'s Own"', "it's \\ it", "'' : $$ {x} %s \\'"
    given = passwords() | {
        "CDP_DAGSTER_PG_DB": database, "CDP_DAGSTER_PG_USER": user, "CDP_DAGSTER_PG_PASSWORD": password,
    }  # fmt: skip
    run(server, given)
    run(server, given)
    psycopg.connect(host="127.0.0.1", port=server.port, dbname=database, user=user, password=password).close()


def test_passwords_do_not_get_into_the_servers_log(server: PostgresServer, filled: dict[str, str]) -> None:
    assert "grant usage, create on schema public" in server.log()  # it does log statements
    assert not [name for name, password in filled.items() if password in server.log()]


def test_a_cluster_can_be_made_as_compose_asks(server: PostgresServer) -> None:
    """The image hands these arguments on to initdb, together with the name of the superuser."""
    arguments = interpolate(service("postgres")["environment"]["POSTGRES_INITDB_ARGS"], {}).split()
    place = server.folder / "as compose asks"
    done = subprocess.run(
        [str(server.binaries / "initdb"), "-D", str(place), "-U", "postgres", "--no-sync", *arguments],
        env={"PATH": "", "LANG": "en_US.utf8"}, capture_output=True, check=False, text=True, **server._as_account(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "locale provider:   builtin" in done.stdout
    shutil.rmtree(place)

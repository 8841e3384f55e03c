"""The commands of `deploy/README.md` are those of the compose file, and its backup can be restored."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cdp_pipeline_tests.deploy.stack import DEPLOY, fill, service
from cdp_pipeline_tests.postgres_server import USER, PostgresServer

TEXT = (DEPLOY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PASSWORDS = {"CDP_DAGSTER_PG_PASSWORD": "one", "CDP_WAREHOUSE_PASSWORD": "two"}
OWNERS = {"dagster": ("dagster", "one"), "warehouse": ("cdp", "two")}


@pytest.fixture
def another_server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.discard()


def commands(program: str) -> list[tuple[list[str], str]]:
    """Return what is run with a program inside the service postgres: its arguments, and the file beside them."""
    lines = re.findall(rf"^docker compose exec -T postgres {program} (.*) [<>] (\S+)$", TEXT, re.MULTILINE)
    return [(arguments.split(), name) for arguments, name in lines]


def run_on(
    server: PostgresServer,
    program: str,
    arguments: list[str],
    *,
    source: Path | None = None,
    target: Path | None = None,
) -> None:
    """Run a client program of the server's as the image's superuser would, with a file as its input or output."""
    given = [f"--username={USER}" if part == "--username=postgres" else part for part in arguments]
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": server.password}
    done = subprocess.run(
        [str(server.binaries / program), *given], check=False, env={"PATH": os.environ["PATH"], **place},
        input=None if source is None else source.read_bytes(), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    if target is not None:
        target.write_bytes(done.stdout)


def read(server: PostgresServer, database: str) -> list[tuple[object, ...]]:
    """Return what the database's own role finds there."""
    user, password = OWNERS[database]
    with psycopg.connect(server.url(database, user=user, password=password)) as connection:
        return connection.execute("select * from results.probe").fetchall()


def write(server: PostgresServer, database: str, number: int) -> None:
    """Make a table as the database's own role."""
    user, password = OWNERS[database]
    with psycopg.connect(server.url(database, user=user, password=password)) as connection:
        connection.execute("create table results.probe (id int generated always as identity, number int)")
        connection.execute("insert into results.probe (number) values (%s)", (number,))


def test_without_containers_the_commands_are_the_same() -> None:
    [block] = [block for block in BLOCKS if "dagster-daemon run" in block]
    inside = [" ".join(service(name)["command"]) for name in ("code", "webserver", "daemon")]
    assert block.splitlines() == [command.replace("0.0.0.0", "127.0.0.1") for command in inside]


def test_without_containers_the_environment_is_the_same() -> None:
    [block] = [block for block in BLOCKS if "DAGSTER_HOME=" in block]
    assert {line.partition("=")[0] for line in block.splitlines()} == {
        *service("code")["environment"], "DAGSTER_HOME", "PATH",
    }  # fmt: skip


def test_what_is_backed_up_can_be_restored(
    server: PostgresServer, another_server: PostgresServer, tmp_path: Path
) -> None:
    for each in (server, another_server):
        assert fill(each, PASSWORDS).returncode == 0
        for database, (user, _) in OWNERS.items():
            each.execute(f"create schema results authorization {user}", database=database)
    for number, database in enumerate(OWNERS):
        write(server, database, number)
        write(another_server, database, 99)  # to be replaced
    dumps, restores = commands("pg_dump"), commands("pg_restore")
    assert [name for _, name in dumps] == [name for _, name in restores] == ["dagster.dump", "warehouse.dump"]
    for arguments, name in dumps:
        run_on(server, "pg_dump", arguments, target=tmp_path / name)
    for arguments, name in restores:
        run_on(another_server, "pg_restore", arguments, source=tmp_path / name)
    for number, database in enumerate(OWNERS):
        assert read(another_server, database) == [(1, number)]
    # The rights on the databases and on `public` are as before.
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(another_server.url("warehouse", user="dagster", password="one"))
    with psycopg.connect(another_server.url("dagster", user="dagster", password="one")) as connection:
        connection.execute("create table public.probe (id int)")

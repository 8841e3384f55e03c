"""The engines on which the suite runs, and how a test's folder gets its warehouse on each.

A test module whose package asks for the fixture `engine` runs once on each engine; `current()` is the one that it runs
on. A server is started when the first test needs it, one for each process of the suite, and gives every folder a
database of its own.
"""

import atexit
import hashlib
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.duckdb import DuckDBConnection
from cdp_pipeline.warehouse.lock import Claim
from cdp_pipeline.warehouse.postgres import PostgresConnection
from cdp_pipeline_tests.postgres_server import PostgresServer

FILE = "warehouse.duckdb"
WRITTEN = f"duckdb:///{FILE}"


class DuckDB:
    """A file in the folder."""

    name = "duckdb"

    def url(self, folder: Path) -> str:
        """The project's `warehouse`."""
        return WRITTEN

    def open(self, folder: Path) -> Connection:
        """Opens the folder's warehouse past the lock."""
        return DuckDBConnection(folder / FILE)

    def copy(self, folder: Path, place: Path) -> Path:
        """Copies a folder with its warehouse, which nobody has open."""
        return Path(shutil.copytree(folder, place))

    def discard(self, folder: Path) -> None:
        """Takes a folder away with its warehouse, which nobody has open."""
        shutil.rmtree(folder)

    def forget(self) -> None:
        """Nothing is left behind: the file goes with the folder."""


class PostgreSQL:
    """A database on a server that the suite has started."""

    name = "postgresql"

    def __init__(self) -> None:
        self._databases: set[str] = set()
        self._claims = itertools.count()
        self._opened: list[Connection] = []

    def url(self, folder: Path) -> str:
        """The project's `warehouse`; the database is made when it is first asked for."""
        name = self._name(folder)
        if name not in self._databases:
            self._databases.add(name)
            server().create_database(name)
        return server().url(name)

    def _name(self, folder: Path) -> str:
        return f"t_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"

    def open(self, folder: Path) -> Connection:
        """Opens the folder's warehouse past the lock: each time by a lock of its own."""
        claim = Claim(f"test {next(self._claims)}", "test", "test", lambda holder: None)
        self._opened.append(PostgresConnection(self.url(folder), claim))
        return self._opened[-1]

    def copy(self, folder: Path, place: Path) -> Path:
        """Copies a folder with its warehouse, which nobody has open; the copy's project names its own database."""
        shutil.copytree(folder, place)
        source, target = self._name(folder), self._name(place)
        self._databases.add(target)
        server().create_database(target, source)
        file = place / "project.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace(source, target), encoding="utf-8")
        return place

    def discard(self, folder: Path) -> None:
        """Takes a folder away with its warehouse, which nobody has open."""
        shutil.rmtree(folder)
        self._databases.discard(self._name(folder))
        server().drop_database(self._name(folder))

    def forget(self) -> None:
        """Closes what is open, and drops the databases that were made."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        for name in self._databases:
            server().drop_database(name)
        self._databases.clear()


Engine = DuckDB | PostgreSQL
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (DuckDB(), PostgreSQL())}
_stack: list[Engine] = [ENGINES["duckdb"]]


def shared_out(many: int, shapes: int) -> list[tuple[str, int]]:
    """Numbers of random histories, each with the one engine that it runs on: more of them in the time than on each.

    Args:
        many: how many there are.
        shapes: After so many numbers the shapes begin again, and the engines change places.
    """
    names = list(ENGINES)
    return sorted((names[(number % shapes + number // shapes) % len(names)], number) for number in range(many))


@cache
def server() -> PostgresServer:
    """The suite's own server."""
    started = PostgresServer(in_memory=True)
    atexit.register(started.discard)
    return started


def current() -> Engine:
    """The engine of the test that runs: DuckDB, unless its package asks for others."""
    return _stack[-1]


@contextmanager
def on(name: str) -> Iterator[Engine]:
    """Runs the block on an engine."""
    _stack.append(ENGINES[name])
    try:
        yield _stack[-1]
    finally:
        _stack.pop().forget()


def placed(project_text: str, folder: Path) -> str:
    """A project's text with the warehouse that the folder has on the current engine."""
    return project_text.replace(WRITTEN, current().url(folder))

"""DuckDB: the embedded default, one file beside the project.

One process may hold the file, and no other may even read it meanwhile; the writer's lock keeps order among ours. A
broken constraint or cast names the statement. Temporary tables spill into a folder beside the file.

DuckDB 1.5.5 loses rows, seen in trials: when a statement with an order (`order by`, `distinct on`, a window with an
order) adds no row to a table, what later statements of the same transaction add to it is lost once it exceeds a row
group (122,880 rows). So such a result is kept in a temporary table of its own, and added from there, where other
statements add to the same table too. A test shows the fault, so that we notice when it is mended.
"""

import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from typing_extensions import override

import duckdb
from cdp_pipeline.errors import StatementStopped, WarehouseBusy, WarehouseError
from cdp_pipeline.sql.json_values import canonical, contains
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection, Row, by_table

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_progress_bar = false",
)


# Made when a statement first calls them, for DuckDB then imports pandas, which takes long.
_FUNCTIONS: dict[str, Callable[..., Any]] = {"cdp_json_canonical": canonical, "cdp_json_within": contains}
CATALOG = "cdp_warehouse"
MEMORY_LIMIT = "4GB"  # more than that goes to temporary files beside the warehouse


class DuckDBConnection(Connection):
    """A connection to one DuckDB file."""

    dialect: ClassVar[str] = "duckdb"
    default_schema: ClassVar[str] = "main"
    json_is_text: ClassVar[bool] = True

    def __init__(self, path: Path, *, memory_limit: str = MEMORY_LIMIT) -> None:
        """Opens the file, and makes it if it is not there.

        Raises:
            WarehouseBusy: another process holds the file.
            WarehouseError: it is no DuckDB file, or cannot be made.
        """
        # Attached by a name of ours: a file named like a schema would make every mention of that schema ambiguous.
        self._connection = duckdb.connect(":memory:")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection.execute(f"ATTACH {_quoted(path)} AS {CATALOG}")
        except (duckdb.Error, OSError) as error:
            self._connection.close()
            if "lock" in str(error).lower():
                raise WarehouseBusy(
                    f"{path} cannot be opened: another process has it open (a notebook or a DuckDB shell, perhaps). "
                    f"DuckDB says: {_first_line(error)}"
                ) from error
            raise WarehouseError(f"{path} cannot be opened as a DuckDB warehouse: {_first_line(error)}") from error
        self._connection.execute(f"USE {CATALOG}")
        self._connection.execute(f"SET temp_directory = {_quoted(path.with_name(path.name + '.tmp'))}")
        for setting in _SETTINGS:
            self._connection.execute(setting)
        self._functions: dict[str, str] = {}
        self._made_since_begin: set[str] = set()
        self._numbers = itertools.count(1)
        self._seconds: float | None = None
        # One core is left to Python, which reads the files: on two cores a second thread made all of it slower.
        self._connection.execute(f"SET threads = {max(1, (os.cpu_count() or 2) - 1)}")
        self._connection.execute(f"SET memory_limit = '{memory_limit}'")

    @override
    def prepare(self, statement: Statement) -> str:
        text = super().prepare(statement)
        for name in _FUNCTIONS:
            if f"{name}(" in text.lower():
                text = re.sub(rf"{name}\(", f"{self._made(name)}(", text, flags=re.IGNORECASE)
        return text

    def _made(self, name: str) -> str:
        """What a function of ours is called in this session; it is made there when it is first asked for.

        One that was made within a transaction is gone when that is rolled back, and DuckDB's client then refuses to
        make another one of the same name.
        """
        if name not in self._functions:
            self._functions[name] = f"{name}_{next(self._numbers)}"
            self._connection.create_function(self._functions[name], _FUNCTIONS[name])
            self._made_since_begin.add(name)
        return self._functions[name]

    @override
    def run_text(self, text: str, values: Mapping[str, Any], name: str) -> int:
        cursor = self._execute(text, values, name)
        if text[:6].upper() not in ("INSERT", "DELETE", "UPDATE", "MERGE "):
            return -1
        row = cursor.fetchone()
        return int(row[0]) if row else -1

    @override
    def fetch_text(self, text: str, values: Mapping[str, Any], name: str) -> list[Row]:
        return self._execute(text, values, name).fetchall()

    @override
    def fetch_arrow_text(self, text: str, values: Mapping[str, Any], name: str) -> pa.Table:
        return self._execute(text, values, name).to_arrow_table()

    def _execute(self, text: str, values: Mapping[str, Any], name: str) -> duckdb.DuckDBPyConnection:
        try:
            with self._timer():
                return self._connection.execute(text, values or None)
        except duckdb.InterruptException as error:
            if self._seconds is None:
                raise
            raise StatementStopped(name, self._seconds, statement=text) from error
        except duckdb.Error as error:
            raise WarehouseError(f"{name}: {error}", statement=text) from error

    @contextmanager
    def _timer(self) -> Iterator[None]:
        if self._seconds is None:
            yield
            return
        timer = threading.Timer(self._seconds, self._connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @override
    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        outer, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = outer

    @override
    def load(self, name: str, rows: pa.Table) -> None:
        try:
            self._connection.register(name, rows)
        except duckdb.Error as error:
            raise WarehouseError(f"{name}: {error}") from error

    @override
    def unload(self, name: str) -> None:
        self._connection.unregister(name)

    @override
    def describe_text(self, text: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.fetch_text(f"DESCRIBE {text}", {}, "describe")]

    @override
    def has_schema(self, schema: str) -> bool:
        query = (
            "SELECT count(*) FROM duckdb_schemas() WHERE schema_name = $schema AND database_name = current_database()"
        )
        return bool(self.fetch_text(query, {"schema": schema}, "has_schema")[0][0])

    @override
    def columns_of(self, schema: str, table: str) -> list[tuple[str, str]] | None:
        # The list of all columns takes ten times as long as a look at one table, and so is left to where that fails
        # although there is something: a view of what is gone.
        try:
            return self.describe_text(f"{CATALOG}.{_name(schema)}.{_name(table)}")
        except WarehouseError:
            query = (
                "SELECT count(*) FROM duckdb_views() WHERE schema_name = $schema AND view_name = $view "
                "AND database_name = current_database()"
            )
            ((views,),) = self.fetch_text(query, {"schema": schema, "view": table}, "columns_of")
            return self.columns_in(schema).get(table) if views else None

    @override
    def columns_in(self, schema: str) -> dict[str, list[tuple[str, str]]]:
        query = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = $schema "
            "AND database_name = current_database() ORDER BY table_name, column_index"
        )
        return by_table(self.fetch_text(query, {"schema": schema}, "columns_in"))

    @override
    def comment_of(self, schema: str, view: str) -> str | None:
        query = (
            "SELECT comment FROM duckdb_views() WHERE schema_name = $schema AND view_name = $view "
            "AND database_name = current_database()"
        )
        rows = self.fetch_text(query, {"schema": schema, "view": view}, "comment_of")
        return rows[0][0] if rows else None

    @override
    def open_days(self, days: Iterable[date], only: Table | None = None) -> None:
        """Days need no room of their own here: a table is one."""

    @override
    def begin(self) -> None:
        self._made_since_begin.clear()
        self._connection.execute("BEGIN TRANSACTION")

    @override
    def commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except duckdb.Error as error:
            raise WarehouseError(f"commit: {error}") from error

    @override
    def roll_back(self) -> None:
        self._connection.execute("ROLLBACK")
        for name in self._made_since_begin:
            self._functions.pop(name, None)

    @override
    def close(self) -> None:
        self._connection.close()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

"""PostgreSQL: a shared server, several readers, one writer.

A run is one session, which holds the writer's lock. A stage's transaction sees one state of the database from its first
statement on (repeatable read). When the session breaks, the next transaction opens another one and takes the lock
again; what was open was rolled back by the server.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import psycopg
import pyarrow as pa
from psycopg.pq import TransactionStatus
from typing_extensions import override

from cdp_pipeline import tables
from cdp_pipeline.errors import StatementStopped, WarehouseInterrupted
from cdp_pipeline.sql.postgres import TRY, Rendered, render
from cdp_pipeline.sql.postgres_forms import CASE_COLLATIONS
from cdp_pipeline.sql.statements import KEPT_TEXTS, Statement
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection, Row, by_table, creation
from cdp_pipeline.warehouse.lock import Claim, Holder
from cdp_pipeline.warehouse.postgres_errors import translated
from cdp_pipeline.warehouse.postgres_load import as_csv, postgres_type
from cdp_pipeline.warehouse.postgres_session import holder_of, make_engine, open_connection, patiently, take_lock
from cdp_pipeline.warehouse.postgres_upkeep import Upkeep

_TEMPORARY = re.compile(r"^(?:CREATE TEMPORARY TABLE|DROP TABLE IF EXISTS) (?:pg_temp\.)?(\w+)")
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and (c.relname = %(table)s or (%(table)s::text is null and not c.relispartition))
order by c.relname, a.attnum
"""
_OTHERS = """
SELECT DISTINCT grantee FROM information_schema.role_table_grants
WHERE table_schema = %(schema)s AND table_name = %(table)s AND grantee NOT IN (current_user, 'PUBLIC')
"""
_COMMENT = """
SELECT obj_description(c.oid, 'pg_class')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(view)s AND c.relkind = 'v'
"""
_MONTHS = """
SELECT c.relname FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(format('%%I.%%I', cast(%(schema)s AS text), cast(%(table)s AS text)))
"""
_PARTITIONS = """
SELECT c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = ANY(%(names)s)
"""


class PostgresConnection(Connection):
    """A session of a PostgreSQL server, which holds the writer's lock unless it only reads."""

    dialect: ClassVar[str] = "postgres"
    default_schema: ClassVar[str] = "public"
    json_is_text: ClassVar[bool] = False

    def __init__(self, url: str, claim: Claim, *, writer: bool = True) -> None:
        """Connects and takes the lock, however long that takes; a reader takes none.

        Raises:
            WarehouseError: there is no such server, database or role, or it will not do.
        """
        self._claim = claim
        self._writer = writer
        self._engine = make_engine(url, claim)
        self._pooled: Any = None
        self._functions: set[str] = set()
        self._upkeep = Upkeep(lambda text, values: self.driver.execute(text.encode(), values))
        self._loaded: dict[str, str] = {}
        self._held: set[str] = set()
        self._types: dict[int, str] = {}
        self._daily: list[tuple[str, str]] = []
        self._within = False
        self._seconds: float | None = None
        self._reached = False
        try:
            self._connect()
        except WarehouseInterrupted:
            if not self._reached:
                raise
            self._reconnect()  # it was lost while waiting for the lock

    @property
    def driver(self) -> psycopg.Connection[Any]:
        """Psycopg's own connection.

        Raises:
            WarehouseInterrupted: it broke, and no other could be had since.
        """
        if self._pooled is None:
            raise WarehouseInterrupted("There is no connection to the server.")
        connection: psycopg.Connection[Any] = self._pooled.driver_connection
        return connection

    def _connect(self) -> None:
        self._pooled = open_connection(self._engine)
        self._reached = True
        self._forget()
        if not self._writer:
            return
        try:
            take_lock(self.driver, self._claim)
        except psycopg.Error as error:
            self._discard()
            raise translated(error, "lock") from error

    def _forget(self) -> None:
        """What the session had is gone, or went with the transaction."""
        self._upkeep.forget()
        for forgotten in (self._functions, self._loaded, self._held):
            forgotten.clear()

    def _reconnect(self) -> None:
        self._discard()
        patiently(self._connect)

    def _discard(self) -> None:
        if self._pooled is not None:
            self._pooled.invalidate()
            self._pooled = None

    @override
    def render(self, statement: Statement) -> str:
        return self._rendered_of(statement).text

    def _rendered_of(self, statement: Statement) -> Rendered:
        return _rendered_once(statement.key, statement) if statement.cached else render(statement.tree)

    @override
    def fetch(self, statement: Statement, **values: Any) -> list[Row]:
        try:
            return super().fetch(statement, **values)
        except WarehouseInterrupted:
            if self._within:
                raise
        # Nothing was open: the question is simply asked again.
        self._reconnect()
        return super().fetch(statement, **values)

    @override
    def find_rows_by(self, table: str, column: str) -> None:
        self._execute(f"CREATE INDEX ON pg_temp.{table} ({column})", {}, f"index {table}")

    @override
    def prepare(self, statement: Statement) -> str:
        rendered = self._rendered_of(statement)
        if statement.trees or not statement.cached:
            self._forget_tries()
        for name, body in rendered.functions:
            if name not in self._functions:
                text = f"create or replace function pg_temp.{name} {body}".replace("%", "%%")
                self._execute(text.replace("{collation}", self._collation) if "{" in text else text, {}, name)
                self._functions.add(name)
        return rendered.text

    @cached_property
    def _collation(self) -> str:
        """The collation by which upper and lower case are told: the first that the database has."""
        query = "SELECT collname FROM pg_collation WHERE collname = ANY(%(names)s)"
        found = {name for (name,) in self.fetch_text(query, {"names": list(CASE_COLLATIONS)}, "collations")}
        return next(name for name in CASE_COLLATIONS if name in found)

    @override
    def run_text(self, text: str, values: Mapping[str, Any], name: str) -> int:
        cursor = self._execute(text, values, name)
        made_or_dropped = _TEMPORARY.match(text)
        if made_or_dropped is not None:
            self._loaded.pop(made_or_dropped[1], None)
            self._forget_tries()
        self._upkeep.after(text, cursor.rowcount)
        return cursor.rowcount

    @override
    def fetch_text(self, text: str, values: Mapping[str, Any], name: str) -> list[Row]:
        return self._rows_of(self._execute(text, values, name), text, name)

    def _rows_of(self, cursor: psycopg.Cursor[Any], text: str, name: str) -> list[Row]:
        try:
            return cursor.fetchall()
        except psycopg.Error as error:  # a value that Python has no form for, such as a time before year 1
            raise translated(error, name, text) from error

    @override
    def fetch_arrow_text(self, text: str, values: Mapping[str, Any], name: str) -> pa.Table:
        cursor = self._execute(text, values, name)
        names = [column.name for column in cursor.description or ()]
        rows = self._rows_of(cursor, text, name)
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        # A query that finds nothing has columns too, and they are numbers wherever Arrow is asked for.
        arrays = [pa.array(column, None if rows else pa.int64()) for column in columns]
        return pa.table(arrays, names=names)

    def _execute(self, text: str, values: Mapping[str, Any], name: str) -> psycopg.Cursor[Any]:
        try:
            self._upkeep.before(text)
            return self.driver.execute(text.encode(), dict(values))
        except psycopg.errors.QueryCanceled as error:
            if self._seconds is None:
                raise translated(error, name, text) from error
            raise StatementStopped(name, self._seconds, statement=text) from error
        except psycopg.Error as error:
            raise translated(error, name, text) from error

    @override
    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        ((before,),) = self.fetch_text("SELECT current_setting('statement_timeout')", {}, "bounded")
        self._limit_statements(f"{int(seconds * 1000)}ms")
        outer, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = outer
            # In a transaction that failed nothing can be set, and its end takes the setting back by itself.
            if self.driver.info.transaction_status is not TransactionStatus.INERROR:
                self._limit_statements(before)

    def _limit_statements(self, time: str) -> None:
        values = {"time": time, "local": self._within}
        self.fetch_text("SELECT set_config('statement_timeout', %(time)s, %(local)s)", values, "bounded")

    @override
    def load(self, name: str, rows: pa.Table) -> None:
        columns = ", ".join(f"{_quoted(field.name)} {postgres_type(field.type)}" for field in rows.schema)
        self._make_loaded(name, columns)
        try:
            with (
                self.driver.cursor() as cursor,
                cursor.copy(f"copy pg_temp.{_quoted(name)} from stdin with (format csv)".encode()) as copy,
            ):
                copy.write(as_csv(rows))
        except psycopg.Error as error:
            raise translated(error, f"load {name}") from error
        self._held.add(name)
        self._upkeep.wrote(name, rows.num_rows)

    def _make_loaded(self, name: str, columns: str) -> None:
        """Makes the table, or empties it: with many new tables in a transaction, all that it does becomes slower."""
        if self._loaded.get(name) == columns:
            self.unload(name)
            return
        self._execute(f"drop table if exists pg_temp.{_quoted(name)}", {}, f"load {name}")
        self._execute(f"create temporary table {_quoted(name)} ({columns})".replace("%", "%%"), {}, f"load {name}")
        self._loaded[name] = columns
        self._forget_tries()

    def _forget_tries(self) -> None:
        """A function that tries an expression is made for the types of its columns, which may be others now."""
        self._functions = {name for name in self._functions if not name.startswith(TRY)}

    @override
    def unload(self, name: str) -> None:
        if name in self._loaded and name in self._held:
            self._execute(f"truncate pg_temp.{_quoted(name)}", {}, f"unload {name}")
        self._held.discard(name)

    @override
    def describe_text(self, text: str) -> list[tuple[str, str]]:
        cursor = self._execute(" ".join(("SELECT * FROM (", text, ") AS described LIMIT 0")), {}, "describe")
        return [(column.name, self._type_name(column)) for column in cursor.description or ()]

    def _type_name(self, column: psycopg.Column) -> str:
        """The server's name of a column's type, with its precision and scale."""
        numbers = (column.precision, column.scale)
        if column.type_display.startswith("numeric") and numbers != (None, None):
            return f"numeric({column.precision},{column.scale})"
        if column.type_code not in self._types:
            query = "SELECT format_type(%(oid)s, -1)"
            self._types[column.type_code] = self.fetch_text(query, {"oid": column.type_code}, "type")[0][0]
        return self._types[column.type_code]

    @override
    def has_schema(self, schema: str) -> bool:
        query = "SELECT count(*) FROM pg_namespace WHERE nspname = %(schema)s"
        return bool(self.fetch_text(query, {"schema": schema}, "has_schema")[0][0])

    @override
    def columns_of(self, schema: str, table: str) -> list[tuple[str, str]] | None:
        rows = self.fetch_text(_COLUMNS, {"schema": schema, "table": table}, "columns_of")
        return by_table(rows).get(table)

    @override
    def columns_in(self, schema: str) -> dict[str, list[tuple[str, str]]]:
        return by_table(self.fetch_text(_COLUMNS, {"schema": schema, "table": None}, "columns_in"))

    @override
    def holder(self) -> Holder | None:
        return None if self._writer else holder_of(self.driver, self._claim)

    @override
    def comment_of(self, schema: str, view: str) -> str | None:
        rows = self.fetch_text(_COMMENT, {"schema": schema, "view": view}, "comment_of")
        return rows[0][0] if rows else None

    @override
    def bring_up(self, table: Table, schema: str, there: Sequence[tuple[str, str]] | None) -> None:
        if table.daily:
            self._daily.append((schema, table.name))
        super().bring_up(table, schema, there)

    @override
    def make(self, table: Table, schema: str) -> None:
        """Makes the table; one of days of arrival is partitioned by their months. Indexes come with the first rows."""
        by_day = " PARTITION BY RANGE (arrived_on)" if table.daily else ""
        self.run_text(self.render(creation(table, schema)) + by_day, {}, f"create.{table.name}")
        if table.secret:
            name = f"{_quoted(schema)}.{_quoted(table.name)}"
            for (role,) in self.fetch_text(_OTHERS, {"schema": schema, "table": table.name}, "others"):
                self.run_text(f"REVOKE ALL ON {name} FROM {_quoted(role)}".replace("%", "%%"), {}, f"hide.{table.name}")

    @override
    def open_days(self, days: Iterable[date], only: Table | None = None) -> None:
        """Makes the partitions of the days' months: one for each month, because a statement locks every partition."""
        months = {day.replace(day=1) for day in days}
        for schema, table in self._daily:
            if only is not None and table != only.name:
                continue
            names = {f"{table}_{month.year:04}_{month:%m}": month for month in months}
            found = self.fetch_text(_PARTITIONS, {"schema": schema, "names": list(names)}, "partitions")
            for name in sorted(names.keys() - {there for (there,) in found}):
                self._make_partition(schema, table, name, names[name])

    def _make_partition(self, schema: str, table: str, name: str, month: date) -> None:
        # Made by itself and then attached, which no reader has to wait for.
        following = (month + timedelta(days=31)).replace(day=1)
        made = f'CREATE TABLE "{schema}"."{name}" (LIKE "{schema}"."{table}" INCLUDING ALL)'
        attached = (
            f'ALTER TABLE "{schema}"."{table}" ATTACH PARTITION "{schema}"."{name}" '
            f"FOR VALUES FROM ('{month}') TO ('{following}')"
        )
        for text in (made, attached):
            self.run_text(text, {}, f"partition.{name}")

    @override
    def set_up(self, project: str, shared: str, kinds: Sequence[str]) -> None:
        super().set_up(project, shared, kinds)
        found = self.fetch_text(_MONTHS, {"schema": shared, "table": tables.CUSTOMER_EVENTS.name}, "months")
        if found:
            with self.transaction():
                self.open_days(date(int(name[-7:-3]), int(name[-2:]), 1) for (name,) in found)

    @override
    def begin(self) -> None:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        try:
            self._execute(begin, {}, "begin")
        except WarehouseInterrupted:
            self._reconnect()
            self._execute(begin, {}, "begin")
        self._within = True

    @override
    def commit(self) -> None:
        try:
            self._upkeep.before_commit()
            self.driver.execute("COMMIT")
        except psycopg.Error as error:
            self.roll_back()
            raise translated(error, "commit") from error
        finally:
            self._within = False

    @override
    def roll_back(self) -> None:
        self._within = False
        # Functions and temporary tables that the transaction made go with it.
        self._forget()
        with suppress(psycopg.Error, WarehouseInterrupted):
            self.driver.execute("ROLLBACK")

    @override
    def close(self) -> None:
        self._discard()
        self._engine.dispose()


@lru_cache(maxsize=KEPT_TEXTS)
def _rendered_once(key: tuple[object, ...], statement: Statement) -> Rendered:
    return render(statement.tree)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

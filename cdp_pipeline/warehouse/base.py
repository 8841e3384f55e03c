"""What an engine is: a few verbs over one connection.

A room speaks to a `Connection`; it never asks which engine it is. A new engine writes the abstract verbs; all else is
shared. Every session's time zone is UTC.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.errors import SchemaNotOurs
from cdp_pipeline.sql.forms import TEMPORARY_SCHEMAS, apply_forms
from cdp_pipeline.sql.statements import KEPT_TEXTS, Statement
from cdp_pipeline.tables import Column, Table
from cdp_pipeline.warehouse.lock import Holder

Row = tuple[Any, ...]
Schemas = Mapping[str, str]


class Rehearsal(Enum):
    """Whether a rehearsal still holds what its transactions wrote; an error ends it before its block does."""

    OPEN = "open"
    ENDED = "ended"


class Connection(ABC):
    """One connection to a warehouse, used by one thread.

    Attributes:
        dialect: the engine's name in sqlglot and in the table of forms.
        default_schema: where a source table stands whose schema is not named.
        json_is_text: whether JSON is parsed whenever it is read, so that its places are better read all at once.
    """

    dialect: ClassVar[str]
    default_schema: ClassVar[str]
    json_is_text: ClassVar[bool]
    _rehearsal: Rehearsal | None = None

    @abstractmethod
    def run_text(self, text: str, values: Mapping[str, Any], name: str) -> int:
        """Runs a rendered statement and returns how many rows it wrote, or -1.

        Raises:
            WarehouseError: the engine refused it; `transient` says whether trying again can help.
        """

    @abstractmethod
    def fetch_text(self, text: str, values: Mapping[str, Any], name: str) -> list[Row]:
        """Runs a rendered query and returns all its rows."""

    @abstractmethod
    def fetch_arrow_text(self, text: str, values: Mapping[str, Any], name: str) -> pa.Table:
        """Runs a rendered query and returns all its rows as an Arrow table."""

    @abstractmethod
    def load(self, name: str, rows: pa.Table) -> None:
        """Makes the rows readable as the temporary table `name`, in place of what had that name."""

    @abstractmethod
    def unload(self, name: str) -> None:
        """Takes away what `load` gave."""

    @abstractmethod
    def describe_text(self, text: str) -> list[tuple[str, str]]:
        """The names and the engine's own type names of a query's columns, without running it."""

    @abstractmethod
    def has_schema(self, schema: str) -> bool:
        """Whether a schema of that name exists."""

    @abstractmethod
    def columns_of(self, schema: str, table: str) -> list[tuple[str, str]] | None:
        """The columns of a table or view with the engine's type names; None when there is no such table."""

    @abstractmethod
    def columns_in(self, schema: str) -> dict[str, list[tuple[str, str]]]:
        """The same of all tables and views of a schema, by their names."""

    @abstractmethod
    def comment_of(self, schema: str, view: str) -> str | None:
        """The comment on a view; None when it has none, or is not there."""

    def holder(self) -> Holder | None:
        """Who holds the writer's lock, as far as a session that does not hold it itself can see."""
        return None

    @abstractmethod
    def begin(self) -> None:
        """Begins a transaction; only `transaction` and `rehearsal` call it."""

    @abstractmethod
    def commit(self) -> None:
        """Makes the transaction's changes last; rolls them back where that fails."""

    @abstractmethod
    def roll_back(self) -> None:
        """Takes back all that the transaction changed."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: committed at the end of the block, rolled back when the block raises.

        Within a rehearsal it is a part of that one: nothing is committed, and an error ends all of it. What is done
        after that, to say what went wrong, is rolled back too.
        """
        if self._rehearsal is not Rehearsal.OPEN:
            self.begin()
        try:
            yield
        except BaseException:
            self._rehearsal = self._rehearsal and Rehearsal.ENDED
            self.roll_back()
            raise
        if self._rehearsal is None:
            self.commit()
        elif self._rehearsal is Rehearsal.ENDED:
            self.roll_back()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Several transactions as one, which is rolled back at the end of the block, whatever happens in it.

        What they wrote can be read within the block. An engine needs no savepoints for it: an error within one of the
        transactions takes back all of them.
        """
        self.begin()
        self._rehearsal = Rehearsal.OPEN
        try:
            yield
        finally:
            ended, self._rehearsal = self._rehearsal is Rehearsal.ENDED, None
            if not ended:
                self.roll_back()

    @abstractmethod
    def bounded(self, seconds: float) -> AbstractContextManager[None]:
        """Within the block each statement is stopped that takes longer than so many seconds.

        Raises:
            StatementStopped: one did; a transaction in which it ran can only be rolled back.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives the connection back."""

    def render(self, statement: Statement) -> str:
        """The statement's text for this engine, rendered once for each set of trees."""
        if statement.cached:
            return _rendered_once(self.dialect, statement.key, statement)
        return _rendered(self.dialect, statement)

    def run(self, statement: Statement, **values: Any) -> int:
        """Runs a statement and returns how many rows it wrote, or -1 where the engine does not tell."""
        return self.run_text(self.prepare(statement), values, statement.name)

    def fetch(self, statement: Statement, **values: Any) -> list[Row]:
        """Runs a query and returns all its rows."""
        return self.fetch_text(self.prepare(statement), values, statement.name)

    def fetch_arrow(self, statement: Statement, **values: Any) -> pa.Table:
        """Runs a query and returns all its rows as an Arrow table."""
        return self.fetch_arrow_text(self.prepare(statement), values, statement.name)

    def describe(self, statement: Statement) -> list[tuple[str, str]]:
        """The names and the engine's own type names of a query's columns, without running it."""
        return self.describe_text(self.prepare(statement))

    def prepare(self, statement: Statement) -> str:
        """The statement's text, to be run now: whatever it needs of the session is there."""
        return self.render(statement)

    @abstractmethod
    def open_days(self, days: Iterable[date], only: Table | None = None) -> None:
        """Makes room for rows of these days of arrival in the tables that are `daily`, or in one of them only."""

    def drop_temporary(self, names: Iterable[str]) -> None:
        """Drops temporary tables, those of them that are there."""
        for name in names:
            self.run_text(f"DROP TABLE IF EXISTS {TEMPORARY_SCHEMAS[self.dialect]}.{name}", {}, f"drop {name}")

    def find_rows_by(self, table: str, column: str) -> None:  # noqa: B027
        """Prepares a temporary table for being asked again and again for the rows of one value of a column."""

    def create(self, table: Table, schema: str) -> None:
        """Makes the table, with what helps to find its rows, if it is not there; adds the columns that it lacks."""
        self.bring_up(table, schema, self.columns_of(schema, table.name))

    def bring_up(self, table: Table, schema: str, there: Sequence[tuple[str, str]] | None) -> None:
        """Makes a table, or adds the columns that one of an earlier release lacks.

        Those are NULL until its stage writes it anew.

        Args:
            table: the table.
            schema: the real schema.
            there: its columns as they are; None: it is not there.
        """
        if there is None:
            self.make(table, schema)
            return
        names = {name for name, _ in there}
        for column in table.columns:
            if column.name not in names:
                self.run(Statement(f"add_column.{table.name}", _add_column(table, schema, column), cached=False))

    def make(self, table: Table, schema: str) -> None:
        """Makes a table that is not there."""
        self.run(creation(table, schema))

    def set_up(self, project: str, shared: str, kinds: Sequence[str]) -> None:
        """Makes the schemas and tables that are not there yet, in one transaction.

        Raises:
            SchemaNotOurs: a schema of that name exists that this project did not make.
        """
        with self.transaction():
            made = self._schemas_made(shared)
            for schema in (shared, *kinds):
                maker = made.get(schema, "somebody else" if self.has_schema(schema) else project)
                if maker != project:
                    raise SchemaNotOurs(
                        f"The warehouse already has a schema `{schema}`, made by {maker} and not by the project "
                        f"{project}. Rename ours by the key `schema` in project.yaml, or use another warehouse. (A "
                        "project keeps its `name` for as long as it keeps its warehouse.)"
                    )
            for schema, of_schema in ((shared, tables.SHARED), *((kind, tables.OF_A_KIND) for kind in kinds)):
                there: dict[str, list[tuple[str, str]]] = {}
                if self.has_schema(schema):
                    there = self.columns_in(schema)
                else:
                    self.run(Statement("create.schema", _create_schema(schema), cached=False))
                for table in of_schema:
                    self.bring_up(table, schema, there.get(table.name))
                if schema not in made:
                    self.run(_register(shared), name=schema, project=project)

    def _schemas_made(self, shared: str) -> dict[str, str]:
        """The schemas that projects made, each with the project's name."""
        if not self.has_schema(shared) or self.columns_of(shared, tables.SCHEMAS.name) is None:
            return {}
        query = exp.select("name", "project").from_(exp.table_(tables.SCHEMAS.name, shared, quoted=True))
        return dict(self.fetch(Statement("schemas", query, cached=False)))


def _rendered(dialect: str, statement: Statement) -> str:
    # Without comments: an engine tells by a text's first word how many rows it wrote.
    return apply_forms(statement.tree, dialect).sql(dialect, comments=False, copy=False)


@lru_cache(maxsize=KEPT_TEXTS)
def _rendered_once(dialect: str, key: tuple[object, ...], statement: Statement) -> str:
    return _rendered(dialect, statement)


def _create_schema(schema: str) -> exp.Expr:
    return exp.Create(this=exp.table_(None, db=exp.to_identifier(schema, quoted=True)), kind="SCHEMA", exists=True)


def _register(shared: str) -> Statement:
    row = exp.values([(exp.Placeholder(this="name"), exp.Placeholder(this="project"))])
    insert = exp.insert(row, exp.table_(tables.SCHEMAS.name, shared, quoted=True))
    return Statement("schemas.register", insert, cached=False)


@lru_cache(maxsize=KEPT_TEXTS)
def creation(table: Table, schema: str) -> Statement:
    """The statement that makes a table if it is not there, kept for the next warehouse."""
    columns = hashlib.sha256(repr(table.columns).encode()).hexdigest()[:12]
    return Statement(f"create.{schema}.{table.name}.{columns}", create_table(table, schema))


def create_table(table: Table, schema: str) -> exp.Expr:
    """The statement that makes a table if it is not there."""
    columns = [_definition(column) for column in table.columns]
    target = exp.Schema(this=exp.table_(table.name, schema, quoted=True), expressions=columns)
    return exp.Create(this=target, kind="TABLE", exists=True)


def _add_column(table: Table, schema: str, column: Column) -> exp.Expr:
    target = exp.table_(table.name, schema, quoted=True)
    return exp.Alter(this=target, kind="TABLE", actions=[_definition(column)])


def _definition(column: Column) -> exp.ColumnDef:
    kind = exp.DataType.build(column.type, dialect="postgres")
    return exp.ColumnDef(this=exp.to_identifier(column.name, quoted=True), kind=kind)


def by_table(rows: Iterable[Row]) -> dict[str, list[tuple[str, str]]]:
    """Rows of a table's name, a column's name and its type, as the columns of each table."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in rows:
        found.setdefault(table, []).append((column, kind))
    return found


_TYPE_CLASSES: dict[str, tuple[exp.DType, ...]] = {
    "json": (exp.DType.JSON, exp.DType.JSONB),
    "time": (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMP, exp.DType.DATE, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMP_S,
             exp.DType.TIMESTAMP_MS, exp.DType.TIMESTAMP_NS),
    "text": tuple(exp.DataType.TEXT_TYPES),
    "number": tuple(exp.DataType.NUMERIC_TYPES),
    "boolean": (exp.DType.BOOLEAN,),
    "array": (exp.DType.ARRAY, exp.DType.LIST),
    "object": (exp.DType.STRUCT, exp.DType.MAP, exp.DType.OBJECT),
}  # fmt: skip


@lru_cache(maxsize=KEPT_TEXTS)
def type_class(type_name: str, dialect: str) -> str:
    """What an engine's type is: json, time, text, number, boolean, array, object or other."""
    kind = exp.DataType.build(type_name, dialect=dialect, udt=True).this
    return next((name for name, kinds in _TYPE_CLASSES.items() if kind in kinds), "other")

"""What the attributes of a kind need, gathered: columns of each row, aggregates of each entity.

Attributes read *relations*: the events of an entity (`base`), the rows of a meta-attribute, and the elements that a
column of one of these holds. Whatever several attributes share is calculated once. In each relation a tree of a column
reads a row, `f`; a tree of an aggregate reads the columns of an entity's rows, `e`; a result reads the entity's
aggregates over all relations, `v`. An aggregate with a *tally* reads instead, of one column, each distinct value of the
entity and what it weighs, which is how many rows have it if nothing else is said (`t.value`, `t.weight`). The engine is
asked for the type of everything, on relations without rows, so that casts and comparisons are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.language import read_expression
from cdp_pipeline.attributes.types_told import types_told
from cdp_pipeline.sql.expressions import bind_known
from cdp_pipeline.sql.statements import Statement, Statements, from_tree
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "profiles.sql")
BASE = "base"
ELEMENT = "value"  # what an element of an array is called
_PLACE = "place"
_WHOLE = exp.DataType.build("bigint")
_EXACT = exp.DataType.build("numeric(38, 9)", dialect="postgres")
_EVENT = {
    name: exp.DataType.build(type_, dialect="postgres")
    for name, type_ in (
        ("id", "uuid"),
        ("source_id", "text"),
        ("type", "text"),
        ("version", "text"),
        ("event_time", "timestamptz"),
        ("payload", "jsonb"),
    )
}


@dataclass(frozen=True)
class Relation:
    """Rows that attributes can read.

    Attributes:
        columns: what an expression may read of a row, with the types.
        table: the temporary table of the rows, which has `entity_id` and `place`, the place of a row among those of its
            entity, besides the columns; None: the events, whose query `results_query` takes.
    """

    columns: Mapping[str, exp.DataType]
    table: str | None = None

    @property
    def keys(self) -> dict[str, exp.DataType]:
        """What the rows of an entity are ordered by: time and id where they have them, then their places."""
        named = {name: self.columns[name] for name in ("event_time", "id") if name in self.columns}
        return named if self.table is None else named | {_PLACE: _WHOLE}


def events_relation(row_helpers: Mapping[str, exp.DataType] | None = None) -> Relation:
    """The events as attributes see them, with the types of the project's row helpers."""
    return Relation(_EVENT | dict(row_helpers or {}))


@dataclass(frozen=True)
class Tally:
    """The distinct values of a column, and the column that says what a row weighs; None: 1."""

    value: exp.Column
    weight: exp.Column | None = None


@dataclass(frozen=True)
class Part:
    """A column or an aggregate: its name, what it is, its type, and the tally that it reads, if any."""

    name: str
    tree: exp.Expr
    type: exp.DataType
    tally: Tally | None = None


class Rows:
    """A relation within a plan; `columns` and `aggregates` are in the order in which they were asked for.

    Attributes:
        name: what the rows with their columns are called in the statement.
        known: what an expression may read of a row, with the types.
        table: the temporary table of the rows; None: they are the events, or elements.
        parent: the rows whose elements these are, and the column that holds them; None: they are no elements.
    """

    def __init__(self, plan: "Plan", relation: Relation, parent: "tuple[Rows, exp.Column] | None" = None) -> None:
        """Made by a plan alone."""
        self._plan = plan
        self.name = f"rows_{len(plan.rows)}"
        self.known = dict(relation.columns)
        self.table = relation.table
        self.parent = parent
        self._keys = dict(relation.keys) if parent is None else {**parent[0].key_columns, _PLACE: _WHOLE}
        self._types: dict[exp.Expr, exp.DataType] = {}
        self._columns: dict[exp.Expr, Part] = {}
        self._aggregates: dict[tuple[exp.Expr, Tally | None], Part] = {}
        self._elements: dict[exp.Column, Rows] = {}

    @property
    def columns(self) -> list[Part]:
        """What is calculated of each row."""
        return list(self._columns.values())

    @property
    def aggregates(self) -> list[Part]:
        """What is calculated of each entity."""
        return list(self._aggregates.values())

    @property
    def keys(self) -> list[exp.Column]:
        """The columns of `e` by which the rows of an entity are ordered, the first first."""
        return [exp.column(name, table="e") for name in self.key_columns]

    @property
    def key_columns(self) -> dict[str, exp.DataType]:
        """The names that the keys have in `e`, with their types."""
        return {f"k{number}": type_ for number, type_ in enumerate(self._keys.values())}

    @property
    def key_sources(self) -> list[str]:
        """The columns of `f` that the keys are, in their order."""
        return list(self._keys)

    @property
    def event_id(self) -> exp.Column | None:
        """The column of `f` that tells an event from all others; None: the rows are not made of events."""
        if self.parent is None:
            return exp.column("id", table="f") if self.table is None else None
        parent, _ = self.parent
        return exp.column(f"k{parent.key_sources.index('id')}", table="f") if parent.event_id is not None else None

    @property
    def ancestors(self) -> "list[Rows]":
        """The rows in which these are held, the outermost first."""
        return [] if self.parent is None else [*self.parent[0].ancestors, self.parent[0]]

    @property
    def readable(self) -> dict[str, exp.DataType]:
        """All columns of `f`: those that expressions may read and, of elements, those of the rows that hold them."""
        own = self.known | {name: type_ for name, type_ in self._keys.items() if name not in self.known}
        return own if self.parent is None else own | {part.name: part.type for part in self.parent[0].columns}

    def parse(self, text: str, *, aggregates: bool = False, set_returning: bool = False) -> exp.Expr:
        """A user's expression over these rows, as a tree that is not bound yet.

        Raises:
            SqlError: it is not allowed.
        """
        return read_expression(text, self.known, aggregates=aggregates, set_returning=set_returning)

    def bind(self, tree: exp.Expr) -> exp.Expr:
        """A parsed expression over one row, as a tree that reads `f`.

        Raises:
            SqlError: it reads a column that a row does not have.
        """
        return bind_known(tree, {name: exp.column(name, table="f") for name in self.known})

    def column(self, tree: exp.Expr, type_: exp.DataType) -> exp.Column:
        """The column of `e` that holds a tree over `f`, which has that type; the same one for the same tree."""
        if tree not in self._columns:
            self._columns[tree] = Part(f"c{len(self._columns)}", tree, type_)
        return exp.column(self._columns[tree].name, table="e")

    def aggregate(self, tree: exp.Expr, tally: Tally | None = None) -> exp.Column:
        """The column of `v` that holds an aggregate; the same one for the same tree."""
        key = (tree, tally)
        if key not in self._aggregates:
            name = f"a{len(self._plan.aggregates)}"
            type_ = self._plan.type_over(tree, *self._tallied(tally) if tally else (self._calculated(), "e"))
            self._aggregates[key] = Part(name, tree, type_, tally)
        return exp.column(self._aggregates[key].name, table="v")

    def elements(self, array: exp.Column) -> "Rows":
        """The elements of a column of `e` that holds arrays, each a row; the same rows for the same column."""
        if array not in self._elements:
            type_ = self._calculated()[array.name]
            relation = Relation({ELEMENT: type_.expressions[0]})
            self._elements[array] = self._plan.add(Rows(self._plan, relation, (self, array)))
        return self._elements[array]

    def type_of(self, tree: exp.Expr) -> exp.DataType:
        """The type of a tree over `f`.

        Raises:
            WarehouseError: the engine knows no such function or operator for these types.
        """
        if tree not in self._types:
            self._types[tree] = self._plan.type_over(tree, self.readable, "f")
        return self._types[tree]

    def _calculated(self) -> dict[str, exp.DataType]:
        return self.key_columns | {part.name: part.type for part in self.columns}

    def _tallied(self, tally: Tally) -> tuple[dict[str, exp.DataType], str]:
        weight = _WHOLE if tally.weight is None else _EXACT
        return {"value": self._calculated()[tally.value.name], "weight": weight}, "t"


class Plan:
    """What some attributes need of the relations that they read.

    Attributes:
        rows: the relations that are read, the events first and elements after what holds them.
    """

    def __init__(self, connection: Connection, relations: Mapping[str, Relation]) -> None:
        """Takes the connection whose engine tells the types, and what can be read by name, `base` among it."""
        self._connection = connection
        self._relations = relations
        self._named: dict[str, Rows] = {}
        self.rows: list[Rows] = []
        self.read(BASE)

    @property
    def json_is_text(self) -> bool:
        """Whether the places of JSON are better read all at once."""
        return self._connection.json_is_text

    @property
    def aggregates(self) -> list[Part]:
        """What is calculated of each entity, over all relations."""
        return [part for rows in self.rows for part in rows.aggregates]

    def read(self, name: str) -> Rows:
        """The rows of that relation.

        Raises:
            KeyError: there is no such relation.
        """
        if name not in self._named:
            self._named[name] = self.add(Rows(self, self._relations[name]))
        return self._named[name]

    def add(self, rows: Rows) -> Rows:
        """Takes further rows into the plan."""
        self.rows.append(rows)
        return rows

    def type_of_result(self, tree: exp.Expr) -> exp.DataType:
        """The type of a tree over `v`.

        Raises:
            WarehouseError: the engine knows no such function or operator for these types.
        """
        types = {part.name: part.type for part in self.aggregates}
        return types[tree.name] if isinstance(tree, exp.Column) else self.type_over(tree, types, "v")

    def type_over(self, tree: exp.Expr, columns: Mapping[str, exp.DataType], alias: str) -> exp.DataType:
        """The type of a tree that reads a relation of these columns.

        Raises:
            WarehouseError: the engine knows no such function or operator for these types.
        """
        read = {column.name for column in tree.find_all(exp.Column)}
        nothing = no_rows({name: type_ for name, type_ in columns.items() if name in read}, alias)
        return types_told(self._connection, "type", exp.select(exp.alias_(tree, "value")).from_(nothing))["value"]


def no_rows(columns: Mapping[str, exp.DataType], alias: str) -> exp.Subquery:
    """A relation of these columns without rows, on which an engine tells types."""
    nulls = [exp.alias_(exp.cast(exp.null(), type_), name, quoted=True) for name, type_ in columns.items()]
    return exp.select(*nulls, "1 as one").where(exp.false()).subquery(alias)


def named(name: str, tree: exp.Expr) -> Statement:
    """A statement of this stage that was built for the project at hand."""
    return from_tree(f"profiles.{name}", tree)

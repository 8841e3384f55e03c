"""What the attributes of a kind need, gathered: columns of each event, aggregates of each entity.

Whatever several attributes share is calculated once. A tree of a column reads an event, `f`; a tree of an aggregate
reads the columns of an entity's events, `e`; a result reads the entity's aggregates, `v`. An aggregate with a *tally*
reads instead, of one column, each distinct value of the entity and how many events have it (`t.value`, `t.events`).
The engine is asked for the type of everything, on relations without rows, so that casts and comparisons are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.events.stitching_rules import EVENT_COLUMNS
from cdp_pipeline.sql.expressions import bind_known, parse_expression
from cdp_pipeline.sql.statements import Statement, Statements, from_tree
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "profiles.sql")
KNOWN: dict[str, exp.Expr] = {name: exp.column(name, table="f") for name in EVENT_COLUMNS}
EVENT_TIME = exp.column("event_time", table="e")
EVENT_ID = exp.column("event_id", table="e")
_KEYS = (("event_id", "uuid"), ("event_time", "timestamptz"))


@dataclass(frozen=True)
class Part:
    """A column or an aggregate: its name, what it is, its type, and the column whose tally it reads, if any."""

    name: str
    tree: exp.Expr
    type: exp.DataType
    tally: exp.Column | None = None


def bind_event(text: str) -> exp.Expr:
    """An expression over one event, as a tree that reads `f`.

    Raises:
        SqlError: it is not allowed, or reads a column that an event does not have.
    """
    return bind_known(parse_expression(text), KNOWN)


class Plan:
    """What some attributes need; `columns` and `aggregates` in the order in which they were asked for."""

    def __init__(self, connection: Connection) -> None:
        """Takes the connection whose engine tells the types."""
        self._connection = connection
        self._types: dict[exp.Expr, exp.DataType] = {}
        self._columns: dict[exp.Expr, Part] = {}
        self._aggregates: dict[tuple[exp.Expr, exp.Column | None], Part] = {}

    @property
    def json_is_text(self) -> bool:
        """Whether the places of JSON are better read all at once."""
        return self._connection.json_is_text

    @property
    def columns(self) -> list[Part]:
        """What is calculated of each event."""
        return list(self._columns.values())

    @property
    def aggregates(self) -> list[Part]:
        """What is calculated of each entity."""
        return list(self._aggregates.values())

    def column(self, tree: exp.Expr, type_: exp.DataType) -> exp.Column:
        """The column of `e` that holds a tree over `f`, which has that type; the same one for the same tree."""
        if tree not in self._columns:
            self._columns[tree] = Part(f"c{len(self._columns)}", tree, type_)
        return exp.column(self._columns[tree].name, table="e")

    def aggregate(self, tree: exp.Expr, tally: exp.Column | None = None) -> exp.Column:
        """The column of `v` that holds an aggregate; the same one for the same tree."""
        key = (tree, tally)
        if key not in self._aggregates:
            type_ = self._type(tree, self._events(tree) if tally is None else self._tally(tally))
            self._aggregates[key] = Part(f"a{len(self._aggregates)}", tree, type_, tally)
        return exp.column(self._aggregates[key].name, table="v")

    def type_of_event(self, tree: exp.Expr) -> exp.DataType:
        """The type of a tree over `f`.

        Raises:
            WarehouseError: the engine knows no such function or operator for these types.
        """
        if tree not in self._types:
            self._types[tree] = self._described(SQL["event_type"].bind({}, value=tree))
        return self._types[tree]

    def type_of_result(self, tree: exp.Expr) -> exp.DataType:
        """The type of a tree over `v`.

        Raises:
            WarehouseError: the engine knows no such function or operator for these types.
        """
        types = {part.name: part.type for part in self.aggregates}
        return types[tree.name] if isinstance(tree, exp.Column) else self._type(tree, _no_rows(types, "v"))

    def _type(self, tree: exp.Expr, relation: exp.Subquery) -> exp.DataType:
        return self._described(named("type", exp.select(exp.alias_(tree.copy(), "value")).from_(relation)))

    def _described(self, query: Statement) -> exp.DataType:
        (_, type_name), *_ = self._connection.describe(query)
        return exp.DataType.build(type_name, dialect=self._connection.dialect, udt=True)

    def _events(self, tree: exp.Expr) -> exp.Subquery:
        read = {column.name for column in tree.find_all(exp.Column)}
        types = {name: exp.DataType.build(type_, dialect="postgres") for name, type_ in _KEYS}
        return _no_rows(types | {part.name: part.type for part in self.columns if part.name in read}, "e")

    def _tally(self, column: exp.Column) -> exp.Subquery:
        type_ = next(part.type for part in self.columns if part.name == column.name)
        return _no_rows({"value": type_, "events": exp.DataType.build("bigint")}, "t")


def _no_rows(columns: Mapping[str, exp.DataType], alias: str) -> exp.Subquery:
    nulls = [exp.alias_(exp.cast(exp.null(), type_), name, quoted=True) for name, type_ in columns.items()]
    return exp.select(*nulls, "1 as one").where(exp.false()).subquery(alias)


def named(name: str, tree: exp.Expr) -> Statement:
    """A statement of this stage that was built for the project at hand."""
    return from_tree(f"profiles.{name}", tree)

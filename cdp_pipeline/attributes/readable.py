"""What the attributes of a kind may read: the events with their row helpers, and the rows of meta-attributes.

A row helper is a column of every event. Its windows look over the events of the same entity, and of those only over the
ones that the helper's own conditions let through. A meta-attribute is a temporary table of the run, with the rows of
the entities that are due.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.definition_errors import WrongDefinition
from cdp_pipeline.attributes.families import family_of, name_of
from cdp_pipeline.attributes.graph import BASE, Graph, Node
from cdp_pipeline.attributes.language import read_expression, read_helper, read_query
from cdp_pipeline.attributes.plan import Relation, events_relation, no_rows
from cdp_pipeline.attributes.types_told import types_told
from cdp_pipeline.config.calculated import MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.sql.expressions import bind_known
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.per_entity import per_entity
from cdp_pipeline.sql.queries import Query
from cdp_pipeline.warehouse.base import Connection

BASE_TABLE, PART_TABLE = "profile_base", "profile_part"
_ENTITY = exp.column("entity_id", table="f")


@dataclass(frozen=True)
class Made:
    """A temporary table that is made for a slice of entities.

    Attributes:
        name: the table.
        query: what it holds.
        of: whose it is, such as attribute revenue; None: what all read.
        single: whether one row of an entity is all that it may hold.
    """

    name: str
    query: exp.Expr
    of: Node | None = None
    single: bool = False


@dataclass(frozen=True)
class Meta:
    """A meta-attribute: its query, and what its rows hold."""

    id: str
    query: Query
    relation: Relation

    @property
    def table(self) -> str:
        """The temporary table of its rows."""
        return table_of_meta(self.id)


def table_of_meta(name: str) -> str:
    """The temporary table of a meta-attribute."""
    return f"meta_{name}"


class Readable:
    """What attributes may read, built up in the order in which the definitions read one another."""

    def __init__(self, connection: Connection, entity: Entity) -> None:
        """Takes the connection whose engine tells the types, and the kind; nothing is read yet but the events."""
        self._connection = connection
        self._names = [meta.id for meta in entity.meta_attributes]
        self._helpers: dict[str, exp.Expr] = {}
        self._types: dict[str, exp.DataType] = {}
        self.metas: dict[str, Meta] = {}

    @classmethod
    def of(cls, connection: Connection, entity: Entity, graph: Graph) -> "Readable":
        """All that a kind declares.

        Raises:
            SqlError: a row helper or a meta-attribute is wrong; the message names it.
        """
        readable = cls(connection, entity)
        for node, definition in in_order(entity, graph):
            try:
                readable.add(definition)
            except (SqlError, WarehouseError) as error:
                raise WrongDefinition(f"{entity.kind} {node}", error) from error
        return readable

    @property
    def relations(self) -> dict[str, Relation]:
        """What can be read, by name: the events are `base`."""
        return {BASE: events_relation(self._types)} | {name: meta.relation for name, meta in self.metas.items()}

    @property
    def has_helpers(self) -> bool:
        """Whether events have more columns than their own."""
        return bool(self._helpers)

    def add(self, definition: RowHelper | MetaAttribute) -> None:
        """Takes in another definition, which reads only what is there.

        Raises:
            SqlError: it is not allowed, or reads what is not there.
            WarehouseError: the engine knows no such function or operator for these types.
        """
        if isinstance(definition, MetaAttribute):
            self.metas[definition.id] = self._meta(definition)
        else:
            self._add_helper(definition)

    def base(self, events: exp.Expr) -> exp.Expr:
        """Events with their entities, and with the row helpers beside their columns."""
        query = events.copy()
        for name, tree in self._helpers.items():
            below = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier("f")))
            query = exp.select("f.*", exp.alias_(tree.copy(), name, quoted=True)).from_(below)
        return query

    def each(self, query: Query) -> exp.Select:
        """A query for each entity of a slice, all in one statement: entity_id, the query's columns, and place."""
        tables = {name: exp.to_table(BASE_TABLE if name == BASE else table_of_meta(name)) for name in query.reads}
        return per_entity(query, exp.to_table(PART_TABLE), tables)

    def tables_of(self, metas: Collection[str], graph: Graph, events: exp.Expr) -> Iterator[Made]:
        """The temporary tables of the events, of their entities, and of meta-attributes with those that they read."""
        yield Made(BASE_TABLE, self.base(events))
        yield Made(PART_TABLE, exp.select("b.entity_id").distinct().from_(f"{BASE_TABLE} as b"))
        needed = graph.read_by(Node("meta_attribute", name) for name in metas)
        for node in graph.order:
            if node in needed and node.kind == "meta_attribute":
                meta = self.metas[node.id]
                yield Made(meta.table, self.each(meta.query), node)

    def query(self, text: str, tables: Collection[str]) -> Query:
        """A query over `base` and meta-attributes, those of the names.

        Raises:
            SqlError: it is not allowed, or reads what is not there.
        """
        relations = self.relations
        return read_query(text, {name: relations[name].columns for name in tables if name in relations})

    def types_of(self, query: Query) -> dict[str, exp.DataType]:
        """The columns of a query with their types.

        Raises:
            SqlError: it gives what nobody can keep.
            WarehouseError: the engine knows no such function or operator for these types.
        """
        relations = self.relations
        tables = {name: no_rows(_owned(relations[name].columns), name) for name in query.reads}
        tree = per_entity(query, no_rows(_owned({}), "nobody"), tables)
        told = types_told(self._connection, "query_type", tree)
        types = {name: type_ for name, type_ in told.items() if name in query.columns}
        for name, type_ in types.items():
            if family_of(type_) is None:
                raise SqlError(
                    f"`{name}` is {name_of(type_)}, which nobody can keep.", "Cast it to text, an array to_jsonb(…)."
                )
        return types

    def _meta(self, definition: MetaAttribute) -> Meta:
        query = self.query(definition.definition, (BASE, *self._names))
        columns = self.types_of(query)
        if "place" in columns or "entity_id" in columns:
            raise SqlError("It names a column `place` or `entity_id`, as the table has already.", "Call it otherwise.")
        return Meta(definition.id, query, Relation(columns, table_of_meta(definition.id)))

    def _add_helper(self, definition: RowHelper) -> None:
        columns = self.relations[BASE].columns
        known: dict[str, exp.Expr] = {name: exp.column(name, table="f") for name in columns}
        tree = bind_known(read_helper(definition.value, columns), known)
        condition = self._condition(definition, known)
        tree = _guarded(tree, condition)
        type_ = self._type(tree)
        if family_of(type_) is None:
            raise SqlError(f"It gives {name_of(type_)}, which no column can hold.", "Cast it to text, say.")
        self._helpers[definition.id] = exp.cast(tree, type_)
        self._types[definition.id] = type_

    def _condition(self, definition: RowHelper, known: dict[str, exp.Expr]) -> exp.Expr | None:
        written = (("source_id", definition.sources), ("type", definition.events))
        parts: list[exp.Expr] = [known[name].copy().isin(*values) for name, values in written if values]
        if definition.filter is not None:
            condition = bind_known(read_expression(definition.filter, self.relations[BASE].columns), known)
            if family_of(self._type(condition)) != "boolean":
                raise SqlError(f"`{definition.filter}` is no condition: it is neither true nor false.")
            # Only where the names are right, so that a cast is not tried on other events.
            names = exp.and_(*parts) if parts else None
            parts = [condition if names is None else exp.Case().when(names, condition)]
        return exp.func("coalesce", exp.and_(*parts), exp.false()) if parts else None

    def _type(self, tree: exp.Expr) -> exp.DataType:
        nothing = no_rows(_owned(self.relations[BASE].columns), "f")
        query = exp.select(exp.alias_(tree, "value")).from_(nothing)
        return types_told(self._connection, "helper_type", query)["value"]


def in_order(entity: Entity, graph: Graph) -> list[tuple[Node, RowHelper | MetaAttribute]]:
    """The row helpers and meta-attributes of a kind, each after those that it reads."""
    written: dict[Node, RowHelper | MetaAttribute] = {
        Node("row_helper", helper.id): helper for helper in entity.row_helpers
    }
    written |= {Node("meta_attribute", meta.id): meta for meta in entity.meta_attributes}
    return [(node, written[node]) for node in graph.order if node in written]


def _owned(columns: Mapping[str, exp.DataType]) -> dict[str, exp.DataType]:
    """The columns of rows that belong to entities."""
    return {"entity_id": exp.DataType.build("uuid"), **columns}


def _guarded(tree: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    """The helper with its windows kept to one entity, and to the events of the condition; NULL for other events."""

    def window(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Window):
            return node
        within = [_ENTITY.copy(), *([condition.copy()] if condition is not None else [])]
        node.set("partition_by", [*within, *(_only(part, condition) for part in node.args.get("partition_by") or [])])
        if condition is not None:
            for ordered in node.args["order"].expressions if node.args.get("order") else []:
                ordered.set("this", _only(ordered.this, condition))
            _guard_arguments(node.this, condition)
        return node

    tree = rewrite_up(tree.copy(), window)
    return tree if condition is None else exp.Case().when(condition.copy(), tree)


def _guard_arguments(function: exp.Expr, condition: exp.Expr) -> None:
    """Has a window function work out its arguments for the events of the condition only."""
    if isinstance(function, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        _guard_arguments(function.this, condition)
        if isinstance(function, exp.Filter):
            function.expression.set("this", _only(function.expression.this, condition))
        return
    for argument in list(function.iter_expressions()):
        if not isinstance(argument, (exp.Literal, exp.Star, exp.Order)):
            argument.replace(_only(argument, condition))


def _only(tree: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    return tree.copy() if condition is None else exp.Case().when(condition.copy(), tree.copy())

"""Why an attribute of an entity has its value: the definition, what it reads, and the events that made it.

Events that count are those of the definition's sources, types and versions for which its filter is true. Shown are at
most 50, what made the value among them: of `first` and `value` the earliest event, of others the latest, the least, the
greatest, or those whose value is the attribute's. An attribute over the rows of a meta-attribute or over other
attributes, and a whole query, is told with what it reads instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.attributes.graph import BASE, Graph, Node, graph_of
from cdp_pipeline.attributes.keys import WITHOUT_ROWS
from cdp_pipeline.attributes.language import at
from cdp_pipeline.attributes.plan import SQL as PROFILES_SQL
from cdp_pipeline.attributes.plan import Plan, Rows
from cdp_pipeline.attributes.readable import Readable
from cdp_pipeline.attributes.reading import conditions_of
from cdp_pipeline.attributes.states import definition_hashes
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.clock import as_of_now
from cdp_pipeline.operations.profile import find_owner_of
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.set_returning import split
from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.tables import PROFILES
from cdp_pipeline.warehouse.base import Connection, Schemas

SQL = Statements(__package__, "explain_attribute.sql")
SHOWN = 50
_OF_ITS_VALUE = ("most_frequent", "least_frequent")


@dataclass(frozen=True)
class CountedEvent:
    """An event that counts: what its `value` gives as text, and whether it alone would have made the attribute's."""

    time: datetime
    source: str
    type: str
    id: str
    value: str | None
    wins: bool


@dataclass(frozen=True)
class ReadDefinition:
    """A definition that the attribute reads, with its value as text where it has one for the entity."""

    kind: str
    id: str
    value: str | None


@dataclass(frozen=True)
class AttributeExplanation:
    """Where a value comes from.

    Attributes:
        value: the value as text; None: it has none, or was not calculated yet.
        calculated: when it was calculated (UTC); None: it was not yet.
        definition: the definition as it is written.
        version: a hash of the definition and of those that it reads; another definition has another one.
        reads: the definitions that it reads.
        counted: how many events count; of a whole query, how many events the entity has.
        events: the first of them, by what makes the value; none of an attribute that does not read events one by one.
    """

    kind: str
    entity_id: UUID
    attribute: str
    value: str | None
    calculated: datetime | None
    definition: dict[str, Any]
    version: str
    reads: list[ReadDefinition]
    counted: int
    events: list[CountedEvent]


def explain_attribute(connection: Connection, project: Project, identifier: str, name: str) -> AttributeExplanation:
    """Where an attribute's value of one entity comes from.

    Args:
        connection: the warehouse.
        project: the project.
        identifier: `[KIND/]TYPE:VALUE`, or `entity_id:UUID`.
        name: the attribute.

    Raises:
        UsageError: nobody is known by the identifier, or there is no such attribute.
    """
    kind, entity_id = find_owner_of(connection, project, identifier)
    entity = project.entities[kind]
    attribute = next((each for each in entity.attributes if each.id == name), None)
    if attribute is None:
        known = ", ".join(each.id for each in entity.attributes) or "none"
        raise UsageError(f"There is no attribute `{name}` of {kind}. There is: {known}.")
    schemas = schemas_of(project, kind)
    graph = graph_of(entity)
    node = Node("attribute", name)
    calculated, valid_at, value = _value(connection, schemas, name, entity_id)
    reads = [_read(connection, schemas, each, entity_id) for each in sorted(graph.nodes[node])]
    as_of = valid_at or as_of_now(connection, project)
    counted, events = _Events(connection, schemas, entity, graph, as_of).of(attribute, entity_id, value)
    definition = attribute.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    version = definition_hashes(entity, graph)[node][:16]
    return AttributeExplanation(kind, entity_id, name, value, calculated, definition, version, reads, counted, events)


def _value(
    connection: Connection, schemas: Schemas, name: str, entity_id: UUID
) -> tuple[datetime | None, datetime | None, str | None]:
    """When the entity's profile was calculated and as of when, and the value of one attribute as text."""
    columns = connection.columns_of(schemas["kind"], PROFILES.name) or []
    if name not in [column for column, _ in columns]:
        return None, None, None
    column = exp.column(name, table="p", quoted=True)
    rows = connection.fetch(SQL["value"].bind(schemas, column=column), entity_id=str(entity_id))
    return rows[0] if rows else (None, None, None)


def _read(connection: Connection, schemas: Schemas, node: Node, entity_id: UUID) -> ReadDefinition:
    value = None
    if node.kind == "attribute":
        value = _value(connection, schemas, node.id, entity_id)[2]
    elif node.kind == "context":
        value = _context(connection, schemas).get(node.id)
    return ReadDefinition(node.kind, node.id, value)


def _context(connection: Connection, schemas: Schemas) -> dict[str, str | None]:
    return {key: value for key, value, *_ in connection.fetch(PROFILES_SQL["context_values"].bind(schemas))}


class _Events:
    """The events of entities as attributes of their kind see them."""

    def __init__(self, connection: Connection, schemas: Schemas, entity: Entity, graph: Graph, as_of: datetime) -> None:
        self._connection = connection
        self._schemas = schemas
        self._readable = Readable.of(connection, entity, graph)
        self._context = dict.fromkeys(each.key for each in entity.context) | _context(connection, schemas)
        self._as_of = as_of

    def of(self, attribute: Attribute, entity_id: UUID, result: str | None) -> tuple[int, list[CountedEvent]]:
        """How many events count, and the first of them."""
        if attribute.from_ is not None or attribute.type in WITHOUT_ROWS:
            return (self._count(entity_id, exp.true()) if attribute.type == "custom" else 0), []
        rows = Plan(self._connection, self._readable.relations).read(BASE)
        counts: exp.Expr = exp.true()
        for condition in reversed(conditions_of(attribute, rows)):
            counts = exp.Case().when(condition, counts)  # in this order, for a filter may be an error on other events
        value = _value_of_an_event(attribute, rows)
        query = self._statement(value, counts)
        shown = query.order_by(*_order(attribute, value, result)).limit(SHOWN)
        return self._count(entity_id, counts), self._told(attribute, shown, entity_id, result)

    def _count(self, entity_id: UUID, counts: exp.Expr) -> int:
        query = self._statement(exp.null(), counts)
        count = exp.select("count(*)").from_(query.subquery("x"))
        return int(self._fetch("count_events", count, entity_id)[0][0])

    def _statement(self, value: exp.Expr, counts: exp.Expr) -> exp.Select:
        base = exp.Subquery(this=self._readable.base(SQL["events_of_entity"].tree))
        query = SQL["events"].bind({}, value=value, counts=counts, base=base).tree
        assert isinstance(query, exp.Select)
        return query

    def _told(self, attribute: Attribute, shown: exp.Expr, entity_id: UUID, result: str | None) -> list[CountedEvent]:
        rows = self._fetch("events", shown, entity_id)
        best = rows[0][-1] if rows else None
        return [
            CountedEvent(time, source, type_, event_id, given, _wins(attribute.type, place, given, best, result))
            for place, (time, source, type_, event_id, given) in enumerate(rows)
        ]

    def _fetch(self, name: str, tree: exp.Expr, entity_id: UUID) -> Sequence[tuple[Any, ...]]:
        bound = at(tree, self._as_of, self._context)
        statement = from_tree(f"explain_attribute.{name}", bound).bind(self._schemas)
        return self._connection.fetch(statement, entity_id=str(entity_id))


def _value_of_an_event(attribute: Attribute, rows: Rows) -> exp.Expr:
    """What `value` gives for an event; of several rows all of them, of an aggregate nothing."""
    if attribute.type == "expression":
        return exp.null()
    parsed = rows.parse(attribute.value, set_returning=True)
    parts = split(parsed)
    if parts is not None:
        return exp.func("cdp_to_json", rows.bind(parts[0]))
    value = rows.bind(parsed)
    if family_of(rows.type_of(value)) != "jsonb":
        return value
    return exp.Case().when(exp.cast(value.copy(), "text").neq(exp.Literal.string("null")), value)


def _order(attribute: Attribute, value: exp.Expr, result: str | None) -> list[exp.Expr]:
    """What makes the value comes first."""
    time, event = exp.column("event_time", table="f"), exp.column("event_id", table="f")
    order: list[exp.Expr] = [exp.paren(value.copy()).is_(exp.null())]
    if attribute.type in ("min", "max"):
        order.append(exp.Ordered(this=value.copy(), desc=attribute.type == "max"))
    if attribute.type in _OF_ITS_VALUE and result is not None:
        same = exp.cast(value.copy(), "text").eq(exp.Literal.string(result))
        order.append(exp.Ordered(this=same, desc=True))
    earliest = attribute.type in ("first", "value")
    return [*order, *(exp.Ordered(this=each, desc=not earliest) for each in (time, event))]


def _wins(type_: str, place: int, value: str | None, best: str | None, result: str | None) -> bool:
    if value is None:
        return False
    if type_ in ("first", "value", "last"):
        return place == 0
    return value == (best if type_ in ("min", "max") else result) and type_ in ("min", "max", *_OF_ITS_VALUE)

"""Why an attribute of an entity has its value: the definition, and the events that made it.

Events that count are those of the definition's sources, types and versions for which its filter is true. Shown are at
most 50, what made the value among them: of `first` and `value` the earliest event, of others the latest, the least, the
greatest, or those whose value is the attribute's.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.attributes.plan import Plan, bind_event
from cdp_pipeline.attributes.reading import conditions_of
from cdp_pipeline.config.model import Attribute, Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.profile import find_owner_of
from cdp_pipeline.operations.summary import schemas_of
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
class AttributeExplanation:
    """Where a value comes from.

    Attributes:
        value: the value as text; None: it has none, or was not calculated yet.
        calculated: when it was calculated (UTC); None: it was not yet.
        definition: the definition as it is written.
        version: a hash of the definition; another definition has another one.
        counted: how many events count.
        events: the first of them, by what makes the value.
    """

    kind: str
    entity_id: UUID
    attribute: str
    value: str | None
    calculated: datetime | None
    definition: dict[str, Any]
    version: str
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
    calculated, value = _value(connection, schemas, attribute, entity_id)
    counted, events = _events(connection, schemas, attribute, entity_id, value)
    definition = attribute.model_dump(mode="json", exclude_defaults=True)
    version = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]
    return AttributeExplanation(kind, entity_id, name, value, calculated, definition, version, counted, events)


def _value(
    connection: Connection, schemas: Schemas, attribute: Attribute, entity_id: UUID
) -> tuple[datetime | None, str | None]:
    columns = connection.columns_of(schemas["kind"], PROFILES.name) or []
    if attribute.id not in [name for name, _ in columns]:
        return None, None
    column = exp.column(attribute.id, table="p", quoted=True)
    rows = connection.fetch(SQL["value"].bind(schemas, column=column), entity_id=str(entity_id))
    return rows[0] if rows else (None, None)


def _events(
    connection: Connection, schemas: Schemas, attribute: Attribute, entity_id: UUID, result: str | None
) -> tuple[int, list[CountedEvent]]:
    plan = Plan(connection)
    counts: exp.Expr = exp.true()
    for condition in reversed(conditions_of(attribute, plan)):
        counts = exp.Case().when(condition, counts)  # in this order, for a filter may be an error on other events
    value = _value_of_an_event(attribute, plan)
    every = SQL["events"].bind({}, value=exp.null(), counts=counts).tree
    given = {"entity_id": str(entity_id)}
    total = int(connection.fetch(SQL["count_events"].bind(schemas, events=every), **given)[0][0])
    query = SQL["events"].bind(schemas, value=value, counts=counts).tree
    assert isinstance(query, exp.Select)
    shown = query.order_by(*_order(attribute, value, result)).limit(SHOWN)
    rows = connection.fetch(from_tree("explain_attribute.events", shown), **given)
    best = rows[0][-1] if rows else None
    events = [
        CountedEvent(
            time, source, type_, event_id, given_value, _wins(attribute.type, place, given_value, best, result)
        )
        for place, (time, source, type_, event_id, given_value) in enumerate(rows)
    ]
    return total, events


def _value_of_an_event(attribute: Attribute, plan: Plan) -> exp.Expr:
    if attribute.type == "expression":
        return exp.null()  # an aggregate has none of one event
    value = bind_event(attribute.value)
    if family_of(plan.type_of_event(value)) != "jsonb":
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

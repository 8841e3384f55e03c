"""Which stitching rules find the identifiers of some events: the rules are tried again, on these events alone."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

import sqlglot
from sqlglot import exp

from cdp_pipeline.config.model import Entity, IdentifierType
from cdp_pipeline.events.identifier_values import normalised
from cdp_pipeline.events.stitching_rules import bind_event, guarded, rule_condition
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection, Schemas, type_class

_CHOSEN = sqlglot.parse_one("e.event_id = any(:ids)", read="postgres")
Rules = dict[tuple[UUID, UUID], list[int]]


def rules_that_find(connection: Connection, schemas: Schemas, entity: Entity, events: Collection[UUID]) -> Rules:
    """For each of the events and each identifier that it carries the numbers of the rules that find it, ascending.

    Args:
        connection: the warehouse.
        schemas: the real schemas behind `cdp` and `kind`.
        entity: the kind of entity.
        events: the events, a handful of them.
    """
    found: Rules = defaultdict(list)
    if not events or not entity.stitching:
        return found
    raw = _raw_values(connection, schemas, entity, events)
    for identifier in entity.identifiers:
        of_type = [number for number, rule in enumerate(entity.stitching) if rule.identifier == identifier.type]
        texts = {text for number in of_type for _, text in raw[number]}
        kept = _identifier_ids(connection, identifier, sorted(texts))
        for number in of_type:
            for event_id, text in raw[number]:
                if number not in found[event_id, kept[text]]:
                    found[event_id, kept[text]].append(number)
    return found


def _raw_values(
    connection: Connection, schemas: Schemas, entity: Entity, events: Collection[UUID]
) -> dict[int, list[tuple[UUID, str]]]:
    """For each rule the values that it reads, as they stand in the events."""
    values = []
    for number, rule in enumerate(entity.stitching):
        condition = rule_condition(rule)
        value = bind_event(rule.value)
        values.append(exp.alias_(value if condition is None else guarded(value, [condition]), f"v{number}"))
    customer_events = exp.alias_(exp.table_("customer_events", schemas["cdp"], quoted=True), "e")
    query = exp.select("e.event_id", *values).from_(customer_events)
    query = query.where(_CHOSEN.copy())
    types = [type_class(kind, connection.dialect) for _, kind in _described(connection, query)]
    columns = [_texts(number, types[number + 1]) for number in range(len(values))]
    texts = exp.select("x.event_id", *columns).from_(query.subquery("x"))
    rows = connection.fetch(from_tree("found_by.values", texts), ids=list(events))
    return {
        number: [(row[0], text) for row in rows for text in row[number + 1] or () if text is not None]
        for number in range(len(values))
    }


def _described(connection: Connection, query: exp.Select) -> list[tuple[str, str]]:
    """The columns of the query; which events are asked for is no matter."""
    return connection.describe(from_tree("found_by.describe", query.where(exp.true(), append=False)))


def _texts(number: int, value_class: str) -> exp.Expr:
    """What a rule found in an event, as an array of texts."""
    value = exp.column(f"v{number}", table="x")
    if value_class == "json":
        texts: exp.Expr = exp.func("cdp_json_texts", value)
    elif value_class == "array":
        texts = exp.cast(value, "text[]")
    else:
        texts = exp.Array(expressions=[exp.cast(value, "text")])
    return exp.alias_(exp.Case().when(value.copy().is_(exp.null()).not_(), texts), f"t{number}")


def _identifier_ids(connection: Connection, identifier: IdentifierType, texts: list[str]) -> Mapping[str, UUID]:
    """The identifier that each raw value is."""
    if not texts:
        return {}
    raw = exp.Explode(this=exp.cast(exp.Placeholder(this="texts"), "text[]"))
    values = exp.select(exp.alias_(raw, "raw")).subquery("r")
    name = exp.cast(exp.Literal.string(identifier.type), "text")
    value = normalised(identifier, exp.column("raw", table="r"))
    query = exp.select("r.raw", exp.func("cdp_hash", exp.Literal.string("identifier"), name, value)).from_(values)
    return dict(connection.fetch(from_tree("found_by.identifiers", query), texts=texts))

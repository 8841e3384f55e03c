"""What the pipeline published and what the oracle says, in one form, to be compared field by field."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.registry import Entity
from cdp_pipeline_tests.oracle.states import EntityFacts, State
from cdp_pipeline_tests.pipeline.driver import Pipeline

Registered: TypeAlias = tuple[str | None, str, int, int]


@dataclass(frozen=True)
class Published:
    """All that a run publishes, its ids and order of issue included.

    Attributes:
        events: event_id -> source, day of arrival, file, line, time, amount.
        duplicates: day of arrival, source, file, line, event_id.
        event_identifiers: event_id -> day of arrival, time, anchor, identifiers.
        identifiers: identifier_id -> type, value, first and last sighting, events, priority.
        links: every column of identity_graph.
        entity_map: identifier_id -> entity_id.
        registry: entity_id -> key, founder, ordinal, rank of issued_in.
        redirects: entity_id that is not current -> the current one.
        stitched: event_id -> day of arrival, time, anchor, entity.
        changes: identifier_id, its owner before and after the run.
    """

    events: dict[str, tuple[str, date, str, int, datetime, Decimal]]
    duplicates: set[tuple[date, str, str, int, str]]
    event_identifiers: dict[str, tuple[date, datetime, str, tuple[str, ...]]]
    identifiers: dict[str, tuple[str, str, datetime, datetime, int, int]]
    links: set[tuple[date, str, str, str, datetime, datetime, int, str]]
    entity_map: dict[str, str]
    registry: dict[str, Registered]
    redirects: dict[str, str | None]
    stitched: dict[str, tuple[date, datetime, str | None, str | None]]
    changes: set[tuple[str, str | None, str | None]]


def published(pipeline: Pipeline, kind: EntityKind) -> Published:
    """Read what the last run left in the warehouse."""

    def read(text: str, **values: Any) -> list[tuple[Any, ...]]:
        return pipeline.query(text, kind.name, **values)

    events = read(
        "select e.event_id, e.landed_from, e.arrived_on, e.place, e.place_row, e.event_time, e.payload, e.source_id "
        "from cdp.customer_events as e"
    )
    duplicates = read(
        "select d.arrived_on, d.landed_from, d.place, d.place_row, d.event_id from cdp.rejected_events as d"
    )
    carriers = read(
        "select i.event_id, i.arrived_on, i.event_time, i.anchor_id, i.identifier_ids from kind.event_identifiers as i"
    )
    identifiers = read(
        "select i.identifier_id, i.identifier_type, i.value, i.first_seen, i.last_seen, i.events, i.priority "
        "from kind.identifiers as i"
    )
    links = read(
        "select g.arrived_on, g.identifier_id, g.other_id, g.kind, g.first_seen, g.last_seen, g.events, "
        "g.first_event_id from kind.identity_graph as g"
    )
    owners = read("select m.identifier_id, m.entity_id, m.valid_from, m.valid_to from kind.entity_map as m")
    registry = read("select r.entity_id, r.key_id, r.founder_id, r.ordinal, r.issued_in from kind.entities as r")
    redirects = read("select r.from_entity_id, r.to_entity_id from kind.entity_redirects as r")
    stitched = read(
        "select s.event_id, s.arrived_on, s.event_time, s.anchor_id, s.entity_id from kind.stitched_events as s"
    )
    changes = read(
        "select c.identifier_id, c.from_entity_id, c.to_entity_id from kind.entity_changes as c where c.run = :run",
        run=pipeline.last_run,
    )
    assert all(row[1] == row[7] for row in events), "an event calls its source otherwise than the project"
    assert {row[2:] for row in owners} <= {(None, None)}, "an identifier is owned for a part of the time"
    return Published(
        {row[0]: (*row[1:6], Decimal(str(json.loads(row[6])["amount"]))) for row in once(events)},
        set(duplicates),
        {row[0]: row[1:] for row in once(carriers)},
        {row[0]: row[1:] for row in once(identifiers)},
        set(unrepeated(links)),
        {row[0]: row[1] for row in once(owners)},
        ranked({row[0]: row[1:] for row in once(registry)}),
        {row[0]: row[1] for row in once(redirects)},
        {row[0]: row[1:] for row in once(stitched)},
        set(unrepeated(changes)),
    )


def expected(state: State) -> Published:
    """Return what the oracle says."""
    carriers = state.event_identifiers
    return Published(
        {i: (row.source, row.day, *row.place, row.time, row.amount) for i, row in state.events.items()},
        {(row.day, row.source, *row.place, row.event_id) for row in state.duplicates},
        {i: (e.arrived_on, e.event_time, e.anchor_id, e.identifier_ids) for i, e in carriers.items()},
        {
            identifier_id: (i.type, i.value, i.first_seen, i.last_seen, i.events, i.priority)
            for identifier_id, i in state.identifiers.items()
        },
        {tuple(getattr(link, field.name) for field in fields(link)) for link in state.links.values()},
        dict(state.map),
        registered(state.registry.values()),
        dict(state.redirects),
        {
            event_id: (row.day, row.time, carriers[event_id].anchor_id if event_id in carriers else None, owner)
            for event_id, owner in state.stitched.items()
            for row in (state.events[event_id],)
        },
        {(change.identifier_id, change.from_entity_id, change.to_entity_id) for change in state.changes},
    )


def registered(entities: Iterable[Entity]) -> dict[str, Registered]:
    """Return the oracle's registry in the form of `Published`."""
    return ranked(
        {entity.entity_id: (entity.key_id, entity.founder_id, entity.ordinal, entity.issued_in) for entity in entities}
    )


def ranked(registry: dict[str, tuple[Any, ...]]) -> dict[str, Registered]:
    """Put the rank of `issued_in` in its place: the pipeline counts transactions and the oracle steps."""
    order = sorted({issued_in for *_, issued_in in registry.values()})
    return {entity_id: (key, founder, n, order.index(when)) for entity_id, (key, founder, n, when) in registry.items()}


def once(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows; no two of them are about the same."""
    assert len({row[0] for row in rows}) == len(rows), "a row stands twice"
    return rows


def unrepeated(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows; no two of them are equal."""
    assert len(set(rows)) == len(rows), "a row stands twice"
    return rows


def check_equal(found: Published, wanted: Published, where: str) -> None:
    """Compare field by field, in the order in which data flows: the first difference is the cause of the others."""
    for field in fields(Published):
        assert getattr(found, field.name) == getattr(wanted, field.name), f"{field.name}, {where}"


def facts_by_group(pipeline: Pipeline, kind: EntityKind) -> dict[frozenset[str], EntityFacts]:
    """Return each profile's number and amount of events, by its identifiers: what does not depend on the cut."""
    groups: dict[str, set[str]] = {}
    owners = pipeline.query("select m.identifier_id, m.entity_id from kind.entity_map as m", kind.name)
    for identifier_id, entity_id in owners:
        groups.setdefault(entity_id, set()).add(identifier_id)
    profiles = once(pipeline.query("select p.entity_id, p.events, p.amount from kind.profiles as p", kind.name))
    facts = {entity_id: EntityFacts(events, amount) for entity_id, events, amount in profiles}
    assert facts.keys() == groups.keys(), "there is a profile too many or too few"
    return {frozenset(group): facts[entity_id] for entity_id, group in groups.items()}

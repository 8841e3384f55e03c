"""What the pipeline published and what the oracle says, in one form, to be compared field by field."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from cdp_pipeline_tests.oracle.identity import components
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.ownership import spans
from cdp_pipeline_tests.oracle.registry import Entity
from cdp_pipeline_tests.oracle.states import EntityFacts, State
from cdp_pipeline_tests.pipeline.driver import Pipeline

Registered: TypeAlias = tuple[str | None, str, int, int]
Moment: TypeAlias = datetime | None


@dataclass(frozen=True)
class Published:
    """All that a run publishes, its ids and order of issue included.

    Attributes:
        events: event_id -> source, day of arrival, file, line, time, amount.
        rejected: day of arrival, source, file, line, event_id, reason.
        event_identifiers: event_id -> day of arrival, time, anchor, identifiers.
        identifiers: identifier_id -> type, value, first and last sighting, events, priority, superseded.
        map_rows: number of the map, primary identifier -> persons, time.
        links: every column of identity_graph, of links that events or maps gave.
        same: who is connected by links of kind `same`.
        quarantined: identifier_id -> links, threshold, entities that it would join.
        refused: identifier_id, other_id, reason, effect.
        groups: identifier_id -> component, entity.
        registry: entity_id -> key, founder, ordinal, rank of issued_in.
        redirects: entity_id that is not current -> the current one.
        entity_map: identifier_id -> from, to, entity, in the order of time.
        changes: identifier_id, its owner before and after the run, from, to.
        stitched: event_id -> day of arrival, time, effective anchor, entity.
    """

    events: dict[str, tuple[str, date, str, int, datetime, Decimal]]
    rejected: set[tuple[date, str, str, int, str, str]]
    event_identifiers: dict[str, tuple[date, datetime, str, tuple[str, ...]]]
    map_rows: dict[tuple[int, str], tuple[tuple[str, ...], datetime]]
    identifiers: dict[str, tuple[str, str, datetime, datetime, int, int, int]]
    links: set[tuple[date, str, str, str, datetime, datetime, int, str | None]]
    same: set[frozenset[str]]
    quarantined: dict[str, tuple[int, int, int]]
    refused: set[tuple[str, str, str, str]]
    groups: dict[str, tuple[str, str]]
    registry: dict[str, Registered]
    redirects: dict[str, str | None]
    entity_map: dict[str, list[tuple[Moment, Moment, str]]]
    changes: set[tuple[str, str | None, str | None, Moment, Moment]]
    stitched: dict[str, tuple[date, datetime, str | None, str | None]]


def published(pipeline: Pipeline, kind: EntityKind) -> Published:
    """Read what the last run left in the warehouse."""

    def read(text: str, **values: Any) -> list[tuple[Any, ...]]:
        return pipeline.query(text, kind.name, **values)

    events = read(
        "select e.event_id, e.landed_from, e.arrived_on, e.place, e.place_row, e.event_time, e.payload, e.source_id "
        "from cdp.customer_events as e"
    )
    rejected = read(
        "select d.arrived_on, d.landed_from, d.place, d.place_row, d.event_id, d.reason from cdp.rejected_events as d"
    )
    carriers = read(
        "select i.event_id, i.arrived_on, i.event_time, i.anchor_id, i.identifier_ids from kind.event_identifiers as i"
    )
    identifiers = read(
        "select i.identifier_id, i.identifier_type, i.value, i.first_seen, i.last_seen, i.events, i.priority, "
        "i.superseded from kind.identifiers as i"
    )
    map_rows = read("select m.map_number, m.primary_id, m.person_ids, m.updated_at from kind.identity_map_rows as m")
    links = read(
        "select g.arrived_on, g.identifier_id, g.other_id, g.kind, g.first_seen, g.last_seen, g.events, "
        "g.first_event_id from kind.identity_graph as g where g.kind <> 'same'"
    )
    same = read("select g.identifier_id, g.other_id from kind.identity_graph as g where g.kind = 'same'")
    quarantined = read(
        "select q.identifier_id, q.links, q.threshold, q.entities_it_would_join from kind.quarantined_identifiers as q"
    )
    refused = read("select r.identifier_id, r.other_id, r.reason, r.effect from kind.refused_links as r")
    groups = read("select g.identifier_id, g.component_id, g.entity_id from kind.identifier_groups as g")
    owners = read("select m.identifier_id, m.valid_from, m.valid_to, m.entity_id from kind.entity_map as m")
    registry = read("select r.entity_id, r.key_id, r.founder_id, r.ordinal, r.issued_in from kind.entities as r")
    redirects = read("select r.from_entity_id, r.to_entity_id from kind.entity_redirects as r")
    stitched = read(
        "select s.event_id, s.arrived_on, s.event_time, s.anchor_id, s.entity_id from kind.stitched_events as s"
    )
    changes = read(
        "select c.identifier_id, c.from_entity_id, c.to_entity_id, c.valid_from, c.valid_to "
        "from kind.entity_changes as c where c.run = :run",
        run=pipeline.last_run,
    )
    assert all(row[1] == row[7] for row in events), "an event calls its source otherwise than the project"
    return Published(
        events={row[0]: (*row[1:6], Decimal(str(json.loads(row[6])["amount"]))) for row in once(events)},
        rejected=set(unrepeated(rejected)),
        event_identifiers={row[0]: row[1:] for row in once(carriers)},
        map_rows={row[:2]: row[2:] for row in unrepeated(map_rows)},
        identifiers={row[0]: row[1:] for row in once(identifiers)},
        links=set(unrepeated(links)),
        same=connected_by(same),
        quarantined={row[0]: row[1:] for row in once(quarantined)},
        refused=set(unrepeated(refused)),
        groups={row[0]: row[1:] for row in once(groups)},
        registry=ranked({row[0]: row[1:] for row in once(registry)}),
        redirects={row[0]: row[1] for row in once(redirects)},
        entity_map=in_time(owners),
        changes=set(unrepeated(changes)),
        stitched={row[0]: row[1:] for row in once(stitched)},
    )


def in_time(rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Moment, Moment, str]]]:
    """Return the rows of a map by identifier, in the order of time."""
    found: dict[str, list[tuple[Moment, Moment, str]]] = {}
    for identifier_id, *span in sorted(unrepeated(rows), key=lambda row: (row[1] is not None, row[1])):
        found.setdefault(identifier_id, []).append((span[0], span[1], span[2]))
    return found


def connected_by(pairs: list[tuple[Any, ...]]) -> set[frozenset[str]]:
    """Return who is connected by some pairs."""
    return {frozenset(found) for found in components({end for pair in pairs for end in pair}, pairs)}


def expected(state: State) -> Published:
    """Return what the oracle says."""
    carriers = state.event_identifiers
    in_use = [frozenset(same & state.identifiers.keys()) for same in state.evidence.same]
    return Published(
        events={i: (row.source, row.day, *row.place, row.time, row.amount) for i, row in state.events.items()},
        rejected={(row.day, row.source, *row.place, row.event_id, why) for row, why in state.rejected.items()},
        event_identifiers={i: (e.arrived_on, e.event_time, e.anchor_id, e.identifier_ids) for i, e in carriers.items()},
        map_rows={
            (row.map_number, row.primary.identifier_id): (row.identifier_ids[1:], row.updated_at)
            for row in state.map_rows
        },
        identifiers={
            identifier_id: (i.type, i.value, i.first_seen, i.last_seen, i.events, i.priority, i.superseded)
            for identifier_id, i in state.identifiers.items()
        },
        links={tuple(getattr(link, field.name) for field in fields(link)) for link in state.links.values()},
        same={same for same in in_use if len(same) > 1},
        quarantined={i: (q.links, q.threshold, q.entities_it_would_join) for i, q in state.quarantined.items()},
        refused={(link.identifier_id, link.other_id, link.reason, link.effect) for link in state.refused},
        groups={i: (state.components[i], entity_id) for i, entity_id in state.map.items()},
        registry=registered(state.registry.values()),
        redirects=dict(state.redirects),
        entity_map={
            i: [(span.valid_from, span.valid_to, span.entity_id) for span in spans(timeline)]
            for i, timeline in state.owners.items()
            if spans(timeline)
        },
        changes={(c.identifier_id, c.from_entity_id, c.to_entity_id, c.valid_from, c.valid_to) for c in state.changes},
        stitched={
            event_id: (row.day, row.time, state.anchors.get(event_id), state.stitched[event_id])
            for event_id, row in state.events.items()
        },
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
    """Return each profile's number and amount of events, by its identifiers: what does not depend on the cut.

    An entity without events may have a profile or none.
    """
    groups: dict[str, set[str]] = {}
    rows = pipeline.query("select g.identifier_id, g.entity_id from kind.identifier_groups as g", kind.name)
    for identifier_id, entity_id in rows:
        groups.setdefault(entity_id, set()).add(identifier_id)
    profiles = once(pipeline.query("select p.entity_id, p.events, p.amount from kind.profiles as p", kind.name))
    facts = {entity_id: EntityFacts(events, amount or Decimal(0)) for entity_id, events, amount in profiles}
    assert facts.keys() <= groups.keys(), "there is a profile of nobody"
    nothing = EntityFacts(0, Decimal(0))
    return {frozenset(group): facts.get(entity_id, nothing) for entity_id, group in groups.items()}

"""Identifiers, anchors, links, and what is connected.

What DESIGN.md leaves open is decided here:

- A link between two identifiers of one type has the smaller identifier_id first, unless an identity map renames one of
  them to the other, and not the other to it: then the target. Two events may carry the same pair in either order, and a
  pair is one link.
- An adjacent pair that includes the anchor gives two rows, one of kind ``anchor`` and one of kind ``next``.
- "Most important, then earliest seen" is the order by (priority, superseded, first_seen, identifier_id).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise

from cdp_pipeline_tests.oracle.events import Identifier, Row
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.maps import RowInForce, renames, superseded


@dataclass(frozen=True)
class IdentifierState:
    """What the choice of keys and founders reads of an identifier.

    ``superseded`` counts the renames of identity maps that lead on from it to the id that stands for it.
    """

    type: str
    priority: int
    first_seen: datetime
    superseded: int = field(default=0, kw_only=True)

    @property
    def importance(self) -> tuple[int, int]:
        """What "strictly more important" compares; the least is the most important."""
        return (self.priority, self.superseded)


@dataclass(frozen=True)
class IdentifierInUse(IdentifierState):
    """An identifier that an event or a row of an identity map carries.

    ``events`` counts an event once, however often it repeats it; a row of a map is no event.
    """

    value: str
    last_seen: datetime
    events: int


@dataclass(frozen=True)
class EventIdentifiers:
    """An event with at least one identifier. ``identifier_ids`` stand by importance; the first is the anchor."""

    event_id: str
    arrived_on: date
    event_time: datetime
    identifier_ids: tuple[str, ...]

    @property
    def anchor_id(self) -> str:
        """The identifier that decides whose the event is."""
        return self.identifier_ids[0]


@dataclass(frozen=True)
class Link:
    """Two identifiers seen together, per day of arrival and kind. ``identifier_id`` is the more important end."""

    arrived_on: date
    identifier_id: str
    other_id: str
    kind: str
    first_seen: datetime
    last_seen: datetime
    events: int
    first_event_id: str | None


def by_importance(identifiers: Iterable[Identifier], kind: EntityKind) -> list[Identifier]:
    """Return the distinct identifiers of one event, by priority, then in the order in which the event has them."""
    return sorted(dict.fromkeys(identifiers), key=lambda identifier: kind.priority(identifier.type))


def event_identifiers(events: Mapping[str, Row], kind: EntityKind) -> dict[str, EventIdentifiers]:
    """Return the identifiers of each event that has any."""
    found = {}
    for event_id, row in events.items():
        ids = tuple(identifier.identifier_id for identifier in by_importance(row.identifiers, kind))
        if ids:
            found[event_id] = EventIdentifiers(event_id, row.day, row.time, ids)
    return found


def identifiers_in_use(
    events: Mapping[str, Row], rows: Iterable[RowInForce], kind: EntityKind
) -> dict[str, IdentifierInUse]:
    """Return the identifiers that events and rows of identity maps carry, by identifier_id."""
    rows = list(rows)
    sightings: dict[Identifier, list[datetime]] = {}
    in_events: Counter[Identifier] = Counter()
    for event in events.values():
        in_events.update(set(event.identifiers))
        for identifier in set(event.identifiers):
            sightings.setdefault(identifier, []).append(event.time)
    for row in rows:
        for identifier in (row.primary, *row.persons):
            sightings.setdefault(identifier, []).append(row.updated_at)
    steps = superseded(rows)
    return {
        identifier.identifier_id: IdentifierInUse(
            identifier.type,
            kind.priority(identifier.type),
            min(times),
            identifier.value,
            max(times),
            in_events[identifier],
            superseded=steps.get(identifier.identifier_id, 0),
        )
        for identifier, times in sightings.items()
    }


def links(
    carriers: Iterable[EventIdentifiers], rows: Iterable[RowInForce], identifiers: Mapping[str, IdentifierState]
) -> dict[tuple[date, str, str, str], Link]:
    """Return the links by (day of arrival, identifier_id, other_id, kind)."""
    rows = list(rows)
    renamed = renames(rows)
    sightings: dict[tuple[date, str, str, str], list[tuple[datetime, str]]] = {}
    for event in carriers:
        pairs = [("anchor", event.anchor_id, other) for other in event.identifier_ids[1:]]
        pairs += [("next", one, other) for one, other in pairwise(event.identifier_ids)]
        for link_kind, one, other in pairs:
            first, second = ends_in_order(one, other, identifiers, renamed)
            sighting = (event.event_time, event.event_id)
            sightings.setdefault((event.arrived_on, first, second, link_kind), []).append(sighting)
    found = {
        key: Link(*key, min(seen)[0], max(seen)[0], len(seen), first_event_id=min(seen)[1])
        for key, seen in sightings.items()
    }
    times: dict[tuple[date, str, str, str], list[datetime]] = {}
    for row in rows:
        for person in row.persons:
            first, second = ends_in_order(row.primary.identifier_id, person.identifier_id, identifiers, renamed)
            times.setdefault((row.updated_at.date(), first, second, "map"), []).append(row.updated_at)
    return found | {key: Link(*key, min(seen), max(seen), 0, first_event_id=None) for key, seen in times.items()}


def ends_in_order(
    one: str, other: str, identifiers: Mapping[str, IdentifierState], renamed: AbstractSet[tuple[str, str]]
) -> tuple[str, str]:
    """Return the more important end of a link first; of one type the target of a rename, else the smaller id."""
    targets = {target for target, origin in renamed if {target, origin} == {one, other}}

    def order(end: str) -> tuple[int, bool, str]:
        return (identifiers[end].priority, len(targets) == 1 and end not in targets, end)

    first, second = sorted((one, other), key=order)
    return first, second


def components(identifier_ids: Iterable[str], pairs: Iterable[Iterable[str]]) -> list[set[str]]:
    """Return the connected components, identifiers without a link included, by plain union-find."""
    parent = {identifier_id: identifier_id for identifier_id in identifier_ids}

    def root(identifier_id: str) -> str:
        while parent[identifier_id] != identifier_id:
            identifier_id = parent[identifier_id]
        return identifier_id

    for pair in pairs:
        one, other = pair
        parent[root(one)] = root(other)
    groups: dict[str, set[str]] = {}
    for identifier_id in parent:
        groups.setdefault(root(identifier_id), set()).add(identifier_id)
    return list(groups.values())

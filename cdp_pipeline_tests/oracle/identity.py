"""Identifiers, anchors, links, components, and the changes of the map.

What DESIGN.md leaves open is decided here:

- A link between two identifiers of one type has the smaller identifier_id first. Two events may carry the same pair
  in either order, and a pair is one link.
- An adjacent pair that includes the anchor gives two rows, one of kind ``anchor`` and one of kind ``next``.
- "Most important, then earliest seen" is the order by (priority, first_seen, identifier_id).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from cdp_pipeline_tests.oracle.events import Identifier, Row


@dataclass(frozen=True)
class EntityKind:
    """A kind of entity and its identifier types, most important first."""

    name: str
    types: tuple[str, ...]

    def priority(self, identifier_type: str) -> int:
        """Return the importance of a type: 0 is the most important."""
        return self.types.index(identifier_type)


@dataclass(frozen=True)
class IdentifierState:
    """What the choice of keys and founders reads of an identifier."""

    type: str
    priority: int
    first_seen: datetime


@dataclass(frozen=True)
class IdentifierInUse(IdentifierState):
    """An identifier that at least one event carries. ``events`` counts an event once, however often it repeats it."""

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
    first_event_id: str


@dataclass(frozen=True)
class EntityChange:
    """An identifier that belongs to another entity than before; None stands for nobody (or not in use)."""

    identifier_id: str
    from_entity_id: str | None
    to_entity_id: str | None


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


def identifiers_in_use(events: Mapping[str, Row], kind: EntityKind) -> dict[str, IdentifierInUse]:
    """Return the identifiers that the events carry, by identifier_id."""
    sightings: dict[Identifier, list[datetime]] = {}
    for row in events.values():
        for identifier in set(row.identifiers):
            sightings.setdefault(identifier, []).append(row.time)
    return {
        identifier.identifier_id: IdentifierInUse(
            identifier.type,
            kind.priority(identifier.type),
            min(times),
            identifier.value,
            max(times),
            len(times),
        )
        for identifier, times in sightings.items()
    }


def links(
    carriers: Iterable[EventIdentifiers], identifiers: Mapping[str, IdentifierState]
) -> dict[tuple[date, str, str, str], Link]:
    """Return the links by (day of arrival, identifier_id, other_id, kind)."""
    sightings: dict[tuple[date, str, str, str], list[tuple[datetime, str]]] = {}
    for event in carriers:
        pairs = [("anchor", event.anchor_id, other) for other in event.identifier_ids[1:]]
        pairs += [("next", one, other) for one, other in pairwise(event.identifier_ids)]
        for link_kind, one, other in pairs:
            first, second = sorted((one, other), key=lambda end: (identifiers[end].priority, end))
            sighting = (event.event_time, event.event_id)
            sightings.setdefault((event.arrived_on, first, second, link_kind), []).append(sighting)
    return {
        key: Link(*key, min(seen)[0], max(seen)[0], len(seen), first_event_id=min(seen)[1])
        for key, seen in sightings.items()
    }


def components(identifier_ids: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """Return the connected components, identifiers without a link included, by plain union-find."""
    parent = {identifier_id: identifier_id for identifier_id in identifier_ids}

    def root(identifier_id: str) -> str:
        while parent[identifier_id] != identifier_id:
            identifier_id = parent[identifier_id]
        return identifier_id

    for one, other in pairs:
        parent[root(one)] = root(other)
    groups: dict[str, set[str]] = {}
    for identifier_id in parent:
        groups.setdefault(root(identifier_id), set()).add(identifier_id)
    return list(groups.values())


def entity_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[EntityChange]:
    """Return the difference between two maps, one change per identifier, by identifier_id."""
    return [
        EntityChange(identifier_id, old.get(identifier_id), new.get(identifier_id))
        for identifier_id in sorted(old.keys() | new.keys())
        if old.get(identifier_id) != new.get(identifier_id)
    ]

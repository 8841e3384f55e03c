"""A history of steps, and what must be true after each of them.

Everything is calculated from the world as it lies there after the step; only the registry, with the last published
map in it, is carried on from step to step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cdp_pipeline_tests.oracle.events import Row, Step, World, after, choose_events
from cdp_pipeline_tests.oracle.identity import (
    EntityChange,
    EntityKind,
    EventIdentifiers,
    IdentifierInUse,
    Link,
    components,
    entity_changes,
    event_identifiers,
    identifiers_in_use,
    links,
)
from cdp_pipeline_tests.oracle.registry import Entity, Registry


@dataclass(frozen=True)
class EntityFacts:
    """What the events of one entity add up to."""

    events: int
    amount: Decimal


@dataclass(frozen=True)
class State:
    """What is published after a step.

    Attributes:
        events: The events, by event_id.
        duplicates: The landed rows that are no event, by (day of arrival, source, place).
        event_identifiers: The events with an identifier, by event_id.
        identifiers: The identifiers in use, by identifier_id.
        links: The links, by (day of arrival, identifier_id, other_id, kind).
        groups: Which identifiers are one entity, whatever its id.
        map: The owner of each identifier.
        registry: The ids ever issued. ``issued_in`` is the number of the step, from 1.
        redirects: For every id that is not current, the current one, or None if it is retired.
        changes: What this step changed in the map.
        stitched: The owner of each event; None if it carries no identifier.
        facts: Count and sum of the events of each current entity.
    """

    events: Mapping[str, Row]
    duplicates: tuple[Row, ...]
    event_identifiers: Mapping[str, EventIdentifiers]
    identifiers: Mapping[str, IdentifierInUse]
    links: Mapping[tuple[date, str, str, str], Link]
    groups: frozenset[frozenset[str]]
    map: Mapping[str, str]
    registry: Mapping[str, Entity]
    redirects: Mapping[str, str | None]
    changes: tuple[EntityChange, ...]
    stitched: Mapping[str, str | None]
    facts: Mapping[str, EntityFacts]

    @property
    def facts_by_group(self) -> dict[frozenset[str], EntityFacts]:
        """The facts by the entity's identifiers: what does not depend on the cut, as ids do."""
        return {group: self.facts[self.map[min(group)]] for group in self.groups}


def simulate(history: Iterable[Step], kind: EntityKind, *, solve_only_touched: bool = False) -> list[State]:
    """Return the state after each step of a history.

    Args:
        history: What each run lands.
        kind: The kind of entity, with its identifier types.
        solve_only_touched: Give the registry the identifiers that a step touched, and no reason to look at others.
            The states must be the same.
    """
    world: World = {}
    registry = Registry(kind.name)
    states: list[State] = []
    pairs: set[tuple[str, str]] = set()
    for seq, step in enumerate(history, start=1):
        world = after(world, step)
        events, duplicates = choose_events(world)
        carriers = event_identifiers(events, kind)
        identifiers = identifiers_in_use(events, kind)
        all_links = links(carriers.values(), identifiers)

        old_pairs, pairs = pairs, {(link.identifier_id, link.other_id) for link in all_links.values()}
        groups = components(identifiers, pairs)
        old_map = registry.map
        touched = {end for pair in old_pairs ^ pairs for end in pair} | (old_map.keys() ^ identifiers.keys())
        registry.publish(identifiers, groups, seq, touched if solve_only_touched else None)

        stitched = {
            event_id: registry.map[carriers[event_id].anchor_id] if event_id in carriers else None
            for event_id in events
        }
        states.append(
            State(
                events=events,
                duplicates=tuple(duplicates),
                event_identifiers=carriers,
                identifiers=identifiers,
                links=all_links,
                groups=frozenset(frozenset(group) for group in groups),
                map=registry.map,
                registry=dict(registry.entities),
                redirects=registry.redirects(),
                changes=tuple(entity_changes(old_map, registry.map)),
                stitched=stitched,
                facts=entity_facts(events, stitched),
            )
        )
    return states


def entity_facts(events: Mapping[str, Row], stitched: Mapping[str, str | None]) -> dict[str, EntityFacts]:
    """Return count and sum of the events of each entity that has any."""
    amounts: dict[str, list[Decimal]] = {}
    for event_id, entity_id in stitched.items():
        if entity_id is not None:
            amounts.setdefault(entity_id, []).append(events[event_id].amount)
    return {entity_id: EntityFacts(len(of_one), sum(of_one, Decimal(0))) for entity_id, of_one in amounts.items()}

"""What a run finds in sum, what follows from it alone, and what is published after a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from cdp_pipeline_tests.oracle.decisions import InForce, decide, is_unstitched, pairs_decided, pins, same_classes
from cdp_pipeline_tests.oracle.events import MapTables, Row, Step, World, after, choose_events
from cdp_pipeline_tests.oracle.hubs import Hub, effective_anchor, hubs, neighbours_of
from cdp_pipeline_tests.oracle.identity import (
    EventIdentifiers,
    IdentifierInUse,
    Link,
    event_identifiers,
    identifiers_in_use,
    links,
)
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.limits import Evidence, Refused, pairs_of
from cdp_pipeline_tests.oracle.maps import Known, RowInForce, read_maps, renames, rows_in_force
from cdp_pipeline_tests.oracle.ownership import EntityChange, Timeline
from cdp_pipeline_tests.oracle.registry import Entity


@dataclass(frozen=True)
class Inputs:
    """What lies there: files, decisions in force, the maps' tables and what was ever read of them."""

    world: World = field(default_factory=dict)
    in_force: InForce = field(default_factory=dict)
    tables: MapTables = ()
    known: Known = field(default_factory=dict)


def found(inputs: Inputs, step: Step, kind: EntityKind, *, reads_maps: bool = True) -> Inputs:
    """Return what lies there after a step.

    Args:
        inputs: What lay there before.
        step: The step.
        kind: The kind of entity.
        reads_maps: Whether the run comes as far as to read the maps.
    """
    tables = inputs.tables or ((),) * len(kind.maps)
    if step.maps is not None:
        tables = step.maps
    known = read_maps(inputs.known, tables, kind) if reads_maps else inputs.known
    return Inputs(after(inputs.world, step), decide(inputs.in_force, step.decisions), tables, known)


@dataclass(frozen=True)
class Observed:
    """What follows from the inputs alone.

    Attributes:
        events: The events, by event_id.
        rejected: The landed rows that are no event, each with the reason; of one event_id the best first.
        event_identifiers: The events with an identifier, by event_id.
        identifiers: The identifiers in use, by identifier_id.
        links: The links, by (day of arrival, identifier_id, other_id, kind).
        in_force: The decisions in force.
        map_rows: The rows of identity maps in force.
        hubs: The identifiers in quarantine.
        anchors: The effective anchor of each event that has an identifier; None if all are in quarantine.
        evidence: Who is present, and what says who belongs together.
    """

    events: Mapping[str, Row]
    rejected: Mapping[Row, str]
    event_identifiers: Mapping[str, EventIdentifiers]
    identifiers: Mapping[str, IdentifierInUse]
    links: Mapping[tuple[date, str, str, str], Link]
    in_force: InForce
    map_rows: tuple[RowInForce, ...]
    hubs: Mapping[str, Hub]
    anchors: Mapping[str, str | None]
    evidence: Evidence


def observe(inputs: Inputs, kind: EntityKind) -> Observed:
    """Work out what follows from the inputs."""
    events, rejected = choose_events(inputs.world)
    carriers = event_identifiers(events, kind)
    rows = rows_in_force(inputs.known, kind)
    identifiers = identifiers_in_use(events, rows, kind)
    all_links = links(carriers.values(), rows, identifiers)
    quarantined = hubs(identifiers, neighbours_of(all_links.values()), pins(inputs.in_force), kind)
    present = {identifier_id: state for identifier_id, state in identifiers.items() if identifier_id not in quarantined}
    pairs = pairs_of(all_links.values(), identifiers, renames(rows))
    in_use = {
        ends: pair
        for ends, pair in pairs.items()
        if ends <= present.keys() and not is_unstitched(ends, inputs.in_force)
    }
    return Observed(
        events=events,
        rejected=rejected,
        event_identifiers=carriers,
        identifiers=identifiers,
        links=all_links,
        in_force=inputs.in_force,
        map_rows=tuple(rows),
        hubs=quarantined,
        anchors={i: effective_anchor(event.identifier_ids, quarantined) for i, event in carriers.items()},
        evidence=Evidence(present, in_use, same_classes(inputs.in_force), pairs_decided(inputs.in_force, "different")),
    )


@dataclass(frozen=True)
class EntityFacts:
    """What the events of one entity add up to."""

    events: int
    amount: Decimal


@dataclass(frozen=True)
class Quarantined:
    """An identifier in quarantine, and how many entities own its neighbours."""

    links: int
    threshold: int
    entities_it_would_join: int


@dataclass(frozen=True)
class State(Observed):
    """What is published after a step.

    Attributes:
        components: The component of each identifier that is present, called by the smallest of them.
        groups: Which identifiers are one entity, whatever its id.
        refused: The links that were not used.
        map: The entity that each identifier is grouped with.
        registry: The ids ever issued. ``issued_in`` is the number of the step, from 1.
        redirects: For every id that is not current, the current one, or None if it is retired.
        owners: The owner over time of each identifier that is present.
        quarantined: The identifiers in quarantine.
        changes: What this step changed in the owners.
        stitched: The owner of each event; None if it is nobody's.
        facts: Count and sum of the events of each entity that has any.
    """

    components: Mapping[str, str]
    groups: frozenset[frozenset[str]]
    refused: frozenset[Refused]
    map: Mapping[str, str]
    registry: Mapping[str, Entity]
    redirects: Mapping[str, str | None]
    owners: Mapping[str, Timeline]
    quarantined: Mapping[str, Quarantined]
    changes: tuple[EntityChange, ...]
    stitched: Mapping[str, str | None]
    facts: Mapping[str, EntityFacts]

    @property
    def facts_by_group(self) -> dict[frozenset[str], EntityFacts]:
        """The facts by the entity's identifiers: what does not depend on the cut, as ids do."""
        nothing = EntityFacts(0, Decimal(0))
        return {group: self.facts.get(self.map[min(group)], nothing) for group in self.groups}

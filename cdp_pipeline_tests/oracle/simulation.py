"""A history of steps, and what must be true after each of them.

Everything is calculated from what lies there after the step; only the registry, with the last published groups in it,
the last map and what was ever read of identity maps are carried on from step to step.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat

from cdp_pipeline_tests.oracle.events import Row, Step
from cdp_pipeline_tests.oracle.hubs import neighbours_of
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.limits import Refused, connected, solve
from cdp_pipeline_tests.oracle.ownership import Timeline, entity_changes, owner_at, timelines
from cdp_pipeline_tests.oracle.registry import Registry
from cdp_pipeline_tests.oracle.states import EntityFacts, Inputs, Observed, Quarantined, State, found, observe
from cdp_pipeline_tests.oracle.touched import ALL_CAUSES, touched

EVENTS, MAPS, ALL = "events", "maps", "all"
"""How far a run comes: only events are landed; the identity maps are read too; all is published."""


@dataclass(frozen=True)
class Solution:
    """Groups of the components, refused links, and who was looked at for it; None: everybody."""

    groups: tuple[frozenset[str], ...]
    refused: frozenset[Refused]
    looked_at: AbstractSet[str] | None


def simulate(
    history: Iterable[Step],
    kind: EntityKind,
    *,
    causes: AbstractSet[str] | None = None,
    reached: Iterable[str] | None = None,
) -> list[State]:
    """Return the state after each step of a history that publishes.

    Args:
        history: What each run finds.
        kind: The kind of entity.
        causes: Solve only the components that are touched for these causes; with `ALL_CAUSES` the states must be the
            same. None solves all.
        reached: How far each run comes; None stands for all the way.
    """
    inputs = Inputs()
    registry = Registry(kind.name)
    states: list[State] = []
    for seq, (step, stop) in enumerate(zip(history, reached or repeat(ALL), strict=reached is not None), start=1):
        inputs = found(inputs, step, kind, reads_maps=stop != EVENTS)
        if stop == ALL:
            states.append(publish(states[-1] if states else None, observe(inputs, kind), registry, seq, kind, causes))
    return states


def simulate_touched(history: Iterable[Step], kind: EntityKind) -> list[State]:
    """Return the states when only touched components are solved."""
    return simulate(history, kind, causes=ALL_CAUSES)


def publish(
    before: State | None,
    now: Observed,
    registry: Registry,
    seq: int,
    kind: EntityKind,
    causes: AbstractSet[str] | None,
) -> State:
    """Work out the state, and carry the registry on."""
    components = connected(now.evidence)
    solution = solve_components(before, now, components, kind, causes)
    registry.publish(now.evidence.identifiers, solution.groups, seq, solution.looked_at)
    owners = owners_now(before, now, registry.map, solution, kind)
    stitched = {event_id: owner_of(now.anchors.get(event_id), row, owners) for event_id, row in now.events.items()}
    neighbours = neighbours_of(now.links.values())
    quarantined = {
        identifier_id: Quarantined(
            hub.links,
            hub.threshold,
            len({registry.map[i] for i in neighbours.get(identifier_id, ()) if i in registry.map}),
        )
        for identifier_id, hub in now.hubs.items()
    }
    return State(
        **vars(now),
        components={identifier_id: min(component) for component in components for identifier_id in component},
        groups=frozenset(solution.groups),
        refused=solution.refused,
        map=registry.map,
        registry=dict(registry.entities),
        redirects=registry.redirects(),
        owners=owners,
        quarantined=quarantined,
        changes=tuple(entity_changes(before.owners if before else {}, owners)),
        stitched=stitched,
        facts=entity_facts(now.events, stitched),
    )


def solve_components(
    before: State | None,
    now: Observed,
    components: Iterable[AbstractSet[str]],
    kind: EntityKind,
    causes: AbstractSet[str] | None,
) -> Solution:
    """Return the groups of all components; those that nothing touches have the groups that they had."""
    looked_at = None if before is None or causes is None else touched(before, now, causes)
    groups: list[frozenset[str]] = []
    refused: set[Refused] = set()
    for component in components:
        if before is None or looked_at is None or component & looked_at:
            of_component, refusals = solve(component, now.evidence, kind)
            groups += map(frozenset, of_component)
            refused |= set(refusals)
        else:
            groups += [group for group in before.groups if group <= component]
            refused |= {link for link in before.refused if link.ends <= component}
    if looked_at is not None:
        looked_at |= {i for component in components if component & looked_at for i in component}
    return Solution(tuple(groups), frozenset(refused), looked_at)


def owners_now(
    before: State | None, now: Observed, groups: Mapping[str, str], solution: Solution, kind: EntityKind
) -> dict[str, Timeline]:
    """Return the owner over time of everybody; of those who were not looked at the owner as it was."""
    owners = timelines(groups, solution.refused, now.event_identifiers.values(), now.anchors, now.evidence, kind)
    if before is None or solution.looked_at is None:
        return owners
    return {i: owners[i] if i in solution.looked_at else before.owners[i] for i in owners}


def owner_of(anchor_id: str | None, row: Row, owners: Mapping[str, Timeline]) -> str | None:
    """Return whose an event is."""
    return None if anchor_id is None else owner_at(owners[anchor_id], row.time)


def entity_facts(events: Mapping[str, Row], stitched: Mapping[str, str | None]) -> dict[str, EntityFacts]:
    """Return count and sum of the events of each entity that has any."""
    amounts: dict[str, list[Decimal]] = {}
    for event_id, entity_id in stitched.items():
        if entity_id is not None:
            amounts.setdefault(entity_id, []).append(events[event_id].amount)
    return {entity_id: EntityFacts(len(of_one), sum(of_one, Decimal(0))) for entity_id, of_one in amounts.items()}

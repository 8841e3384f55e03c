"""Properties of the simulation on random histories with limits, hubs, decisions, shared devices and identity maps.

Every assertion names its seed; the parameter of a test is the first of ``SEEDS_PER_CASE`` seeds.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace as changed
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from cdp_pipeline_tests.oracle.decisions import pairs_decided
from cdp_pipeline_tests.oracle.events import Step
from cdp_pipeline_tests.oracle.histories import Shape, deliveries, final_content, random_history, to_history
from cdp_pipeline_tests.oracle.identity import EventIdentifiers, components
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.limits import (
    Pair,
    Refused,
    breaks_a_limit,
    breaks_a_number,
    connected,
    has_bridging,
    same_within,
    solve,
)
from cdp_pipeline_tests.oracle.ownership import NOBODY, Timeline, owner_at, spans
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.oracle.states import State
from cdp_pipeline_tests.oracle.touched import ALL_CAUSES
from cdp_pipeline_tests.oracle.worlds import CROWDED, LIMITED_SHAPES, SHARED, VALUES

SEEDS_PER_CASE = 25
CASES = range(0, 300, SEEDS_PER_CASE)
FEW_CASES = range(0, 100, SEEDS_PER_CASE)


def histories(first_seed: int) -> Iterator[tuple[str, Shape, list[Step]]]:
    """Yield the histories of a case, each with what to call it and its shape."""
    for seed in range(first_seed, first_seed + SEEDS_PER_CASE):
        shape = LIMITED_SHAPES[seed % len(LIMITED_SHAPES)]
        yield f"seed {seed}", shape, to_history(random_history(random.Random(seed), shape))


# What only touched components give -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first_seed", CASES)
def test_solving_only_touched_components_equals_solving_all(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        assert simulate(history, shape.kind, causes=ALL_CAUSES) == simulate(history, shape.kind), where


# Limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_seed", CASES)
def test_groups_keep_every_limit_and_no_refused_link_would_fit(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        for state in simulate(history, shape.kind):
            check_groups(state, shape.kind, where)
            check_refusals(state, shape.kind, where)


def renames_within(state: State, members: frozenset[str]) -> list[Pair]:
    """Return the renames among members of one group: those that were accepted."""
    return [pair for ends, pair in state.evidence.pairs.items() if pair.renames and ends <= members]


def check_groups(state: State, kind: EntityKind, where: str) -> None:
    """Check that groups part the identifiers, keep the limits, and hang together by accepted links alone."""
    assert Counter(i for group in state.groups for i in group) == Counter(state.evidence.identifiers.keys()), where
    refused = {link.ends for link in state.refused}
    for group in state.groups:
        assert not breaks_a_number(group, renames_within(state, group), state.evidence, kind), where
        accepted = [ends for ends in state.evidence.pairs if ends <= group and ends not in refused]
        same = same_within(group, state.evidence)
        assert len(components(group, [*accepted, *same])) == 1, where
        # Two people never hang together by a device alone.
        bridging = {i for i in group if kind.of(state.identifiers[i].type).bridge}
        proofs = [ends for ends in accepted if ends <= bridging]
        assert len(components(bridging, [*proofs, *same_within(bridging, state.evidence)])) <= 1, where
    for pair in pairs_decided(state.in_force, "same"):
        assert len({state.map[i] for i in pair if i in state.map}) <= 1, where
    for apart in pairs_decided(state.in_force, "different"):
        assert len({state.map[i] for i in apart if i in state.map}) == len(apart & state.map.keys()), where


def check_refusals(state: State, kind: EntityKind, where: str) -> None:
    """Check that a link is refused if and only if it leads to another group, and that none of these would fit."""
    group_of = {i: group for group in state.groups for i in group}
    refused = {link.ends: link for link in state.refused}
    broken = {min(c) for c in connected(state.evidence) if breaks_a_limit(c, state.evidence, kind)}
    assert broken == {state.components[link.other_id] for link in state.refused}, where
    for ends, pair in state.evidence.pairs.items():
        one, other = group_of[pair.identifier_id], group_of[pair.other_id]
        assert (ends in refused) == (one is not other), where
        if one is not other:
            together = one | other
            renaming = [*renames_within(state, one), *renames_within(state, other), *([pair] if pair.renames else [])]
            joins_people = has_bridging(one, state.evidence, kind) and has_bridging(other, state.evidence, kind)
            through_device = not all(kind.of(state.identifiers[end].type).bridge for end in ends)
            too_much = breaks_a_number(together, renaming, state.evidence, kind)
            assert too_much or (through_device and joins_people), where
            check_effect(refused[ends], state, kind, where)


def check_effect(link: Refused, state: State, kind: EntityKind, where: str) -> None:
    """Check that a conflict is what a more important type, or a device, refused."""
    if link.reason != "max_per_entity":
        assert link.effect == ("conflict" if link.reason == "bridge" else "surplus"), where
    elif link.effect == "conflict":
        more_important = kind.types[: state.identifiers[link.other_id].priority]
        assert any(kind.of(type_).max_per_entity is not None for type_ in more_important), where


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_same_links_give_the_same_groups_in_whatever_order(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        rng = random.Random(where)
        state = simulate(history, shape.kind)[-1]
        evidence = changed(
            state.evidence,
            identifiers=dict(rng.sample(sorted(state.evidence.identifiers.items()), len(state.evidence.identifiers))),
            pairs=dict(rng.sample(sorted(state.evidence.pairs.items(), key=repr), len(state.evidence.pairs))),
        )
        solved = [solve(component, evidence, shape.kind) for component in connected(evidence)]
        assert {frozenset(group) for groups, _ in solved for group in groups} == state.groups, where
        assert {link for _, refused in solved for link in refused} == state.refused, where


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_same_content_gives_the_same_groups_however_it_is_delivered(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS_PER_CASE):
        rng = random.Random(seed)
        shape = LIMITED_SHAPES[seed % len(LIMITED_SHAPES)]
        cuts = random_history(rng, shape)
        decisions = tuple(decision for cut in cuts for decision in cut.decisions)
        tables = next((cut.maps for cut in reversed(cuts) if cut.maps is not None), None)
        found = []
        for delivery in deliveries(final_content(cuts), rng).values():
            state = simulate([*to_history(delivery), Step({}, decisions=decisions, maps=tables)], shape.kind)[-1]
            owned = {i: [(begins, group_at(state, owner)) for begins, owner in state.owners[i]] for i in state.owners}
            found.append((state.groups, state.refused, state.hubs, state.facts_by_group, owned))
        assert all(each == found[0] for each in found), f"seed {seed}"


def group_at(state: State, entity_id: str | None) -> frozenset[str]:
    """Return the identifiers of an entity, whatever it is called."""
    return frozenset(i for i in state.map if state.map[i] == entity_id)


# Ids -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_growth_never_changes_the_id_of_who_keeps_the_key(first_seed: int) -> None:
    """A group in which keys meet goes by the id of the most important key; of equals by the current, then oldest."""
    for seed in range(first_seed, first_seed + SEEDS_PER_CASE):
        kind = (SHARED, CROWDED)[seed % 2]
        shape = Shape(cuts=8, days=6, values=VALUES, kind=kind, only_grows=True, known_id=0)
        states = simulate(to_history(random_history(random.Random(seed), shape)), kind)
        for before, state in pairwise(states):
            for group in state.groups:
                met = [entity_id for entity_id, entity in before.registry.items() if entity.key_id in group]
                if met:
                    best = min(met, key=lambda entity_id: rank(before, entity_id))
                    assert state.map[min(group)] == best, f"seed {seed}"
                else:
                    assert state.map[min(group)] not in before.registry, f"seed {seed}"


def rank(state: State, entity_id: str) -> tuple[tuple[int, int], bool, int, str]:
    """Return the rank of an id among those that meet."""
    entity = state.registry[entity_id]
    assert entity.key_id is not None
    redirected = state.map[entity.key_id] != entity_id
    return (state.identifiers[entity.key_id].importance, redirected, entity.issued_in, entity_id)


@pytest.mark.parametrize("first_seed", CASES)
def test_registry_holds_together(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        for state in simulate(history, shape.kind):
            current = set(state.map.values())
            assert {group_at(state, entity_id) for entity_id in current} == state.groups, where
            assert current.isdisjoint(state.redirects), where
            assert current | state.redirects.keys() == state.registry.keys(), where
            assert all(target is None or target in current for target in state.redirects.values()), where
            for entity_id in current:
                key_id = state.registry[entity_id].key_id
                assert key_id is not None, where
                assert state.map[key_id] == entity_id, where
                best = min(state.identifiers[i].importance for i in group_at(state, entity_id))
                assert state.identifiers[key_id].importance == best, where


# Ownership -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_seed", CASES)
def test_owners_are_those_of_the_definition_at_every_moment(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        for state in simulate(history, shape.kind):
            moments = {row.time + timedelta(hours=hours) for row in state.events.values() for hours in (-1, 0, 1)}
            for identifier_id in state.owners:
                for when in moments:
                    by_definition = owner(identifier_id, when, state, shape.kind)
                    assert owner_at(state.owners[identifier_id], when) == by_definition, where
            for event_id, entity_id in state.stitched.items():
                anchor_id = state.anchors.get(event_id)
                at = state.events[event_id].time
                assert entity_id == (None if anchor_id is None else owner(anchor_id, at, state, shape.kind)), where


def owner(x: str, when: datetime, state: State, kind: EntityKind) -> str | None:
    """Return whose an identifier is at a moment, word by word as DESIGN.md, section 4.7 says."""
    if not any(link.other_id == x and link.effect == "conflict" for link in state.refused):
        return state.map[x]
    logins = [event for event in state.event_identifiers.values() if logs_in(event, x, state)]
    when_shared = kind.of(state.identifiers[x].type).when_shared
    if when_shared == "nobody":
        return None
    if not logins:
        return state.map[x]
    ordered = sorted(logins, key=lambda event: (event.event_time, event.event_id))
    if when_shared == "last_login":
        anchor_id = state.anchors[ordered[-1].event_id]
        assert anchor_id is not None
        return owner(anchor_id, ordered[-1].event_time, state, kind)
    first = [event for event in ordered if event.event_time == ordered[0].event_time]
    login = ([event for event in ordered if event.event_time <= when] or first)[-1]
    anchor_id = state.anchors[login.event_id]
    assert anchor_id is not None
    return owner(anchor_id, when, state, kind)


def logs_in(event: EventIdentifiers, x: str, state: State) -> bool:
    """Return whether an event is a log-in on an identifier."""
    anchor_id = state.anchors[event.event_id]
    if anchor_id is None or x not in event.identifier_ids:
        return False
    linked = frozenset((anchor_id, x)) in state.evidence.pairs
    surplus = any(link.ends == {anchor_id, x} and link.effect == "surplus" for link in state.refused)
    return linked and not surplus and state.identifiers[anchor_id].priority < state.identifiers[x].priority


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_map_is_one_owner_at_a_time_and_changes_lead_from_one_map_to_the_next(first_seed: int) -> None:
    for where, shape, history in histories(first_seed):
        states = simulate(history, shape.kind)
        for before, state in pairwise([None, *states]):
            assert state is not None
            for timeline in state.owners.values():
                check_spans(timeline, where)
            old = {} if before is None else before.owners
            moments = {row.time for row in state.events.values()} | {c.valid_from for c in state.changes} - {None}
            for identifier_id in old.keys() | state.owners.keys():
                for when in filter(None, moments):
                    assert after_changes(identifier_id, when, old, state) == owner_at(
                        state.owners.get(identifier_id, NOBODY), when
                    ), where


def check_spans(timeline: Timeline, where: str) -> None:
    """Check that the rows of the map follow each other in time, and that neighbours have different owners."""
    rows = spans(timeline)
    for one, other in pairwise(rows):
        assert one.valid_to is not None, where
        assert other.valid_from is not None, where
        assert one.valid_to <= other.valid_from, where
        assert one.entity_id != other.entity_id or one.valid_to < other.valid_from, where
    assert all(row.valid_from is None or row.valid_to is None or row.valid_from < row.valid_to for row in rows), where


def after_changes(identifier_id: str, when: datetime, old: Mapping[str, Timeline], state: State) -> str | None:
    """Return whose an identifier is at a moment, by the old map and what changed."""
    before = owner_at(old.get(identifier_id, NOBODY), when)
    for change in state.changes:
        begun = change.valid_from is None or change.valid_from <= when
        if change.identifier_id == identifier_id and begun and (change.valid_to is None or when < change.valid_to):
            assert change.from_entity_id == before
            return change.to_entity_id
    return before


# The histories themselves --------------------------------------------------------------------------------------------


def test_histories_hold_what_they_are_for() -> None:
    counted: Counter[str] = Counter()
    for first_seed in FEW_CASES:
        for _, shape, history in histories(first_seed):
            for state in simulate(history, shape.kind):
                counted.update({f"{link.reason}, {link.effect}" for link in state.refused})
                counted["hub"] += bool(state.hubs)
                counted["hub beyond its threshold"] += any(hub.links > hub.threshold for hub in state.hubs.values())
                counted["re-anchored"] += any(
                    state.anchors[i] not in (None, event.anchor_id) for i, event in state.event_identifiers.items()
                )
                counted["owned by turns"] += any(len(timeline) > 1 for timeline in state.owners.values())
                counted["owned by nobody"] += NOBODY in state.owners.values()
                counted["renamed twice"] += any(i.superseded > 1 for i in state.identifiers.values())
                counted["only in a map"] += any(not i.events for i in state.identifiers.values())
                counted["same"] += any(len(same & state.map.keys()) > 1 for same in state.evidence.same)
    kinds = ("max_per_entity, conflict", "max_per_entity, surplus", "same_event, surplus", "bridge, conflict")
    rare = {trait for trait in (*kinds, "different, surplus", "max_identifiers, surplus") if counted[trait] < 5}
    assert not rare, counted
    assert min(counted.values()) >= 5, counted


def test_history_is_a_function_of_its_seed() -> None:
    for shape in LIMITED_SHAPES:
        assert random_history(random.Random(7), shape) == random_history(random.Random(7), shape)
        assert random_history(random.Random(7), shape) != random_history(random.Random(8), shape)

"""Tests of the simulation itself: against networkx, against itself on touched components only, and its promises.

Every random test names its seed when it fails: the parameter is the first of ``SEEDS_PER_CASE`` seeds, and the
assertion says which of them it was.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

import networkx as nx
import pytest

from cdp_pipeline_tests.oracle.events import Identifier, LandingFile, Row, Step, h, land, replace
from cdp_pipeline_tests.oracle.histories import CUSTOMER, Shape, deliveries, final_content, random_history, to_history
from cdp_pipeline_tests.oracle.identity import Link, components
from cdp_pipeline_tests.oracle.registry import Registry
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.oracle.states import EntityFacts, State
from cdp_pipeline_tests.oracle.stories import SUNDAY, files_of, identifier, instead, key, owners, seen
from cdp_pipeline_tests.oracle.touched import ALL_CAUSES

K = TypeVar("K")
V = TypeVar("V")

SEEDS_PER_CASE = 50
CASES = range(0, 600, SEEDS_PER_CASE)
FEW_CASES = range(0, 150, SEEDS_PER_CASE)

# A crowded world, a sparse one, and a long history of a sparse one.
SHAPES = (
    Shape(cuts=6),
    Shape(cuts=6, values=(("crm", 6), ("email", 8), ("cookie", 12))),
    Shape(cuts=10, days=6, rows=2, values=(("crm", 4), ("email", 6), ("cookie", 12))),
)
# Nothing is withdrawn: no day is replaced, and no row takes over from another one of the same id.
GROWING = Shape(only_grows=True, known_id=0, days=6, values=(("crm", 4), ("email", 6), ("cookie", 12)))


def seeds_from(first: int) -> Iterator[tuple[int, random.Random]]:
    """Yield the seeds of a case, each with its generator."""
    for seed in range(first, first + SEEDS_PER_CASE):
        yield seed, random.Random(seed)


def some_history(seed: int, rng: random.Random) -> list[Step]:
    """Return a random history in one of the worlds."""
    return to_history(random_history(rng, SHAPES[seed % len(SHAPES)]))


# Events --------------------------------------------------------------------------------------------------------------


def test_hash_keys_are_the_first_half_of_sha256() -> None:
    assert h("identifier", "email", "anna@example.com") == "ae843718-34cd-ef48-63fe-646ab8b465c1"
    assert h("event", "web", "42") == "65ed1ece-815b-301c-a412-d0a9acc46ac0"


def test_least_row_of_an_event_wins_until_its_day_is_replaced_without_it() -> None:
    file = LandingFile(SUNDAY, "web", "b.ndjson")
    row = Row("web", SUNDAY, ("b.ndjson", 1), "x", datetime(2026, 2, 1, tzinfo=UTC), (identifier("c1"),))
    later_day = changed(row, day=SUNDAY + timedelta(days=1), place=("a.ndjson", 1))
    other_source = changed(row, source="xyz", place=("a.ndjson", 1))
    later_line = changed(row, place=("b.ndjson", 10))
    world = {
        LandingFile(SUNDAY + timedelta(days=1), "web", "a.ndjson"): (later_day,),
        LandingFile(SUNDAY, "xyz", "a.ndjson"): (other_source,),
        file: (later_line, row),
    }
    history = [land(world), land({file: ()}), replace([SUNDAY], {}), land({file: (row,)})]
    states = simulate(history, CUSTOMER)
    assert [state.events["x"] for state in states] == [row, other_source, later_day, row]
    assert list(states[0].rejected.items()) == [(row, "duplicate") for row in (later_line, other_source, later_day)]
    assert states[3].rejected == {later_day: "duplicate"}


def test_latest_row_of_a_mirror_wins_and_is_no_event_when_it_is_deleted() -> None:
    file = LandingFile(SUNDAY, "web", "a.ndjson")
    appended = Row("web", SUNDAY, ("a.ndjson", 1), "x", datetime(2026, 2, 1, tzinfo=UTC), (identifier("c1"),))
    first = changed(appended, source="crm", place=("b.ndjson", 1), mirrored=True)
    second = changed(first, place=("b.ndjson", 2), deleted=True)
    newer = changed(first, day=SUNDAY + timedelta(days=1))
    in_file = LandingFile(SUNDAY, "crm", "b.ndjson")
    newer_file = LandingFile(newer.day, "crm", "b.ndjson")
    history = [
        land({file: (appended,), in_file: (first,)}),
        land({in_file: (first, second)}),
        land({newer_file: (newer,)}),
        replace([newer.day], {}),
        land({in_file: ()}),
    ]
    states = simulate(history, CUSTOMER)
    assert [state.events.get("x") for state in states] == [first, None, newer, None, appended]
    assert states[1].rejected == {second: "deleted", first: "superseded", appended: "superseded"}
    assert states[1].rejected == states[3].rejected
    assert set(states[2].rejected.values()) == {"superseded"}


def test_step_refuses_rows_outside_its_days_and_files() -> None:
    with pytest.raises(ValueError, match="not of a replaced day"):
        replace([SUNDAY], files_of(1, "c1"))
    with pytest.raises(ValueError, match="does not lie in"):
        land({LandingFile(SUNDAY, "web", "other.ndjson"): next(iter(files_of(0, "c1").values()))})


# Anchors and links ---------------------------------------------------------------------------------------------------


def test_anchor_is_the_most_important_then_the_earlier_in_the_order_of_rules() -> None:
    (state,) = simulate([seen(0, "c2 e2 c1 e1 e2", "c1 c1", "")], CUSTOMER)
    expected = {"0/0": ("e2", "e1", "c2", "c1"), "0/1": ("c1",)}
    assert {event_id: event.identifier_ids for event_id, event in state.event_identifiers.items()} == {
        h("event", "web", event): tuple(map(key, names)) for event, names in expected.items()
    }
    assert state.event_identifiers[h("event", "web", "0/0")].anchor_id == key("e2")
    assert state.identifiers[key("c1")].events == 2
    assert state.identifiers[key("c1")].last_seen == datetime(2026, 2, 1, 1, tzinfo=UTC)
    assert state.stitched[h("event", "web", "0/2")] is None
    assert state.facts == {state.map[key("e1")]: EntityFacts(2, Decimal(2))}


def test_links_are_kept_per_day_pair_and_kind() -> None:
    (state,) = simulate([land({**files_of(0, "n1 e1 c1", "e1 c1"), **files_of(1, "c1 e1")})], CUSTOMER)
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    one = midnight + timedelta(hours=1)
    first, second, third = (h("event", "web", name) for name in ("0/0", "0/1", "1/0"))
    monday, next_midnight = SUNDAY + timedelta(days=1), midnight + timedelta(days=1)
    n1, e1, c1 = key("n1"), key("e1"), key("c1")
    expected = {
        Link(SUNDAY, n1, e1, "anchor", midnight, midnight, 1, first),
        Link(SUNDAY, n1, c1, "anchor", midnight, midnight, 1, first),
        Link(SUNDAY, n1, e1, "next", midnight, midnight, 1, first),
        Link(SUNDAY, e1, c1, "next", midnight, one, 2, first),
        Link(SUNDAY, e1, c1, "anchor", one, one, 1, second),
        Link(monday, e1, c1, "anchor", next_midnight, next_midnight, 1, third),
        Link(monday, e1, c1, "next", next_midnight, next_midnight, 1, third),
    }
    assert set(state.links.values()) == expected


def test_pair_of_one_type_is_one_link_in_whatever_order_events_carry_it() -> None:
    (state,) = simulate([seen(0, "c1 c2", "c2 c1")], CUSTOMER)
    ends = sorted((key("c1"), key("c2")))
    assert {(link.identifier_id, link.other_id, link.events) for link in state.links.values()} == {(*ends, 2)}
    assert {link.kind for link in state.links.values()} == {"anchor", "next"}


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_components_equal_networkx(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        size = rng.randint(1, 40)
        shapes = [nx.gnp_random_graph(size, 1.2 / size, seed=seed), nx.path_graph(size), nx.star_graph(size)]
        graph = nx.disjoint_union(rng.choice(shapes), nx.gnp_random_graph(size, 0.8 / size, seed=seed + 1))
        names = {node: h("node", str(node)) for node in graph}
        pairs = [(names[one], names[other]) for one, other in graph.edges]
        rng.shuffle(pairs)
        expected = {frozenset(names[node] for node in found) for found in nx.connected_components(graph)}
        assert {frozenset(found) for found in components(names.values(), pairs)} == expected, f"seed {seed}"


# The registry, on random histories -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first_seed", CASES)
def test_solving_only_touched_components_equals_solving_all(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        history = some_history(seed, rng)
        solved_all = simulate(history, CUSTOMER)
        assert simulate(history, CUSTOMER, causes=ALL_CAUSES) == solved_all, f"seed {seed}"
        for before, state in zip([None, *solved_all], solved_all, strict=False):
            check_registry(before, state, f"seed {seed}")


def check_registry(before: State | None, state: State, seed: str) -> None:
    """Check what is true after every step: of groups and ids, of keys, of redirects and of retired ids."""
    current = set(state.map.values())
    assert {frozenset(i for i in state.map if state.map[i] == entity_id) for entity_id in current} == state.groups, seed
    assert len({(entity.founder_id, entity.ordinal) for entity in state.registry.values()}) == len(state.registry), seed
    for entity_id in current:
        key_id = state.registry[entity_id].key_id
        assert key_id is not None, seed
        assert state.map[key_id] == entity_id, seed
        most_important = min(state.identifiers[i].priority for i in state.map if state.map[i] == entity_id)
        assert state.identifiers[key_id].priority == most_important, seed
    assert current.isdisjoint(state.redirects), seed
    assert current | state.redirects.keys() == state.registry.keys(), seed
    assert all(target is None or target in current for target in state.redirects.values()), seed
    if before is not None:
        retired = {entity_id for entity_id, entity in before.registry.items() if entity.key_id is None}
        assert all(state.redirects[entity_id] is None for entity_id in retired), seed
        assert before.registry.keys() <= state.registry.keys(), seed


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_growth_and_older_data_never_change_the_survivors_id(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        states = simulate(to_history(random_history(rng, GROWING)), CUSTOMER)
        for before, state in pairwise(states):
            for group in state.groups:
                merged = {before.map[identifier_id] for identifier_id in group if identifier_id in before.map}
                survivor = state.map[min(group)]
                if merged:
                    best = min(merged, key=lambda entity_id: rank(before, entity_id))
                    assert survivor == best, f"seed {seed}"
                else:
                    assert survivor not in before.registry, f"seed {seed}"


def rank(state: State, entity_id: str) -> tuple[int, int, str]:
    """Return the rank of an id among those that merge: the importance of its key, then when it was issued."""
    entity = state.registry[entity_id]
    assert entity.key_id is not None
    return (state.identifiers[entity.key_id].priority, entity.issued_in, entity_id)


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_removing_a_bridge_gives_both_ids_back(first_seed: int) -> None:
    bridged = 0
    for seed, rng in seeds_from(first_seed):
        history = some_history(seed, rng)
        before = simulate(history, CUSTOMER)[-1]
        if len(before.groups) < 2:
            continue
        one, other = rng.sample(sorted(before.groups, key=min), 2)
        ends = [before.identifiers[rng.choice(sorted(group))] for group in (one, other)]
        survivor = min((before.map[min(group)] for group in (one, other)), key=lambda e: rank(before, e))
        # A new identifier on the bridge is no more important than the survivor's key: weaker than "than either key".
        new_type = rng.choice(CUSTOMER.types[rank(before, survivor)[0] :])
        (file, rows) = next(iter(files_of(60, "c1").items()))
        names = (*(Identifier(end.type, end.value) for end in ends), Identifier(new_type, "bridge"))
        bridge = {file: (changed(rows[0], identifiers=names),)}
        _, merged, parted = simulate([*history, land(bridge), replace([file.day], {})], CUSTOMER)[-3:]
        assert {merged.map[i] for i in one | other} == {survivor}, f"seed {seed}"
        assert (parted.map, parted.redirects) == (before.map, before.redirects), f"seed {seed}"
        bridged += 1
    assert bridged > SEEDS_PER_CASE / 2


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_order_of_arrival_within_a_cut_does_not_matter(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        history = some_history(seed, rng)
        shuffled = [
            changed(step, files={file: tuple(rng.sample(rows, len(rows))) for file, rows in shuffle(rng, step.files)})
            for step in history
        ]
        expected = simulate(history, CUSTOMER)
        assert simulate(shuffled, CUSTOMER) == expected, f"seed {seed}"

        registry = Registry(CUSTOMER.name)
        for seq, state in enumerate(expected, start=1):
            groups = rng.sample(sorted(state.groups, key=min), len(state.groups))
            registry.publish(dict(shuffle(rng, state.identifiers)), groups, seq, None)
        assert (registry.map, registry.entities) == (expected[-1].map, expected[-1].registry), f"seed {seed}"


def shuffle(rng: random.Random, mapping: Mapping[K, V]) -> list[tuple[K, V]]:
    """Return the items in a random order."""
    return rng.sample(list(mapping.items()), len(mapping))


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_publishing_again_changes_nothing(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        *_, last, again = simulate([*some_history(seed, rng), land({})], CUSTOMER)
        assert changed(again, changes=last.changes) == last, f"seed {seed}"
        assert not again.changes, f"seed {seed}"


@pytest.mark.parametrize("first_seed", FEW_CASES)
def test_same_content_gives_the_same_groups_however_it_is_delivered(first_seed: int) -> None:
    for seed, rng in seeds_from(first_seed):
        history = random_history(rng, SHAPES[seed % len(SHAPES)])
        expected = simulate(to_history(history), CUSTOMER)[-1]
        for name, cuts in deliveries(final_content(history), rng).items():
            state = simulate([*to_history(cuts), land({})], CUSTOMER)[-1]
            where = f"seed {seed}, {name}"
            assert (state.events, state.rejected) == (expected.events, expected.rejected), where
            assert (state.identifiers, state.links) == (expected.identifiers, expected.links), where
            assert state.facts_by_group == expected.facts_by_group, where


# The registry, in stories --------------------------------------------------------------------------------------------


def test_first_login_moves_the_key_up_and_rekeys_nobody() -> None:
    visited, logged_in = simulate([seen(0, "c1"), seen(1, "c1 e1")], CUSTOMER)
    (visitor,) = owners(visited, "c1")
    assert visitor == h("entity", "customer", key("c1"), "0")
    assert visited.registry[visitor].key_id == key("c1")
    assert logged_in.registry[visitor].key_id == key("e1")
    assert owners(logged_in, "c1", "e1") == [visitor, visitor]
    assert [change.identifier_id for change in logged_in.changes] == [key("e1")]


def test_founder_is_the_earliest_seen_of_the_most_important() -> None:
    (state,) = simulate([seen(0, "c1", "e2 c1", "e1 c1", "e2")], CUSTOMER)
    assert owners(state, "c1", "e1") == [h("entity", "customer", key("e2"), "0")] * 2


def test_older_data_changes_no_id() -> None:
    states = simulate([seen(5, "e1 c1"), seen(1, "c1", "e2 c1")], CUSTOMER)
    assert owners(states[1], "e1", "e2") == owners(states[0], "e1", "c1")


def test_shared_cookie_that_moves_house_takes_nobodys_id_along() -> None:
    history = [seen(0, "c1 c3"), seen(1, "e1 c1"), seen(2, "e2"), instead(0, "c3"), instead(1, "e1", "e2 c1")]
    states = simulate(history, CUSTOMER)
    assert owners(states[-1], "e1", "e2") == [owners(states[1], "e1")[0], owners(states[2], "e2")[0]]
    assert owners(states[-1], "c1") == owners(states[-1], "e2")


def test_redirects_take_one_hop() -> None:
    history = [seen(0, "c1", "c2", "e1", "n1"), seen(1, "c1 c2"), seen(2, "c2 e1"), seen(3, "e1 n1")]
    apart, *_, together = simulate(history, CUSTOMER)
    c1, c2, e1, n1 = owners(apart, "c1", "c2", "e1", "n1")
    assert together.redirects == {c1: n1, c2: n1, e1: n1}


def test_key_that_vanishes_moves_to_what_the_id_owned() -> None:
    one, two = simulate([seen(0, "n1 e1", "e2 e1", "c1 e1"), instead(0, "e2", "c1 e1")], CUSTOMER)
    (entity_id,) = set(one.map.values())
    # e1 was seen first of what is left, until its first event went: now it is e2, and e1 and c1 are somebody new.
    assert two.registry[entity_id].key_id == key("e2")
    assert owners(two, "e2") == [entity_id]
    assert owners(two, "e1", "c1") == [h("entity", "customer", key("e1"), "0")] * 2


def test_id_that_owned_nothing_follows_whom_it_redirected_to() -> None:
    history = [seen(0, "c1"), seen(1, "n1"), seen(2, "n1 c1"), instead(0), instead(2, "n1 e1"), instead(1), instead(2)]
    states = simulate(history, CUSTOMER)
    (visitor,), (customer,) = owners(states[0], "c1"), owners(states[1], "n1")
    assert states[2].redirects == states[3].redirects == {visitor: customer}
    assert states[4].registry[visitor].key_id == states[4].registry[customer].key_id == key("n1")
    assert {entity.key_id for entity in states[6].registry.values()} == {None}


def test_retired_id_never_comes_back() -> None:
    first, gone, again, _, third = simulate(
        [seen(0, "c1"), instead(0), seen(0, "c1"), instead(0), seen(1, "c1")], CUSTOMER
    )
    ids = [h("entity", "customer", key("c1"), ordinal) for ordinal in "012"]
    assert [owners(state, "c1") for state in (first, again, third)] == [[entity_id] for entity_id in ids]
    assert gone.redirects == {ids[0]: None}
    assert third.redirects == {ids[0]: None, ids[1]: None}


def test_visitor_parted_from_the_id_that_logged_in_is_issued_again_with_the_next_ordinal() -> None:
    history = [seen(0, "c1"), seen(1, "e1 c1"), instead(1, "e1")]
    visited, _, parted = simulate(history, CUSTOMER)
    assert owners(parted, "e1") == owners(visited, "c1")
    assert owners(parted, "c1") == [h("entity", "customer", key("c1"), "1")]


def test_bridge_more_important_than_both_keys_takes_the_survivors_id_along() -> None:
    # The limit of the promise: the survivor's key moves up to n1, and from there to the earliest seen of both sides.
    history = [seen(2, "e1"), seen(1, "e2"), seen(3, "n1 e1 e2"), instead(3)]
    _, apart, merged, parted = simulate(history, CUSTOMER)
    e1, e2 = owners(apart, "e1", "e2")
    assert owners(merged, "e1", "e2", "n1") == [e1, e1, e1]
    assert owners(parted, "e2") == [e1]
    assert owners(parted, "e1") == [h("entity", "customer", key("e1"), "1")]
    assert parted.redirects == {e2: e1}


def test_older_redirected_id_does_not_take_over_when_its_own_key_vanishes() -> None:
    # The visitor's id takes the key of the id that it redirected to (a), and the current one of the two stays so (b).
    states = simulate([seen(0, "c1"), seen(1, "e1"), seen(2, "c1 e1"), instead(0), instead(2, "e1")], CUSTOMER)
    (visitor,), (person,) = owners(states[0], "c1"), owners(states[1], "e1")
    assert [owners(state, "e1") for state in states[1:]] == [[person]] * 4
    assert states[-1].registry[visitor].key_id == key("e1")
    assert states[-1].redirects == {visitor: person}

"""Stories of people who share things: limits, refused links, and whose a shared thing is and when."""

from dataclasses import replace as changed
from decimal import Decimal
from typing import Literal

import pytest

from cdp_pipeline_tests.oracle.kinds import EntityKind, TypeRules
from cdp_pipeline_tests.oracle.ownership import Span, spans
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.oracle.states import State
from cdp_pipeline_tests.oracle.stories import (
    decided,
    event,
    groups,
    instead,
    key,
    moment,
    owners,
    refusals,
    seen,
    span_names,
)

TYPES = ("crm", "email", "device", "cookie")
UNIQUE = {
    "crm": TypeRules(max_per_entity=1),
    "email": TypeRules(max_per_entity=2),
    "device": TypeRules(bridge=False),
}
KIND = EntityKind("customer", TYPES, UNIQUE)
TABLET = ("d1 @0", "n1 d1 100 @1", "d1 @2", "n2 d1 7 @3", "d1 @4")


def kind_where(identifier_type: str, rules: TypeRules) -> EntityKind:
    """Return the kind with other rules for one type."""
    return changed(KIND, rules={**UNIQUE, identifier_type: rules})


def told(history: list[str], kind: EntityKind = KIND) -> State:
    """Return the state after one day of events."""
    return simulate([seen(0, *history)], kind)[-1]


def amounts(state: State, *names: str) -> list[Decimal]:
    """Return the sum of the amounts of each identifier's entity."""
    return [state.facts[state.map[key(name)]].amount for name in names]


# The tablet ----------------------------------------------------------------------------------------------------------


WhenShared = Literal["by_time", "last_login", "nobody"]


@pytest.mark.parametrize(
    ("when_shared", "first", "second", "nobody"),
    [("by_time", 102, 8, 0), ("last_login", 100, 10, 0), ("nobody", 100, 7, 3)],
)
def test_tablet_of_two_people(when_shared: WhenShared, first: int, second: int, nobody: int) -> None:
    """Two people log in one after the other and order for 100 and 7; before, between and after that it is only seen."""
    kind = kind_where("device", changed(UNIQUE["device"], when_shared=when_shared))
    state = told([*TABLET], kind)
    assert groups(state) == {"n1", "d1 n2"}
    assert refusals(state) == {"n1 d1: max_per_entity, conflict"}
    assert amounts(state, "n1", "n2") == [first, second]
    assert sum(owner is None for owner in state.stitched.values()) == nobody


def test_tablet_is_whose_log_in_was_the_latest() -> None:
    state = told([*TABLET])
    one, two = owners(state, "n1", "n2")
    assert [state.stitched[event(0, line)] for line in range(5)] == [one, one, one, two, two]
    assert spans(state.owners[key("d1")]) == (Span(None, moment(0, 3), one), Span(moment(0, 3), None, two))


def test_late_log_in_takes_exactly_the_views_between() -> None:
    history = [seen(0, "n1 d1"), seen(2, "d1 @5", "d1 @7"), seen(3, "n2 d1"), seen(4, "d1"), seen(1, "n2 d1 @9")]
    *_, before, after = simulate(history, KIND)
    one, two = owners(after, "n1", "n2")
    moved = {i for i, owner in before.stitched.items() if after.stitched[i] != owner}
    assert moved == {event(2, 0), event(2, 1)}
    (change,) = after.changes
    assert (change.from_entity_id, change.to_entity_id) == (one, two)
    assert (change.valid_from, change.valid_to) == (moment(1, 9), moment(3, 0))


def test_log_in_that_moves_moves_the_views() -> None:
    history = [
        seen(0, "n1 d1 @1", "d1 @3", "n2 d1 @2", "n1 d1 @6"),
        instead(0, "n1 d1 @1", "d1 @3", "n2 d1 @4", "n1 d1 @6"),
    ]
    before, after = simulate(history, KIND)
    one, two = owners(before, "n1", "n2")
    assert owners(after, "n1", "n2") == [one, two]
    assert (before.stitched[event(0, 1)], after.stitched[event(0, 1)]) == (two, one)
    assert [(c.from_entity_id, c.to_entity_id, c.valid_from, c.valid_to) for c in after.changes] == [
        (two, one, moment(0, 2), moment(0, 4))
    ]


def test_of_log_ins_at_one_moment_the_greatest_event_id_counts() -> None:
    state = told(["n1 d1 @2", "n2 d1 @2", "d1 @1", "d1 @3"])
    latest = max((0, 1), key=lambda line: event(0, line))
    owner = owners(state, ("n1", "n2")[latest])[0]
    assert [state.stitched[event(0, line)] for line in (2, 3)] == [owner, owner]
    assert len(state.owners[key("d1")]) == 1


def test_owner_of_what_logs_in_is_followed() -> None:
    """A cookie on which a shared device logs in: it is whose the device is then."""
    kind = changed(
        KIND,
        rules={
            **UNIQUE,
            "cookie": TypeRules(bridge=False, max_per_entity=1),
            "device": TypeRules(bridge=False, max_per_entity=1),
        },
    )
    state = told(["n1 d1 @1", "n2 d1 @4", "d1 c1 @3", "d2 c1 @9", "n3 d2 @9", "c1 @5", "c1 @2", "c1 @10"], kind)
    one, two, three = owners(state, "n1", "n2", "n3")
    assert [state.stitched[event(0, line)] for line in (5, 6, 7)] == [two, one, three]
    assert span_names(state, "c1") == [(None, 4, "n1"), (4, 9, "n2"), (9, None, "n3")]


def test_last_log_in_gives_its_owner_of_that_moment() -> None:
    """c1 is whose d1 was at 3:00, when it logged in last."""
    cookie = TypeRules(bridge=False, max_per_entity=1, when_shared="last_login")
    device = TypeRules(bridge=False, max_per_entity=1)
    kind = changed(KIND, rules={**UNIQUE, "cookie": cookie, "device": device})
    state = told(["n1 d1 @0", "n2 d1 @2", "n1 d1 @5", "n3 d2 @1", "d2 c1 @1", "d1 c1 @3"], kind)
    assert span_names(state, "d1") == [(None, 2, "n1"), (2, 5, "n2"), (5, None, "n1")]
    assert span_names(state, "c1") == [(None, None, "n2")]


def test_nobodys_log_ins_give_nobodys_time() -> None:
    rules = {
        **UNIQUE,
        "device": TypeRules(bridge=False, when_shared="nobody"),
        "cookie": TypeRules(bridge=False, max_per_entity=1),
    }
    state = told(["n1 d1 @1", "n2 d1 @4", "n3 c1 @5", "d1 c1 @7", "c1 @6", "c1 @8"], changed(KIND, rules=rules))
    assert refusals(state) == {"n1 d1: max_per_entity, conflict", "n3 c1: max_per_entity, conflict"}
    assert span_names(state, "c1") == [(None, 7, "n3")]
    assert [state.stitched[event(0, line)] for line in (4, 5)] == [owners(state, "n3")[0], None]


# Limits --------------------------------------------------------------------------------------------------------------


def test_newer_link_on_a_shared_cookie_wins_over_the_older() -> None:
    states = simulate([seen(0, "n1 c1"), seen(5, "n2 c1"), seen(3, "n3 c1")], KIND)
    assert [groups(state) for state in states] == [{"c1 n1"}, {"n1", "c1 n2"}, {"n1", "c1 n2", "n3"}]
    ids = owners(states[0], "n1")
    assert all(owners(state, "n1") == ids for state in states)
    assert owners(states[1], "n2", "c1") == owners(states[2], "n2", "c1")


def test_device_that_moves_back_and_forth_leaves_ids_unchanged() -> None:
    history = [seen(0, "n1 d1", "n2")] + [seen(day, f"n{1 + day % 2} d1") for day in range(1, 8)]
    states = simulate(history, KIND)
    assert {tuple(owners(state, "n1", "n2")) for state in states} == {tuple(owners(states[0], "n1", "n2"))}
    assert [owners(state, "d1") == owners(state, "n1") for state in states] == [True] + [
        d % 2 == 0 for d in range(1, 8)
    ]
    assert not any(state.redirects for state in states)


def test_full_type_makes_a_surplus_that_stays_by_itself() -> None:
    state = told(["n1 e1 @1", "n1 e2 @2", "n1 e3 @3"])
    assert groups(state) == {"e2 e3 n1", "e1"}
    assert refusals(state) == {"n1 e1: max_per_entity, surplus"}
    assert span_names(state, "e1") == [(None, None, "e1")]


def test_log_in_of_a_surplus_link_gives_no_ownership() -> None:
    """n2 has two e-mails already. So e1 is n3's and n4's by turns, although n2 used it last."""
    state = told(["n2 e2 @8", "n2 e3 @7", "n2 e1 @6", "n3 e1 @5", "n4 e1 @4"])
    assert refusals(state) == {"n2 e1: max_per_entity, surplus", "n4 e1: max_per_entity, conflict"}
    assert span_names(state, "e1") == [(None, 5, "n4"), (5, None, "n3")]


def test_two_values_of_a_unique_type_in_one_event() -> None:
    state = told(["n1 n2 c1"])
    assert refusals(state) == {
        f"{' '.join(sorted(('n1', 'n2'), key=key))}: same_event, surplus",
        "n2 c1: max_per_entity, conflict",
    }
    assert groups(state) == {"c1 n1", "n2"}


def test_device_proves_nothing_about_two_people() -> None:
    state = told(["e1 d1 @0", "e2 d1 @1"])
    assert groups(state) == {"e1", "d1 e2"}
    assert refusals(state) == {"e1 d1: bridge, conflict"}


def test_device_within_one_person_is_not_refused() -> None:
    state = told(["e1 d1 @0", "e2 d1 @1", "e1 e2 @2"])
    assert groups(state) == {"d1 e1 e2"}
    assert not state.refused


def test_devices_alone_are_one_group() -> None:
    assert groups(told(["d1 d2", "d2 d3"])) == {"d1 d2 d3"}


def test_refused_link_within_one_group_is_not_refused_after_all() -> None:
    """d1 is taken with e2 first; e1's link is refused, until c1 connects e1 with e2. n1 and n2 are there to part."""
    state = told(["e1 d1 @0", "e2 d1 @1", "e1 c1 @2", "e2 c1 @3", "n1 c2 @4", "n2 c2 @5", "n1 c1 @6"])
    assert groups(state) == {"c1 d1 e1 e2 n1", "c2 n2"}
    assert refusals(state) == {"n1 c2: max_per_entity, conflict"}


def test_too_many_identifiers_are_surplus() -> None:
    state = told(["e1 c1 @1", "e1 c2 @2", "e1 c3 @3"], changed(KIND, max_identifiers=3))
    assert groups(state) == {"c2 c3 e1", "c1"}
    assert refusals(state) == {"e1 c1: max_identifiers, surplus"}


# Decisions -----------------------------------------------------------------------------------------------------------


def test_same_outranks_limits_and_counts_once() -> None:
    state = simulate([seen(0, "n1", "n2", "n2 e1"), decided("same n1 n2")], KIND)[-1]
    assert groups(state) == {"e1 n1 n2"}
    # A third is one too many.
    state = simulate([seen(0, "n1", "n2", "n2 e1", "n3 e1"), decided("same n1 n2")], KIND)[-1]
    assert groups(state) == {"n1 n2", "e1 n3"}


def test_same_leads_over_what_nobody_has_seen() -> None:
    together, apart = simulate(
        [seen(0, "c1", "c2"), decided("same c1 c9", "same c9 c2"), decided("not same c9 c1")], KIND
    )[1:]
    assert groups(together) == {"c1 c2"}
    assert groups(apart) == {"c1", "c2"}


def test_different_parts_at_the_weakest_link() -> None:
    before, parted = simulate([seen(0, "n1 c1 @0", "n1 e1 @1", "e1 c2 @2"), decided("different n1 c2")], KIND)
    assert groups(before) == {"c1 c2 e1 n1"}
    assert groups(parted) == {"c1 e1 n1", "c2"}
    assert refusals(parted) == {"e1 c2: different, surplus"}


def test_unstitched_links_are_out_of_use_until_withdrawn() -> None:
    history = [
        seen(0, "n1 c1", "n1 c2"),
        decided("unstitch c1 n1"),
        decided("not unstitch n1 c1"),
        decided("unstitch n1"),
    ]
    found = [groups(state) for state in simulate(history, KIND)]
    assert found == [{"c1 c2 n1"}, {"c1", "c2 n1"}, {"c1 c2 n1"}, {"c1", "c2", "n1"}]


def test_same_outranks_unstitch() -> None:
    state = simulate([seen(0, "n1 c1"), decided("unstitch n1", "same n1 c1")], KIND)[-1]
    assert groups(state) == {"c1 n1"}


def test_withdrawing_brings_nothing_older_back() -> None:
    history = [seen(0, "n1 c1"), decided("different n1 c1", "same n1 c1"), decided("not different n1 c1")]
    assert [bool(state.in_force) for state in simulate(history, KIND)] == [False, True, False]


def test_contradiction_is_refused() -> None:
    with pytest.raises(ValueError, match="are different and the same"):
        simulate([decided("same n1 c9", "same c9 n2"), decided("different n2 n1")], KIND)

"""Stories of hubs and of identity maps."""

from dataclasses import replace as changed
from datetime import UTC, datetime
from typing import Literal

import pytest

from cdp_pipeline_tests.oracle.hubs import threshold
from cdp_pipeline_tests.oracle.identity import Link
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules, TypeRules
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.oracle.states import Quarantined
from cdp_pipeline_tests.oracle.stories import (
    SUNDAY,
    decided,
    event,
    groups,
    instead,
    key,
    mapped,
    moment,
    owners,
    refusals,
    seen,
)

TYPES = ("crm", "email", "device", "cookie")
HUBS = EntityKind("customer", TYPES, max_links=2)
CRM_MAP = MapRules("cookie", ("crm", "email"))
MAPPED = EntityKind("customer", TYPES, {"crm": TypeRules(max_per_entity=1)}, maps=(CRM_MAP,))
RENAMED = changed(MAPPED, maps=(MapRules("crm", ("crm",)), MapRules("crm", ("crm",), mode="snapshot")))


# Hubs ----------------------------------------------------------------------------------------------------------------


def test_email_of_a_crowd_belongs_to_nobody_and_joins_nobody() -> None:
    state = simulate([seen(0, "n1 e1", "n2 e1", "n3 e1", "e1 c1", "e1")], HUBS)[-1]
    assert groups(state) == {"n1", "n2", "n3", "c1"}
    assert state.quarantined == {key("e1"): Quarantined(3, 2, 4)}
    assert key("e1") not in state.owners
    # Counted as absent: c1 anchors the event that e1 would, and the one that holds nothing else is nobody's.
    assert state.stitched[event(0, 3)] == owners(state, "c1")[0]
    assert state.stitched[event(0, 4)] is None


def test_hub_leaves_quarantine_when_its_links_no_longer_warrant_it() -> None:
    _, crowded, again = simulate([seen(0, "n1 e1", "n2 e1"), seen(1, "n3 e1"), instead(1)], HUBS)
    assert crowded.hubs
    assert groups(again) == {"e1 n1 n2"}


def test_neighbours_of_each_type_count_apart() -> None:
    state = simulate([seen(0, "n1 e1", "n2 e1", "e1 c1", "e1 c2")], HUBS)[-1]
    assert not state.hubs


def test_event_around_a_hub_holds_together_by_its_neighbours() -> None:
    crowd = ["n1 e1", "n2 e1", "n3 e1"]
    state = simulate([seen(0, *crowd, "e1 c1 c2")], HUBS)[-1]
    assert groups(state) == {"n1", "n2", "n3", "c1 c2"}


def test_two_hubs_in_one_event_may_part_the_rest() -> None:
    """The anchor is a hub, and the only neighbour of d1 and of c1 that is left is one too."""
    history = [seen(0, "n1 d1 d2 c1"), decided("quarantine n1", "quarantine d2")]
    assert groups(simulate(history, HUBS)[-1]) == {"d1", "c1"}


def test_operator_pins_in_and_out() -> None:
    crowd = seen(0, "n1 e1", "n2 e1", "n3 e1", "n3 c1", "c5")
    released, pinned = simulate(
        [crowd, decided("release e1"), decided("quarantine c1", "quarantine c5", "quarantine c9")], HUBS
    )[1:]
    assert groups(released) == {"c1 e1 n1 n2 n3", "c5"}
    assert groups(pinned) == {"e1 n1 n2 n3"}
    # c9 is not in use: it has no row.
    assert pinned.quarantined == {key("c1"): Quarantined(1, 2, 1), key("c5"): Quarantined(0, 2, 0)}


def test_unstitched_links_count_as_neighbours() -> None:
    state = simulate([seen(0, "n1 e1", "n2 e1", "n3 e1"), decided("unstitch e1 n1")], HUBS)[-1]
    assert state.hubs


@pytest.mark.parametrize(
    ("degrees", "wanted"),
    [
        ([10_000] * 999, 64),
        ([1] * 1000, 16),
        ([1] * 998 + [100, 100], 1024),  # the 999th of 1000 is 100: above 800 comes 1024
        ([1] * 999 + [100], 16),
        ([2] * 1000, 32),  # strictly above 16
        ([0] * 1000, 16),
        ([1] * 1997 + [4, 5, 6], 64),  # the 1998th of 2000 is 4: above 32 comes 64
    ],
)
def test_auto_is_far_above_what_is_usual(degrees: list[int], wanted: int) -> None:
    auto = EntityKind("customer", TYPES)
    assert threshold("email", degrees, auto) == wanted
    assert threshold("email", degrees, changed(auto, max_links=7)) == 7
    assert (
        threshold("email", degrees, changed(auto, max_links=7, rules={"email": TypeRules(max_links="auto")})) == wanted
    )


# Identity maps -------------------------------------------------------------------------------------------------------


def test_row_links_its_primary_id_with_the_first_person_id() -> None:
    state = simulate([mapped(["c1 n1 e1 @0", "c2 e1 @1", "c3 @2"])], MAPPED)[-1]
    assert groups(state) == {"c1 n1", "c2 e1", "c3"}
    link = Link(SUNDAY, key("n1"), key("c1"), "map", moment(0, 0), moment(0, 0), 0, None)
    assert state.links[SUNDAY, key("n1"), key("c1"), "map"] == link
    assert state.identifiers[key("c3")].events == 0
    everybody = changed(MAPPED, maps=(changed(CRM_MAP, resolve="all"),))
    assert groups(simulate([mapped(["c1 n1 e1 @0", "c2 e1 @1"])], everybody)[-1]) == {"c1 c2 e1 n1"}


def test_nulled_row_withdraws_what_the_map_said_and_not_what_events_say() -> None:
    history = [seen(0, "n1 c1"), mapped(["c1 n1 @0", "c2 n1 @0"]), mapped(["c1 @1", "c2 @1"])]
    assert [groups(state) for state in simulate(history, MAPPED)] == [{"c1 n1"}, {"c1 c2 n1"}, {"c1 n1", "c2"}]


def test_deleted_row_is_no_row() -> None:
    states = simulate([mapped(["c2 n1 @0"]), mapped(["c2 n1 @1 deleted"])], MAPPED)
    assert [groups(state) for state in states] == [{"c2 n1"}, set()]


def test_of_several_rows_the_newest_counts() -> None:
    states = simulate([mapped(["c1 n1 @1", "c1 n2 @2", "c1 n3 @0"]), mapped(["c1 n1 @1"])], MAPPED)
    assert [groups(state) for state in states] == [{"c1 n2"}, {"c1 n2"}]


@pytest.mark.parametrize(("mode", "left"), [("mirror", {"c1 n1"}), ("snapshot", set())])
def test_missing_row(mode: Literal["mirror", "snapshot"], left: set[str]) -> None:
    kind = changed(MAPPED, maps=(changed(CRM_MAP, mode=mode),))
    states = simulate([mapped(["c1 n1 @0"]), mapped([])], kind)
    assert [groups(state) for state in states] == [{"c1 n1"}, left]


def test_map_outweighs_newer_events() -> None:
    state = simulate([mapped(["c1 n1 @0"]), seen(3, "n2 c1")], MAPPED)[-1]
    assert groups(state) == {"c1 n1", "n2"}
    assert refusals(state) == {"n2 c1: max_per_entity, conflict"}


def test_map_without_times_counts_from_the_start() -> None:
    kind = changed(MAPPED, maps=(changed(CRM_MAP, updated_at=False),))
    state = simulate([mapped(["c1 n1"])], kind)[-1]
    assert state.identifiers[key("n1")].first_seen == datetime(2026, 1, 1, tzinfo=UTC)


def test_renamed_ids_count_once_and_the_newest_name_is_the_most_important() -> None:
    rows = ["n1 n2 @2", "n2 n3 @3"]
    visited = [seen(0, "n1 c1"), seen(1, "n2 c2")]
    *_, apart, renamed, twice = simulate([*visited, mapped(rows[:1], []), mapped(rows, [])], RENAMED)
    assert [groups(state) for state in (apart, renamed)] == [{"c1 n1", "c2 n2"}, {"c1 c2 n1 n2"}]
    assert groups(twice) == {"c1 c2 n1 n2 n3"}
    assert not twice.refused
    assert [twice.identifiers[key(name)].superseded for name in ("n1", "n2", "n3")] == [2, 1, 0]
    # Both go by the id of the newer name, although the other one is older; its key goes on to the newest.
    assert owners(twice, "n1", "n2", "n3") == owners(renamed, "n1", "n2", "c1") == owners(apart, "n2", "n2", "n2")
    assert twice.registry[owners(twice, "n3")[0]].key_id == key("n3")


def test_rename_has_its_target_first_on_whatever_says_so() -> None:
    apart, renamed, mutual = simulate(
        [seen(0, "n1 n2"), mapped(["n1 n2 @0", "n2 @0"], []), mapped(["n1 n2 @0"], ["n2 n1 @0"])], RENAMED
    )
    one, two = sorted((key("n1"), key("n2")))
    assert {(link.identifier_id, link.other_id) for link in apart.links.values()} == {(one, two)}
    assert {(link.identifier_id, link.other_id) for link in renamed.links.values()} == {(key("n2"), key("n1"))}
    assert {(link.identifier_id, link.other_id) for link in mutual.links.values()} == {(one, two)}
    assert len(renamed.links) == 3


def test_circle_of_renames_ends() -> None:
    state = simulate([mapped(["n1 n2 @0", "n2 n3 @0", "n3 n2 @0", "n4 n1 @0"], [])], RENAMED)[-1]
    assert [state.identifiers[key(name)].superseded for name in ("n1", "n2", "n3", "n4")] == [1, 0, 0, 2]
    assert groups(state) == {"n1 n2 n3 n4"}


def test_first_map_that_renames_an_id_decides() -> None:
    state = simulate([mapped(["n1 n2 @5"], ["n1 n3 @0", "n3 n4 @0"])], RENAMED)[-1]
    assert [state.identifiers[key(name)].superseded for name in ("n1", "n3")] == [1, 1]


def test_renames_are_taken_before_other_rows_of_maps() -> None:
    """Two e-mails fit. e1 and e2 are one by a rename that is older than the link of e3; e3 must fit beside them.

    n1 and n9 share c1, so that the component breaks a limit and its links are taken one by one. Were links of maps
    taken by importance and time alone, e3 would be refused first, and fit after the rename.
    """
    rules = {"crm": TypeRules(max_per_entity=1), "email": TypeRules(max_per_entity=2)}
    kind = EntityKind(
        "customer",
        TYPES,
        rules,
        maps=(MapRules("email", ("crm", "email"), resolve="all"), MapRules("email", ("email",))),
    )
    rows = (["e1 n1 @5", "e2 n1 @4", "e3 n1 @3"], ["e1 e2 @1"])
    state = simulate([mapped(*rows), seen(9, "n9 c1", "n1 c1")], kind)[-1]
    assert groups(state) == {"c1 e1 e2 e3 n1", "n9"}

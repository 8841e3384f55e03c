"""For each cause why a component is solved again, the smallest history that comes out wrong without it."""

from collections.abc import Sequence
from dataclasses import replace as changed

import pytest

from cdp_pipeline_tests.oracle.events import Step
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules, TypeRules
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.oracle.stories import decided, instead, mapped, seen
from cdp_pipeline_tests.oracle.touched import ALL_CAUSES

TYPES = ("crm", "email", "device", "cookie")
UNIQUE = {"crm": TypeRules(max_per_entity=1), "email": TypeRules(max_per_entity=1), "device": TypeRules(bridge=False)}
KIND = EntityKind("customer", TYPES, UNIQUE)
MAPPED = changed(KIND, maps=(MapRules("cookie", ("crm",)),))
RENAMED = EntityKind("customer", TYPES, maps=(MapRules("crm", ("crm",)),))

STORIES: dict[str, tuple[EntityKind, Sequence[Step]]] = {
    # A visitor comes.
    "presence": (KIND, [seen(0, "c1"), seen(1, "c2")]),
    # Two who are known already turn out to be one.
    "links": (KIND, [seen(0, "c1", "n1"), seen(1, "n1 c1")]),
    # The map said n1, which outweighed the newer event that says n2. All links stay, by events.
    "map_rows": (MAPPED, [mapped(["c1 n1 @0"]), seen(0, "n1 c1", "n2 c1"), mapped(["c1 @1"])]),
    # n1 and n4 are one, both renamed to ids in quarantine. A row about these makes n1 the older one by far.
    "superseded": (
        RENAMED,
        [
            decided("quarantine n2", "quarantine n3", "quarantine n5"),
            mapped(["n1 n2 @0"]),
            mapped(["n1 n2 @0", "n4 n5 @1"]),
            seen(2, "n1 n4"),
            mapped(["n1 n2 @0", "n4 n5 @1", "n2 n3 @3"]),
        ],
    ),
    # No link comes or goes.
    "decisions": (KIND, [seen(0, "e1 c1", "n1 c1"), decided("different n1 e1")]),
    # The middle of a chain of `same` that nobody has ever seen is taken back.
    "same": (KIND, [seen(0, "n1", "n2"), decided("same n1 c8", "same c8 c9", "same c9 n2"), decided("not same c8 c9")]),
    # A log-in is found to have happened later. Its links are as they were.
    "events": (KIND, [seen(0, "n1 d1 @1", "n2 d1 @2", "n1 d1 @4"), instead(0, "n1 d1 @1", "n2 d1 @3", "n1 d1 @4")]),
    # e1 anchors the last event, n9 and e2 being in quarantine. When e1 goes there too, e3 does, and logs in on d1;
    # e1 was connected with neither.
    "anchors": (
        KIND,
        [
            decided("quarantine n9", "quarantine e2"),
            seen(0, "n1 d1 @1", "n2 d1 @2", "n9 e1 e2 e3 d1 @3"),
            decided("quarantine e1"),
        ],
    ),
    # e1 filled n1's place for an e-mail, by a decision and not by a link. It goes; n1 is not an end of anything.
    "components": (KIND, [decided("same n1 e1"), seen(0, "n1 e9"), seen(1, "e1"), instead(1)]),
}


def test_every_cause_has_its_story() -> None:
    assert STORIES.keys() == ALL_CAUSES


@pytest.mark.parametrize("cause", STORIES)
def test_without_the_cause_the_history_comes_out_wrong(cause: str) -> None:
    kind, history = STORIES[cause]
    wanted = simulate(history, kind)
    assert simulate(history, kind, causes=ALL_CAUSES) == wanted
    try:
        found = simulate(history, kind, causes=ALL_CAUSES - {cause})
    except KeyError:  # somebody has no group at all
        return
    assert found != wanted

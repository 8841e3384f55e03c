"""People who share something, told as stories: tablets, cookies that move house, an e-mail of thousands, a bad rule."""

from collections import Counter
from typing import Any

import pytest

from cdp_pipeline.errors import PublicationHeld
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import PEOPLE, day, lines, project, row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

LAST_LOGIN = PEOPLE.replace("by_time", "last_login")
NOBODY = PEOPLE.replace("by_time", "nobody")


def at(hour: int, minute: int = 0, **more: Any) -> dict[str, Any]:
    """Return an event of this hour of the first day."""
    return row(f"{hour:02}:{minute:02}", at=f"2026-02-01T{hour:02}:{minute:02}:00Z", **more)


def land(pipeline: Pipeline, number: int, *rows: dict[str, Any]) -> None:
    pipeline.write(f"landing/{day(number)}/web.ndjson", lines(*rows))


def spent(pipeline: Pipeline) -> dict[str, tuple[int, int]]:
    """Return what each person spent, and in how many events they were seen."""
    rows = pipeline.query("select p.person_key, p.spent, p.seen from kind.profiles as p")
    return {key: (int(amount), seen) for key, amount, seen in rows}


def who(pipeline: Pipeline) -> dict[str, str | None]:
    """Return the key of whose each event is."""
    rows = pipeline.query(
        "select v.source_event_id, case when v.entity_id is null then null else v.person_key end from kind.events as v"
    )
    return dict(rows)


def ids(pipeline: Pipeline) -> dict[str, str]:
    """Return the entity id of each person, by key."""
    return dict(pipeline.query("select p.person_key, p.entity_id from kind.profiles as p"))


TABLET = (
    at(8, web="tablet"),
    at(9, web="tablet", crm="Ann"),
    at(10, web="tablet"),
    at(11, web="tablet", crm="Ann", amount=100),
    at(12, web="tablet"),
    at(13, web="tablet", crm="Bob"),
    at(14, web="tablet"),
    at(15, web="tablet", crm="Bob", amount=7),
    at(16, web="tablet"),
)


def test_two_people_on_one_tablet_each_get_what_was_theirs(start: Start) -> None:
    pipeline = start(project(entities=PEOPLE))
    land(pipeline, 1, *TABLET)
    pipeline.run()
    assert spent(pipeline) == {"Ann": (100, 5), "Bob": (7, 4)}
    assert who(pipeline) == {f"{hour:02}:00": "Ann" if hour < 13 else "Bob" for hour in range(8, 17)}
    check_full_run(pipeline, "tablet")
    # A log-in of Ann's at half past one arrives a day late: what follows it, until Bob logs in again, moves to her.
    land(pipeline, 2, at(13, 30, web="tablet", crm="Ann"))
    facts = pipeline.run()
    assert who(pipeline) == {
        **{f"{hour:02}:00": "Ann" for hour in (8, 9, 10, 11, 12, 14)},
        **{f"{hour:02}:00": "Bob" for hour in (13, 15, 16)},
        "13:30": "Ann",
    }
    assert spent(pipeline) == {"Ann": (100, 7), "Bob": (7, 3)}
    assert facts["customer/stitched_events"].metrics["events_rekeyed"] == 1
    check_full_run(pipeline, "a late log-in")


@pytest.mark.parametrize(("entities", "owner"), [(LAST_LOGIN, "Bob"), (NOBODY, None)], ids=["last_login", "nobody"])
def test_a_shared_tablet_can_be_whoever_logged_in_lasts_or_nobodys(start: Start, entities: str, owner: str) -> None:
    pipeline = start(project(entities=entities))
    land(pipeline, 1, *TABLET)
    pipeline.run()
    anonymous = {f"{hour:02}:00": owner for hour in (8, 10, 12, 14, 16)}
    known = {"09:00": "Ann", "11:00": "Ann", "13:00": "Bob", "15:00": "Bob"}
    assert who(pipeline) == anonymous | known
    assert {key: amount for key, (amount, _) in spent(pipeline).items()} == {"Ann": 100, "Bob": 7}
    check_full_run(pipeline, "tablet")


def test_a_log_in_that_moves_within_its_day_moves_what_follows_it(start: Start) -> None:
    """The links say the same before and after; only the events tell."""
    pipeline = start(project(entities=PEOPLE))
    land(pipeline, 1, *TABLET)
    pipeline.run()
    moved = [at(11, 30, web="tablet", crm="Bob") if each["id"] == "13:00" else each for each in TABLET]
    land(pipeline, 1, *moved)
    pipeline.replace(pipeline.now.date().replace(month=2, day=1))
    assert who(pipeline)["12:00"] == "Bob"
    assert who(pipeline)["10:00"] == "Ann"
    check_full_run(pipeline, "moved")


def test_a_newer_link_on_a_shared_cookie_wins_and_an_older_one_that_comes_late_does_not(start: Start) -> None:
    pipeline = start(project(entities=LAST_LOGIN.replace(", bridge: false", "")))
    land(pipeline, 2, at(10, web="cookie", crm="Ann"), at(11, web="ann"), at(11, 1, web="ann", crm="Ann"))
    pipeline.run()
    ann = ids(pipeline)["Ann"]
    land(pipeline, 3, at(12, web="cookie", crm="Bob"))
    pipeline.run()
    bob = ids(pipeline)["Bob"]
    assert group_of(pipeline, "cookie") == bob
    land(pipeline, 4, at(9, web="cookie", crm="Cid"))
    pipeline.run()
    assert group_of(pipeline, "cookie") == bob
    land(pipeline, 5, at(13, web="cookie", crm="Ann"))
    pipeline.run()
    assert group_of(pipeline, "cookie") == ann
    land(pipeline, 6, at(14, web="cookie", crm="Bob"))
    pipeline.run()
    assert group_of(pipeline, "cookie") == bob
    assert (ids(pipeline)["Ann"], ids(pipeline)["Bob"]) == (ann, bob), "the cookie's moves leave the ids alone"
    assert (
        pipeline.query("select r.reason, r.effect from kind.refused_links as r") == [("max_per_entity", "conflict")] * 2
    )
    check_full_run(pipeline, "moves")


def group_of(pipeline: Pipeline, value: str) -> str:
    (found,) = pipeline.column(
        "select g.entity_id from kind.identifier_groups as g "
        "join kind.identifiers as i on i.identifier_id = g.identifier_id where i.value = :value",
        value=value,
    )
    return str(found)


def test_removing_the_only_bridge_parts_two_people_as_they_were(start: Start) -> None:
    pipeline = start(project(entities=PEOPLE))
    land(pipeline, 1, at(8, email="ann", web="a"), at(9, email="bob", web="b", amount=5), at(10, email="cid"))
    pipeline.run()
    apart = (spent(pipeline), ids(pipeline))
    land(pipeline, 2, at(11, email=["ann", "bob"]))
    pipeline.run()
    assert len(ids(pipeline)) == 2
    pipeline.write(f"landing/{day(2)}/web.ndjson", "")
    facts = pipeline.replace(pipeline.now.date().replace(month=2, day=2))
    assert (spent(pipeline), ids(pipeline)) == apart
    assert facts["customer/entity_map"].metrics["components_solved"] == 2
    assert facts["customer/stitched_events"].metrics["entities_touched"] == 2
    check_full_run(pipeline, "parted")


def test_an_email_of_thousands_joins_nobody(start: Start) -> None:
    pipeline = start(project(entities=PEOPLE))
    crowd = [row(n, email="info@shop", crm=f"C{n}", amount=n) for n in range(100)]
    land(pipeline, 1, *crowd[:60], row("alone", email="info@shop", amount=1))
    pipeline.run()
    # 60 people are no crowd yet, but they cannot be one person either, for a crm_id is unique.
    assert Counter(pipeline.column("select r.effect from kind.refused_links as r")) == {"conflict": 59}
    assert not pipeline.query("select q.links from kind.quarantined_identifiers as q")
    land(pipeline, 2, *crowd[60:])
    pipeline.run()
    found = pipeline.query(
        "select q.links, q.threshold, q.entities_it_would_join from kind.quarantined_identifiers as q"
    )
    assert found == [(100, 64, 100)]
    assert spent(pipeline) == {f"C{n}": (n, 1) for n in range(100)}
    assert who(pipeline)["alone"] is None
    assert not pipeline.query("select r.effect from kind.refused_links as r")
    check_full_run(pipeline, "crowd")
    # Most of them go: the value leaves quarantine by itself, and who carries nothing else is somebody again.
    pipeline.write(f"landing/{day(2)}/web.ndjson", "")
    pipeline.replace(pipeline.now.date().replace(month=2, day=2))
    assert not pipeline.query("select q.links from kind.quarantined_identifiers as q")
    assert who(pipeline)["alone"] is not None
    check_full_run(pipeline, "fewer")


GATED = PEOPLE.replace("max_per_entity: 1", "max_per_entity: 9").replace(
    "    attributes:", "    guards: {publish: {min_entities: 20, max_share_merged: 0.05}}\n    attributes:"
)


def test_the_gate_holds_back_a_rule_that_fuses_strangers_and_lets_it_through_once(start: Start) -> None:
    pipeline = start(project(entities=GATED))
    land(pipeline, 1, *(row(n, crm=f"C{n}", city=f"town {n // 2}" if n < 10 else None, amount=1) for n in range(40)))
    pipeline.run()
    published = (pipeline.dump(without=("metrics", "audits")), ids(pipeline))
    fusing = GATED.replace("payload->'email'", "payload->'city'")
    pipeline.rewrite(project(entities=fusing))
    with pytest.raises(PublicationHeld) as held:
        pipeline.run()
    first = pipeline.last_run
    assert (held.value.entities, held.value.merged) == (40, 5)
    assert "12.5%" in str(held.value)
    assert f"cdp run --accept-merge {first}" in str(held.value)
    assert held.value.responsible == {f"email:town {n}": 2 for n in range(5)}
    after = pipeline.dump(without=("metrics", "audits"))
    unmoved = [
        name for name in after if name.rpartition(".")[2] in ("entity_map", "stitched_events", "profiles", "entities")
    ]
    assert len(unmoved) == 4
    assert all(after[name] == published[0][name] for name in unmoved)
    # Something else has landed since: what was accepted is not what would happen now.
    land(pipeline, 2, row("new", crm="C0", email=None, city="town 30"), row("newer", crm="C20", city="town 30"))
    with pytest.raises(PublicationHeld, match="is not what the run"):
        pipeline.run(accept_merge=first)
    second = pipeline.last_run
    with pytest.raises(PublicationHeld):
        pipeline.run()
    pipeline.run(accept_merge=second)
    assert len(ids(pipeline)) == 34
    assert pipeline.query("select a.accepted_by from kind.audits as a where a.run = :run", run=second) == [
        (pipeline.last_run,)
    ]
    check_full_run(pipeline, "accepted")

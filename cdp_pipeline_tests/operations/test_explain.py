"""What `cdp explain` knows of one identifier."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.explain import Explanation, explain_identifier
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.operations.worlds import (
    FIRST,
    SHARED_WORLD,
    WORLD,
    decide,
    entity,
    id_of,
    insert,
    land,
    web,
)
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return two people who share a cookie, an e-mail of everybody, and a cookie of nobody else."""
    with open_pipeline(tmp_path_factory.mktemp("explain") / "world", WORLD) as pipeline:
        land(pipeline, SHARED_WORLD)
        pipeline.run(full=True)
        yield pipeline


def explain(pipeline: Pipeline, name: str) -> Explanation:
    return explain_identifier(pipeline.connection, pipeline.project, name)


def test_an_identifier_in_use_is_told_with_its_numbers_and_its_owner(world: Pipeline) -> None:
    found = explain(world, "email:ANN@x ")
    assert (found.kind, found.identifier.name, found.identifier.events) == ("customer", "email:ann@x", 2)
    assert (found.identifier.first_seen, found.identifier.last_seen) == (FIRST, FIRST.replace(minute=2))
    owned = found.ownership
    assert (owned.why, str(owned.entity_id), owned.key, owned.identifiers) == (
        "group", entity(world, "crm:1"), "crm:1", 4
    )  # fmt: skip
    assert [(span.valid_from, span.valid_to, span.entity_id, span.key) for span in owned.spans] == [
        (None, None, owned.entity_id, "crm:1")
    ]
    assert owned.events_anchored == 1
    assert (found.quarantine, found.decisions) == (None, ())


def test_links_say_what_became_of_them_and_refused_ones_come_first(world: Pipeline) -> None:
    found = explain(world, "cookie:a")
    assert [(link.other.name, link.use) for link in found.links[:2]] == [
        ("crm:2", "refused"), ("email:all@x", "quarantine")
    ]  # fmt: skip
    assert {(link.other.name, link.use) for link in found.links[2:]} == {
        (name, "in use") for name in ("email:ann@x", "cookie:c", "crm:1")
    }
    assert found.links_in_all == {"crm": 2, "email": 2, "cookie": 1}
    refused = found.links[0].refusal
    assert refused is not None
    assert (refused.reason, refused.effect, refused.gives_way) == ("max_per_entity", "conflict", "cookie:a")
    assert found.ownership.why == "log-ins"


def test_evidence_is_told_by_kind_with_events_and_the_rules_that_find_both_ends(world: Pipeline) -> None:
    link = next(each for each in explain(world, "cookie:a").links if each.other.name == "email:ann@x")
    assert [(each.kind, each.events) for each in link.kinds] == [("anchor", 1), ("next", 2)]
    assert (link.events, link.first_seen, link.last_seen) == (2, FIRST, FIRST.replace(minute=2))
    first, last = link.examples
    assert (first.source, first.type, first.source_event_id, first.time) == ("shop", "order", "e0", FIRST)
    assert [[(rule.path, rule.reads, rule.place) for rule in rules] for rules in first.rules] == [
        [("stitching[4]", "shop * -> cookie", "project.yaml:18")],
        [("stitching[3]", "shop * -> email", "project.yaml:17")],
    ]
    assert [[rule.path for rule in rules] for rules in last.rules] == [["stitching[1]"], ["stitching[0]"]]


def test_an_identifier_in_quarantine_belongs_to_nobody(world: Pipeline) -> None:
    found = explain(world, "email:all@x")
    hub = found.quarantine
    assert hub is not None
    assert (hub.links, hub.threshold, hub.entities_it_would_join, hub.neighbours) == (5, 4, 5, "cookie")
    assert (hub.pinned_by, found.ownership.why, found.ownership.spans) == (None, "quarantine", ())
    assert {link.use for link in found.links} == {"quarantine"}
    assert found.links[0].quarantined == ("email:all@x",)


def test_an_entity_is_explained_by_its_key(world: Pipeline) -> None:
    ann = entity(world, "crm:1")
    assert explain(world, f"entity_id:{ann}").identifier.name == "crm:1"
    assert explain(world, f"customer/entity_id:{ann.upper()}").identifier.name == "crm:1"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("email:eve@x", "Never seen: no event and no identity map holds email eve@x"),
        ("entity_id:0f54dcad-0e40-662d-3572-8ca04c7ea820", "Never seen: no customer ever had the id"),
        ("entity_id:7", "`7` is no entity id"),
        ("fax:1", "There is no type of identifier `fax`"),
        ("shop/email:1", "There is no kind of entity `shop`"),
        ("email", "`email` is no identifier"),
    ],
)
def test_what_was_never_seen_is_refused(world: Pipeline, name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        explain(world, name)


@pytest.fixture
def own(engine: Engine, tmp_path: Path) -> Iterator[Pipeline]:
    """Return a world of the test's own."""
    with open_pipeline(tmp_path / "own", WORLD) as pipeline:
        yield pipeline


def test_decisions_are_told_with_whether_they_hold(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="b")])
    decide(own, "same", "email:ann@x", "email:bob@x", why="a call")
    decide(own, "different", "email:bob@x", "email:ann@x", why="a second call")
    decide(own, "unstitch", "email:ann@x", withdrawn=True)
    decide(own, "quarantine", "email:ann@x", why="a mailing list")
    own.run(full=True)
    found = explain(own, "email:ann@x")
    assert [(each.decision.verdict, each.names, each.state) for each in found.decisions] == [
        ("same", ("email:ann@x", "email:bob@x"), "replaced"),
        ("different", ("email:bob@x", "email:ann@x"), "in force"),
        ("unstitch", ("email:ann@x",), "withdrawn"),
        ("quarantine", ("email:ann@x",), "in force"),
    ]
    assert found.quarantine is not None
    assert found.quarantine.pinned_by == found.decisions[3].decision
    assert found.decisions[3].decision.why == "a mailing list"


def test_an_unstitched_link_names_the_decision(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="a")])
    number = decide(own, "unstitch", "cookie:a", "email:bob@x", why="a kiosk")
    own.run(full=True)
    links = {link.other.name: link for link in explain(own, "cookie:a").links}
    assert {name: link.use for name, link in links.items()} == {"email:ann@x": "in use", "email:bob@x": "unstitched"}
    unstitched = links["email:bob@x"].decision
    assert unstitched is not None
    assert (unstitched.decision_id, unstitched.by, unstitched.why) == (number, "mia", "a kiosk")
    assert explain(own, "email:bob@x").ownership.identifiers == 1


def test_a_shared_identifier_is_told_with_its_log_ins_and_spans(world: Pipeline) -> None:
    owned = explain(world, "cookie:a").ownership
    ann, bob = (entity(world, name) for name in ("crm:1", "crm:2"))
    first, second = (FIRST.replace(minute=minute) for minute in (1, 2))
    assert (owned.why, owned.when_shared, str(owned.entity_id)) == ("log-ins", "by_time", ann)
    assert [(span.valid_from, span.valid_to, str(span.entity_id), span.key) for span in owned.spans] == [
        (None, first, ann, "crm:1"), (first, second, bob, "crm:2"), (second, None, ann, "crm:1"),
    ]  # fmt: skip
    assert [(each.time.minute, each.anchor) for each in owned.log_ins] == [
        (2, "email:ann@x"), (1, "crm:2"), (0, "crm:1")
    ]  # fmt: skip


def test_changes_of_the_map_come_with_reason_and_event_the_latest_first(own: Pipeline) -> None:
    land(own, [web("view", cookies="a"), web(email="ann@x", cookies="b")])
    land(own, [web(email="ann@x", cookies="a")], day="2026-02-02", first=10)
    changes = explain(own, "cookie:a").changes
    assert [change.kind for change in changes] == ["merge", "new"]
    assert changes[0].reason
    assert changes[0].trigger is not None
    assert (changes[0].trigger.source_event_id, changes[0].trigger.type) == ("e10", "login")
    assert changes[0].from_entity_id == changes[1].to_entity_id


def test_what_nothing_holds_any_more_is_told(own: Pipeline) -> None:
    land(own, [web("view", cookies=["a", "b"])])
    own.write("landing/2026-02-01/web-0.ndjson", '{"id": "e0", "type": "view", "at": "2026-02-01", "cookies": ["b"]}\n')
    own.replace(FIRST.date())
    found = explain(own, "cookie:a")
    assert (found.identifier.in_use, found.links, found.ownership.why) == (False, (), "nobody")
    assert [change.kind for change in found.changes] == ["remove", "new"]


def test_a_rule_that_was_taken_out_of_the_project_is_no_rule_of_today(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a")])
    own.rewrite(WORLD.replace("events: login,", "events: sign_in,"))
    (link,) = explain(own, "cookie:a").links
    assert [[rule.path for rule in rules] for rules in link.examples[0].rules] == [["stitching[1]"], []]


MAPPED = (
    WORLD
    + """\
    identity_maps:
      - table: raw.people
        primary: {type: cookie, column: cookie}
        persons: {crm: crm, email: email}
        updated_at: changed
"""
)
CHANGED = datetime(2026, 2, 3, 9, tzinfo=UTC)


@pytest.fixture
def mapped(engine: Engine, tmp_path: Path) -> Iterator[Pipeline]:
    """Return a world with an identity map: a and b are Ann's, c was somebody's; of b events say so too."""
    with open_pipeline(tmp_path / "mapped", MAPPED) as pipeline:
        pipeline.execute("create schema raw")
        pipeline.execute("create table raw.people (cookie text, crm text, email text, changed timestamptz)")
        for cookie, email in (("a", "ann@x"), ("b", "ann@x"), ("c", None)):
            pipeline.execute(
                "insert into raw.people (cookie, email, changed) values (:cookie, :email, :changed)",
                cookie=cookie, email=email, changed=CHANGED,
            )  # fmt: skip
        land(pipeline, [web("view", cookies=["a", "x"]), web(email="ann@x", cookies="b"), web("view", cookies="c")])
        read_map(pipeline)
        yield pipeline


def read_map(pipeline: Pipeline) -> None:
    """Take in the map by hand, if the stages did not."""
    if pipeline.query("select m.primary_id from kind.identity_map_rows as m"):
        return
    ann = id_of(pipeline, "email:ann@x")
    pipeline.connection.open_days([CHANGED.date()])
    for cookie, persons in (("a", [ann]), ("b", [ann]), ("c", [])):
        one = id_of(pipeline, f"cookie:{cookie}")
        pipeline.execute(
            "insert into kind.identity_map_rows (map_number, primary_id, person_ids, updated_at) "
            "values (0, cast(:one as uuid), cast(:persons as uuid[]), :at)", one=one, persons=persons, at=CHANGED,
        )  # fmt: skip
        if persons:
            insert(pipeline, "identity_graph", arrived_on=CHANGED.date(), identifier_id=ann, other_id=one, kind="map",
                   first_seen=CHANGED, last_seen=CHANGED, events=0)  # fmt: skip
    pipeline.run(full=True)


def test_what_would_remain_without_an_identity_map_is_told(mapped: Pipeline) -> None:
    links = {link.other.name: link for link in explain(mapped, "email:ann@x").links}
    assert {name: (link.use, link.without_maps) for name, link in links.items()} == {
        "cookie:a": ("in use", False), "cookie:b": ("in use", True)
    }  # fmt: skip
    alone, both = links["cookie:a"], links["cookie:b"]
    assert [(each.kind, each.events) for each in alone.kinds] == [("map", 0)]
    assert [each.kind for each in both.kinds] == ["anchor", "map", "next"]
    (row,) = alone.maps
    assert (row.path, row.table, row.primary, row.updated_at) == (
        "identity_maps[0]", "raw.people", "cookie:a", CHANGED
    )  # fmt: skip
    assert alone.examples == ()
    assert [link.without_maps for link in explain(mapped, "cookie:x").links] == [None]


def test_a_row_that_names_nobody_any_more_is_told(mapped: Pipeline) -> None:
    assert [(row.path, row.primary) for row in explain(mapped, "cookie:c").empty_map_rows] == [
        ("identity_maps[0]", "cookie:c")
    ]
    assert explain(mapped, "cookie:a").empty_map_rows == ()

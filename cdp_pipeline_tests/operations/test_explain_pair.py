"""Why two identifiers are together or apart, and what would part them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.explain_pair import PairExplanation, explain_pair
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.operations.worlds import (
    FIRST,
    SHARED_WORLD,
    WORLD,
    Seen,
    decide,
    entity,
    id_of,
    insert,
    land,
    shop,
    web,
)
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline

STEPS = 50
WEAK = 23


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return two people who share a cookie, an e-mail of everybody, and a cookie of nobody else."""
    with open_pipeline(tmp_path_factory.mktemp("explain") / "world", WORLD) as pipeline:
        land(pipeline, SHARED_WORLD)
        pipeline.run(full=True)
        yield pipeline


def chain_of_fifty() -> list[Seen]:
    """Return a row of cookies, each seen twice with the next; two of them once only, and Ann and Bob at its ends."""
    seen = [
        web("view", cookies=[f"k{step:02}", f"k{step + 1:02}"])
        for step in range(STEPS)
        for _ in range(1 if step == WEAK else 2)
    ]
    return [shop(crm="1", cookie="k00"), *seen, *[web(email="bob@x", cookies=f"k{STEPS}")] * 3]


@pytest.fixture(scope="module")
def chain(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with open_pipeline(tmp_path_factory.mktemp("explain") / "chain", WORLD) as pipeline:
        land(pipeline, chain_of_fifty())
        pipeline.run(full=True)
        yield pipeline


@pytest.fixture
def own(engine: Engine, tmp_path: Path) -> Iterator[Pipeline]:
    """Return a world of the test's own."""
    with open_pipeline(tmp_path / "own", WORLD) as pipeline:
        yield pipeline


def explain(pipeline: Pipeline, one: str, other: str) -> PairExplanation:
    return explain_pair(pipeline.connection, pipeline.project, one, other)


def steps(found: PairExplanation) -> list[tuple[str, str, str]]:
    """Return the chain: from, to, and what became of the link."""
    assert found.chain is not None
    return [(link.one.name, link.other.name, link.use) for link in found.chain]


def test_the_chain_leads_step_by_step_from_the_one_to_the_other(world: Pipeline) -> None:
    found = explain(world, "crm:1", "cookie:c")
    assert found.together
    assert found.one.key == "crm:1"
    assert steps(found) in (
        [("crm:1", "email:ann@x", "in use"), ("email:ann@x", "cookie:c", "in use")],
        [("crm:1", "cookie:a", "in use"), ("cookie:a", "cookie:c", "in use")],
    )
    assert found.chain is not None
    first = found.chain[0]
    assert (first.events, first.first_seen, first.last_seen) == (1, FIRST, FIRST)
    (event,) = first.examples
    assert (event.source, event.type, event.source_event_id, event.time) == ("shop", "order", "e0", FIRST)
    assert [[rule.path for rule in rules] for rules in event.rules] == [["stitching[2]"], ["stitching[3]"]]
    backwards = explain(world, "cookie:c", "crm:1")
    assert backwards.steps == 2
    assert steps(backwards)[0][0] == "cookie:c"


def test_on_a_chain_of_fifty_links_the_bridge_is_named(chain: Pipeline) -> None:
    found = explain(chain, "crm:1", "email:bob@x")
    assert (found.together, found.steps) == (True, STEPS + 2)
    parting = found.parting
    assert parting is not None
    # One event each: the first link, crm:1 with k00, and the weak one in the middle, which came later.
    (bridge,) = parting.links
    assert {bridge.one.name, bridge.other.name} == {f"cookie:k{WEAK:02}", f"cookie:k{WEAK + 1:02}"}
    assert (parting.alternatives_in_all, len(parting.alternatives)) == (STEPS + 1, STEPS + 1)
    assert ("crm:1", "cookie:k00") in parting.alternatives
    assert bridge.events == 1
    one, other = parting.sides
    assert (one.identifiers, one.key, one.named[0]) == (WEAK + 2, "crm:1", "cookie:k00")
    assert (other.identifiers, other.key) == (STEPS - WEAK + 1, "email:bob@x")
    assert (one.events, other.events) == (1 + 2 * WEAK + 1, 2 * (STEPS - WEAK - 1) + 3)
    assert (str(one.entity_id), other.entity_id) == (entity(chain, "crm:1"), None)


def test_the_picture_of_a_chain_shows_it_with_the_cut(chain: Pipeline) -> None:
    drawing = explain(chain, "cookie:k00", f"cookie:k{STEPS}").drawing
    names = [f"{dot.type}:{dot.value}" for dot in drawing.dots]
    assert len(names) == len(set(names)) == STEPS + 3
    assert [name for name, dot in zip(names, drawing.dots, strict=True) if dot.asked] == ["cookie:k00", "cookie:k50"]
    assert sum(line.on_chain for line in drawing.lines) == STEPS
    (cut,) = [line for line in drawing.lines if line.in_cut]
    assert {names[cut.one], names[cut.other]} == {f"cookie:k{WEAK:02}", f"cookie:k{WEAK + 1:02}"}
    assert drawing.left_out == 0


def test_where_no_single_link_holds_them_the_smallest_set_is_named(own: Pipeline) -> None:
    """Two families of cookies, each held together by two e-mails, share two cookies."""
    families = [web(email=f"{side}{n}@x", cookies=[f"{side}1", f"{side}2", f"{side}3"]) for side in "ab" for n in "12"]
    land(own, [*families * 2, web("view", cookies=["a1", "b1"]), web("view", cookies=["a3", "b3"])])
    own.run(full=True)
    found = explain(own, "email:a1@x", "email:b2@x")
    parting = found.parting
    assert parting is not None
    assert [{link.one.name, link.other.name} for link in parting.links] in (
        [{"cookie:a1", "cookie:b1"}, {"cookie:a3", "cookie:b3"}],
        [{"cookie:a3", "cookie:b3"}, {"cookie:a1", "cookie:b1"}],
    )
    assert parting.alternatives_in_all == 0
    assert [(side.identifiers, side.key[:7]) for side in parting.sides] == [(5, "email:a"), (5, "email:b")]


def test_ids_that_redirect_come_back_where_their_key_goes(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="b"), web("view", cookies=["a", "b"])])
    own.run(full=True)
    earlier = "0f54dcad-0e40-662d-3572-8ca04c7ea820"
    bob = id_of(own, "email:bob@x")
    insert(own, "entities", entity_id=earlier, key_id=bob, founder_id=bob, ordinal=1, issued_in=99)
    parting = explain(own, "email:ann@x", "email:bob@x").parting
    assert parting is not None
    assert [str(side.entity_id) for side in parting.sides] == [entity(own, "email:ann@x"), earlier]


def test_a_decision_is_a_step_and_can_be_what_holds_them(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="b")])
    decide(own, "same", "email:ann@x", "cookie:b", why="she called")
    own.run(full=True)
    found = explain(own, "cookie:a", "email:bob@x")
    assert steps(found) == [
        ("cookie:a", "email:ann@x", "in use"),
        ("email:ann@x", "cookie:b", "decided"),
        ("cookie:b", "email:bob@x", "in use"),
    ]
    parting = found.parting
    assert parting is not None
    (held,) = parting.links
    assert held.decision is not None
    assert (held.use, held.decision.why, held.kinds) == ("decided", "she called", ())


def test_a_decision_beside_evidence_is_taken_away_with_it(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web("view", cookies="b")])
    decide(own, "same", "email:ann@x", "cookie:a")
    own.run(full=True)
    parting = explain(own, "email:ann@x", "cookie:a").parting
    assert parting is not None
    (held,) = parting.links
    assert (held.use, held.events, parting.alternatives_in_all) == ("decided", 1, 0)


def test_decisions_hold_across_an_identifier_that_is_in_use_no_more(own: Pipeline) -> None:
    land(own, [web("view", cookies=["a", "m"]), web("view", cookies="b")])
    decide(own, "same", "cookie:a", "cookie:m")
    decide(own, "same", "cookie:m", "cookie:b")
    own.write("landing/2026-02-01/web-0.ndjson", '{"id": "e0", "type": "view", "at": "2026-02-01", "cookies": "a"}\n'
              '{"id": "e1", "type": "view", "at": "2026-02-01", "cookies": "b"}\n')  # fmt: skip
    own.replace(FIRST.date())
    own.run(full=True)
    found = explain(own, "cookie:a", "cookie:b")
    assert steps(found) == [("cookie:a", "cookie:m", "decided"), ("cookie:m", "cookie:b", "decided")]


def test_a_refused_link_is_named_with_its_limit_and_its_rule(world: Pipeline) -> None:
    found = explain(world, "crm:1", "cookie:b")
    assert (found.together, found.parting, found.shared) == (False, None, ())
    assert steps(found) == [
        ("crm:1", "cookie:a", "in use"),
        ("cookie:a", "crm:2", "refused"),
        ("crm:2", "cookie:b", "in use"),
    ]
    (obstacle,) = found.obstacles
    assert obstacle.reason == "refused link"
    assert obstacle.link is not None
    refusal = obstacle.link.refusal
    assert refusal is not None
    assert (refusal.reason, refusal.effect) == ("max_per_entity", "conflict")
    assert refusal.detail
    (limit,) = obstacle.limits
    assert limit.setting == "entities.customer.identifiers[0].max_per_entity = 1 (project.yaml:10)"
    assert (limit.count, limit.values) == (2, ("crm:1", "crm:2"))
    assert [[rule.path for rule in rules] for rules in obstacle.link.examples[0].rules] == [
        ["stitching[4]"], ["stitching[2]"]
    ]  # fmt: skip


def test_a_shared_identifier_says_when_it_is_whose(world: Pipeline) -> None:
    found = explain(world, "cookie:a", "crm:2")
    assert not found.together
    assert [(span.valid_from, span.valid_to, str(span.entity_id), span.key) for span in found.shared] == [
        (FIRST.replace(minute=1), FIRST.replace(minute=2), entity(world, "crm:2"), "crm:2")
    ]


def test_two_that_one_entity_had_at_different_times_share_nothing(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web("view", cookies="b"), web("view", cookies="c")])
    own.run(full=True)
    ann = entity(own, "email:ann@x")
    for name, since, until in (("b", None, FIRST), ("c", FIRST, None)):
        cookie = id_of(own, f"cookie:{name}")
        own.execute("delete from kind.entity_map as m where m.identifier_id = cast(:cookie as uuid)", cookie=cookie)
        insert(own, "entity_map", identifier_id=cookie, valid_from=since, valid_to=until, entity_id=ann)
    assert explain(own, "cookie:b", "cookie:c").shared == ()
    assert [(span.valid_from, span.valid_to) for span in explain(own, "cookie:a", "cookie:b").shared] == [(None, FIRST)]


BRIDGE = ("email:ann@x", "cookie:a", "bridge", "conflict", "a cookie may not join two people")
MOST = ("email:ann@x", "cookie:a", "max_identifiers", "surplus", "3 identifiers in one entity, of which there may be 2")


@pytest.mark.parametrize(
    ("refused", "old", "new", "limit"),
    [
        (BRIDGE, "{type: cookie}", "{type: cookie, bridge: false}", "identifiers[2].bridge = false (project.yaml:12)"),
        (MOST, "    stitching:", "    guards: {max_identifiers: 2}\n    stitching:",
         "guards.max_identifiers = 2 (project.yaml:13)"),
    ],
)  # fmt: skip
def test_every_limit_is_named_with_its_place(
    own: Pipeline, refused: tuple[str, str, str, str, str], old: str, new: str, limit: str
) -> None:
    own.rewrite(WORLD.replace(old, new))
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="a")])
    own.run(full=True)
    (obstacle,) = explain(own, "email:ann@x", "email:bob@x").obstacles
    assert obstacle.link is not None
    assert obstacle.link.refusal is not None
    assert (obstacle.link.refusal.reason, obstacle.link.refusal.effect) == refused[2:4]
    assert obstacle.link.refusal.limit == f"entities.customer.{limit}"


def crowd(email: str, *cookies: str) -> list[Seen]:
    """Return events of an e-mail with these cookies, and with as many more as it takes to put it in quarantine."""
    return [web(email=email, cookies=cookie) for cookie in (*cookies, *(f"{email} {number}" for number in range(3)))]


def test_a_hub_is_named_with_its_numbers(own: Pipeline) -> None:
    land(own, [*crowd("all@x", "a", "b"), web("view", cookies=["b", "c"])])
    own.run(full=True)
    found = explain(own, "cookie:a", "cookie:c")
    assert steps(found) == [
        ("cookie:a", "email:all@x", "quarantine"),
        ("email:all@x", "cookie:b", "quarantine"),
        ("cookie:b", "cookie:c", "in use"),
    ]
    (obstacle,) = found.obstacles
    assert obstacle.reason == "hub"
    hub = obstacle.quarantine
    assert hub is not None
    assert (hub.identifier.name, hub.links, hub.threshold, hub.entities_it_would_join) == ("email:all@x", 5, 4, 5)


def test_two_hubs_with_a_person_between_are_found(own: Pipeline) -> None:
    land(own, [*crowd("one@x", "a", "m"), web("view", cookies=["m", "n"]), *crowd("two@x", "n", "b", "more")])
    own.run(full=True)
    found = explain(own, "cookie:a", "cookie:b")
    assert [step[:2] for step in steps(found)] == [
        ("cookie:a", "email:one@x"), ("email:one@x", "cookie:m"), ("cookie:m", "cookie:n"),
        ("cookie:n", "email:two@x"), ("email:two@x", "cookie:b"),
    ]  # fmt: skip
    assert [each.quarantine.links for each in found.obstacles if each.quarantine is not None] == [5, 6]


def test_one_that_is_in_quarantine_itself_is_an_obstacle(world: Pipeline) -> None:
    found = explain(world, "crm:1", "email:all@x")
    assert steps(found) == [("crm:1", "cookie:a", "in use"), ("cookie:a", "email:all@x", "quarantine")]
    assert [(each.reason, each.quarantine is not None) for each in found.obstacles] == [("hub", True)]
    assert (found.other.entity_id, found.other.quarantine is not None) == (None, True)


def test_a_decision_keeps_them_apart_and_says_who_and_why(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="b")])
    number = decide(own, "different", "email:bob@x", "cookie:a", why="two people")
    own.run(full=True)
    found = explain(own, "email:ann@x", "cookie:b")
    assert found.chain is None
    (obstacle,) = found.obstacles
    (known,) = obstacle.decisions
    assert (obstacle.reason, known.decision.decision_id, known.decision.by, known.decision.why, known.names) == (
        "decision", number, "mia", "two people", ("email:bob@x", "cookie:a")
    )  # fmt: skip


def test_a_link_refused_by_a_decision_comes_with_it(own: Pipeline) -> None:
    land(own, [web(email="ann@x", cookies="a"), web(email="bob@x", cookies="a")])
    number = decide(own, "different", "email:bob@x", "email:ann@x")
    own.run(full=True)
    (obstacle,) = explain(own, "email:ann@x", "email:bob@x").obstacles
    assert obstacle.reason == "refused link"
    assert [known.decision.decision_id for known in obstacle.decisions] == [number]


@pytest.mark.parametrize("names", [("cookie:a", "email:bob@x"), ("cookie:a",)])
def test_an_unstitched_link_is_on_the_path_with_its_decision(own: Pipeline, names: tuple[str, ...]) -> None:
    land(own, [web(email="ann@x", cookies=["b", "a"]), web(email="bob@x", cookies="a")])
    number = decide(own, "unstitch", *names, why="a kiosk")
    own.run(full=True)
    found = explain(own, "email:ann@x", "email:bob@x")
    assert not found.together
    assert ("cookie:a", "email:bob@x", "unstitched") in steps(found)
    assert {known.decision.decision_id for each in found.obstacles for known in each.decisions} == {number}


def test_no_path_is_said(world: Pipeline) -> None:
    found = explain(world, "cookie:z", "crm:1")
    assert (found.chain, found.steps, [each.reason for each in found.obstacles]) == (None, 0, ["no path"])
    assert [dot.value for dot in found.drawing.dots if dot.asked] == ["z", "1"]


def test_one_that_is_in_use_no_more_is_an_obstacle(own: Pipeline) -> None:
    land(own, [web("view", cookies=["a", "b"])])
    own.write("landing/2026-02-01/web-0.ndjson", '{"id": "e0", "type": "view", "at": "2026-02-01", "cookies": "b"}\n')
    own.replace(FIRST.date())
    own.run(full=True)
    found = explain(own, "cookie:a", "cookie:b")
    assert [(each.reason, each.identifier and each.identifier.name) for each in found.obstacles] == [
        ("not in use", "cookie:a")
    ]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("crm:1", "email:eve@x", "Never seen: no event and no identity map holds email eve@x"),
        ("crm:1", "crm:1", "crm:1 and crm:1 are one and the same identifier"),
    ],
)
def test_what_cannot_be_compared_is_refused(world: Pipeline, one: str, other: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        explain(world, one, other)


def test_of_a_long_chain_the_middle_is_left_out_of_the_picture_but_not_the_cut(own: Pipeline) -> None:
    seen = [web("view", cookies=[f"k{step:03}", f"k{step + 1:03}"]) for step in range(230) for _ in (1, 2)]
    del seen[2 * 90]
    land(own, seen)
    own.run(full=True)
    found = explain(own, "cookie:k000", "cookie:k230")
    assert (found.steps, len(found.chain or ())) == (230, 200)
    names = [dot.value for dot in found.drawing.dots]
    assert {"k000", "k085", "k090", "k091", "k096", "k230"} <= set(names)
    assert len(names) <= 60
    assert sum(line.left_out or 1 for line in found.drawing.lines if line.on_chain) == 230
    assert found.drawing.left_out == 231 - len(names)

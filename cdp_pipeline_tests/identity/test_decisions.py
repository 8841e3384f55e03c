"""What operators decided: the latest of each subject holds, nothing is lost, and contradictions are refused."""

import random
from uuid import UUID

import pytest

from cdp_pipeline.errors import ContradictoryDecisions, UsageError
from cdp_pipeline.identity.entity_map import map_entities
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline_tests.identity.worlds import KIND, in_force, say, told, unsay
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import lines, row

DUE = ["customer/identity_graph", "customer/entity_map"]


def ids(pipeline: Pipeline) -> dict[UUID, str]:
    return dict(in_force(pipeline).names)


def test_a_decision_is_a_row_with_who_why_and_when(pipeline: Pipeline) -> None:
    made = say(pipeline, "same", "email: Ann@X.org ", "cookie:a", by=" eve ", why=" their own words ")
    rows = pipeline.query(
        "select d.decision_id, v.value, w.value, d.verdict, d.by, d.why, d.at, d.withdrawn_by from kind.decisions as d "
        "join kind.identifier_values as v on v.identifier_id = d.identifier_id "
        "join kind.identifier_values as w on w.identifier_id = d.other_id"
    )
    assert rows == [(1, "ann@x.org", "a", "same", "eve", "their own words", made.decision.at, None)]
    (read,) = in_force(pipeline).in_force
    assert read == made.decision


def test_the_latest_of_a_subject_holds_whichever_end_is_named_first(pipeline: Pipeline) -> None:
    first = say(pipeline, "same", "cookie:a", "cookie:b")
    assert first.replaces is None
    assert say(pipeline, "different", "cookie:b", "cookie:a").replaces == first.decision
    say(pipeline, "different", "cookie:a", "cookie:c")
    say(pipeline, "quarantine", "cookie:a")
    say(pipeline, "release", "cookie:b")
    say(pipeline, "release", "cookie:a")
    say(pipeline, "unstitch", "cookie:a")
    say(pipeline, "unstitch", "cookie:b", "cookie:a")
    say(pipeline, "unstitch", "cookie:a", "cookie:b")
    assert told(in_force(pipeline)) == [
        "different cookie:b cookie:a",
        "different cookie:a cookie:c",
        "release cookie:b",
        "release cookie:a",
        "unstitch cookie:a",
        "unstitch cookie:a cookie:b",
    ]
    names = {name: identifier for identifier, name in ids(pipeline).items()}
    a, b, c = (names[f"cookie:{letter}"] for letter in "abc")
    found = in_force(pipeline)
    assert found.same == []
    assert {frozenset(pair) for pair in found.different} == {frozenset((a, b)), frozenset((a, c))}
    assert all(one < other for one, other in found.different)
    assert found.unstitched == [(a, None), (min(a, b), max(a, b))]
    assert (found.quarantined, found.released) == (set(), {a, b})


def test_what_is_withdrawn_stays_so_and_nothing_older_comes_back(pipeline: Pipeline) -> None:
    say(pipeline, "same", "cookie:a", "cookie:b")
    say(pipeline, "different", "cookie:b", "cookie:a")
    say(pipeline, "quarantine", "cookie:a")
    gone = unsay(pipeline, "different", "cookie:a", "cookie:b", why="a mistake")
    assert gone.decision.decision_id == 2
    assert told(in_force(pipeline)) == ["quarantine cookie:a"]
    rows = pipeline.query(
        "select d.verdict, d.withdrawn_by, d.withdrawn_why, d.withdrawn_at is null from kind.decisions as d "
        "order by d.decision_id"
    )
    assert rows == [
        ("same", "ann", "a mistake", False),
        ("different", "ann", "a mistake", False),
        ("quarantine", None, None, True),
    ]
    say(pipeline, "same", "cookie:a", "cookie:b")
    assert told(in_force(pipeline)) == ["quarantine cookie:a", "same cookie:a cookie:b"]


def test_all_links_of_one_and_those_with_another_are_two_subjects(pipeline: Pipeline) -> None:
    say(pipeline, "unstitch", "cookie:a")
    say(pipeline, "unstitch", "cookie:a", "cookie:b")
    unsay(pipeline, "unstitch", "cookie:a")
    assert told(in_force(pipeline)) == ["unstitch cookie:a cookie:b"]


@pytest.mark.parametrize(
    ("verdict", "names"),
    [
        ("same", ("cookie:a", "cookie:c")),
        ("same", ("cookie:a", "cookie:b")),
        ("release", ("cookie:a",)),
        ("unstitch", ("cookie:a", "cookie:b")),
    ],
)
def test_only_what_is_in_force_can_be_withdrawn(pipeline: Pipeline, verdict: str, names: tuple[str, ...]) -> None:
    say(pipeline, "different", "cookie:a", "cookie:b")
    say(pipeline, "quarantine", "cookie:a")
    before = pipeline.dump()
    with pytest.raises(UsageError, match=rf"No decision `{verdict}` about .* is in force.*cdp decide list"):
        unsay(pipeline, verdict, *names)
    assert pipeline.dump() == before


def test_the_decision_in_force_is_told_when_another_was_meant(pipeline: Pipeline) -> None:
    say(pipeline, "quarantine", "cookie:a", by="eve", why="a kiosk")
    with pytest.raises(UsageError, match=r"In force is cookie:a: quarantine, decided .* UTC by eve \(a kiosk\)\."):
        unsay(pipeline, "release", "cookie:a")


def test_a_decision_is_found_again_when_the_rules_of_its_values_have_changed(pipeline: Pipeline) -> None:
    say(pipeline, "same", "email:ann@x.org", "cookie:A")
    say(pipeline, "quarantine", "email:ann@x.org")
    text = (pipeline.folder / "project.yaml").read_text()
    pipeline.rewrite(
        text.replace("Test@test.com", "ann@x.org").replace("{type: cookie}", "{type: cookie, normalize: [lower]}")
    )
    unsay(pipeline, "quarantine", "email:Ann@x.org")
    unsay(pipeline, "same", "cookie:A", "email:ann@x.org")
    assert in_force(pipeline).in_force == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("email: TEST@test.com", r"`email: TEST@test.com` \(normalised: `test@test.com`\) identifies nobody: the value "
         r"is blocked, by `entities.customer.identifiers\[1\].blocked` or as one of the usual placeholders"),
        ("email:unknown", "`email:unknown` identifies nobody"),
        ("crm:00000000-0000-0000-0000-000000000000", "identifies nobody"),
        ("cookie: ", "identifies nobody"),
        ("email:ann", r"`email:ann` is no valid email: it does not match `entities.customer.identifiers\[1\].valid`"),
    ],
)  # fmt: skip
def test_what_no_event_can_carry_is_refused(pipeline: Pipeline, name: str, message: str) -> None:
    before = pipeline.dump()
    for verdict, names in (("quarantine", (name,)), ("same", ("cookie:a", name))):
        with pytest.raises(UsageError, match=message):
            say(pipeline, verdict, *names)
    assert pipeline.dump() == before


def test_two_names_of_one_identifier_are_no_pair(pipeline: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"`email:a@x.org` and `email:A@X.org` are one identifier"):
        say(pipeline, "same", "email:a@x.org", "email:A@X.org")


def test_nobody_decides_without_a_name_and_a_reason(pipeline: Pipeline) -> None:
    with pytest.raises(UsageError, match="Say why: --why TEXT"):
        say(pipeline, "quarantine", "cookie:a", why=" ")
    with pytest.raises(UsageError, match="Say who decides: --by NAME"):
        say(pipeline, "quarantine", "cookie:a", by=" ")
    say(pipeline, "quarantine", "cookie:a")
    with pytest.raises(UsageError, match="Say who decides: --by NAME"):
        unsay(pipeline, "quarantine", "cookie:a", by="")
    assert told(in_force(pipeline)) == ["quarantine cookie:a"]


def test_an_identifier_that_was_never_seen_is_known_by_its_name_and_told(pipeline: Pipeline) -> None:
    pipeline.write("landing/2026-02-01/web.ndjson", lines(row(1, cookie="a")))
    pipeline.run()
    made = say(pipeline, "same", "cookie:a", "cookie:b")
    assert [made.names[unseen] for unseen in made.unseen] == ["cookie:b"]
    say(pipeline, "same", "cookie:b", "cookie:c")
    values = pipeline.column("select v.value from kind.identifier_values as v order by v.value")
    assert values == ["a", "b", "c"]


# Who is the same as whom


def test_the_same_is_transitive_and_goes_by_the_smallest_id(pipeline: Pipeline, seed: int) -> None:
    pairs = [("a", "b"), ("c", "b"), ("d", "e"), ("e", "f"), ("f", "d"), ("f", "g")]
    random.Random(seed).shuffle(pairs)
    for one, other in pairs:
        say(pipeline, "same", f"cookie:{one}", f"cookie:{other}")
    say(pipeline, "different", "cookie:a", "cookie:d")
    found = in_force(pipeline)
    names = {name.removeprefix("cookie:"): identifier for identifier, name in found.names.items()}
    expected = {names[each]: min(names[end] for end in group) for group in ("abc", "defg") for each in group}
    assert found.same_classes() == expected
    assert found.contradictions() == []


def test_without_a_same_there_are_no_classes(pipeline: Pipeline) -> None:
    say(pipeline, "different", "cookie:a", "cookie:b")
    assert in_force(pipeline).same_classes() == {}
    assert in_force(pipeline).contradictions() == []


@pytest.mark.parametrize("last", ["same cookie:b cookie:c", "different cookie:a cookie:c"])
def test_a_contradiction_names_both_and_the_commands_that_end_it(pipeline: Pipeline, last: str) -> None:
    said = ["same cookie:a cookie:b", "same cookie:b cookie:c", "different cookie:a cookie:c"]
    said.remove(last)
    for each in said:
        say(pipeline, *each.split(), by="ann", why="a call")
    before = pipeline.dump()
    with pytest.raises(ContradictoryDecisions) as caught:
        say(pipeline, *last.split(), by="bob", why="a letter")
    assert pipeline.dump() == before

    every = [*caught.value.same, caught.value.different]
    assert [words.partition(",")[0] for words in every] == [
        "cookie:a and cookie:b: same",
        "cookie:b and cookie:c: same",
        "cookie:a and cookie:c: different",
    ]
    (asked,) = [words for words in every if "asked for now by bob (a letter)" in words]
    assert last.partition(" ")[0] in asked
    written = [words for words in every if words != asked]
    assert all("UTC by ann (a call)" in words for words in written)
    undo = [f"cdp decide {each.replace('cookie', 'customer/cookie')} --undo" for each in said]
    assert sorted(caught.value.undo) == sorted(undo)
    for words in (*every, *undo):
        assert words in str(caught.value)

    unsay(pipeline, *said[0].split())
    say(pipeline, *last.split())
    assert in_force(pipeline).contradictions() == []


def test_a_contradiction_tells_the_shortest_chain(pipeline: Pipeline) -> None:
    for pair in ("a b", "b c", "c d", "d e", "e f", "b e"):
        one, other = pair.split()
        say(pipeline, "same", f"cookie:{one}", f"cookie:{other}")
    with pytest.raises(ContradictoryDecisions) as caught:
        say(pipeline, "different", "cookie:a", "cookie:f")
    ends = [words.partition(": same")[0] for words in caught.value.same]
    assert ends == ["cookie:a and cookie:b", "cookie:b and cookie:e", "cookie:e and cookie:f"]


def test_a_name_of_odd_letters_is_quoted_in_the_command(pipeline: Pipeline) -> None:
    say(pipeline, "same", "cookie:it's", "cookie:b")
    say(pipeline, "same", "cookie:b", "cookie:c d")
    with pytest.raises(ContradictoryDecisions, match="'customer/cookie:c d' --undo") as caught:
        say(pipeline, "different", "cookie:it's", "cookie:c d")
    assert """'customer/cookie:it'"'"'s' customer/cookie:b --undo""" in caught.value.undo[0]


def test_a_run_refuses_contradictions_that_somebody_wrote_by_hand(pipeline: Pipeline) -> None:
    pipeline.write("landing/2026-02-01/web.ndjson", lines(row(1, cookie="a"), row(2, cookie="b")))
    pipeline.run()
    for each in ("same cookie:a cookie:b", "same cookie:b cookie:c", "quarantine cookie:z"):
        say(pipeline, *each.split())
    pipeline.execute(
        "update kind.decisions as d set verdict = 'different', identifier_id = x.a, other_id = x.c from ("
        "select s.identifier_id as a, t.other_id as c from kind.decisions as s "
        "join kind.decisions as t on t.identifier_id = s.other_id) as x where d.verdict = 'quarantine'"
    )
    before = pipeline.column("select m.entity_id from kind.entity_map as m order by 1")
    with pytest.raises(ContradictoryDecisions, match="cookie:a and cookie:c: different"):
        map_entities(pipeline.connection, pipeline.project, KIND, pipeline.new_run(), full=True)
    assert pipeline.column("select m.entity_id from kind.entity_map as m order by 1") == before


# What a decision does to the stages


def test_a_decision_and_its_withdrawal_make_a_run_due(pipeline: Pipeline) -> None:
    pipeline.run()
    assert stages_due(pipeline.connection, pipeline.project) == []
    say(pipeline, "quarantine", "cookie:a")
    assert stages_due(pipeline.connection, pipeline.project) == DUE
    done = pipeline.run()
    assert [asset for asset in DUE if done[asset].due.value != "changes"] == []
    assert stages_due(pipeline.connection, pipeline.project) == []
    unsay(pipeline, "quarantine", "cookie:a")
    assert stages_due(pipeline.connection, pipeline.project) == DUE


def test_decisions_outlive_runs_and_rebuilds(pipeline: Pipeline) -> None:
    pipeline.write("landing/2026-02-01/web.ndjson", lines(row(1, cookie="a", email="ann@x.org")))
    say(pipeline, "unstitch", "cookie:a", "email:ann@x.org")
    before = in_force(pipeline)
    pipeline.run()
    pipeline.run(full=True)
    assert in_force(pipeline) == before


def test_each_decision_leaves_its_figures_under_a_name_of_its_own(pipeline: Pipeline) -> None:
    say(pipeline, "quarantine", "cookie:a")
    say(pipeline, "quarantine", "cookie:b")
    unsay(pipeline, "quarantine", "cookie:a")
    rows = pipeline.query(
        "select m.entity, m.value, m.run from cdp.metrics as m where m.stage = 'customer/decisions' "
        "and m.metric = 'decisions_in_force' order by m.measured_at"
    )
    assert [each[:2] for each in rows] == [("customer", 1.0), ("customer", 2.0), ("customer", 1.0)]
    assert len({run for _, _, run in rows}) == 3

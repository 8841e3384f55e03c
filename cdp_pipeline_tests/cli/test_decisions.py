"""`cdp decide` and `cdp unstitch`: what they keep, what they say, and what they refuse."""

import re

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.opening import duckdb_path
from cdp_pipeline_tests.automation.tiny import every_row
from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_json import document
from cdp_pipeline_tests.cli.test_verbs import lines

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
WHY = ("--why", "they called", "--by", "eve")


pytestmark = pytest.mark.usefixtures("standing_in_the_project")


# A verdict with the identifiers that it names, and what the next run will do.
DECIDED = {
    ("same", "email:ann", "email:bob"): "makes email:ann and email:bob one customer, whatever limits say",
    ("different", "cookie:a", "cookie:b"): "keeps cookie:a and cookie:b apart, whatever links say",
    ("quarantine", "cookie:a"): "puts cookie:a into quarantine: it is nobody's and joins nobody",
    ("release", "cookie:a"): "takes cookie:a for an ordinary identifier, however many links it has",
    ("unstitch", "cookie:a", "email:ann"): "takes the links between cookie:a and email:ann out of use",
    ("unstitch", "cookie:a"): "takes all links of cookie:a out of use",
}


@pytest.mark.parametrize("words", DECIDED, ids=" ".join)
def test_a_decision_is_made_listed_and_taken_back(words: tuple[str, ...], cdp: Command) -> None:
    about = " and ".join(words[1:])
    made = cdp("decide", *words, *WHY)
    assert (made.code, made.err) == (0, "")
    assert lines(made.out) == [
        f"Decided: {words[0]}, {about}, by eve (they called)",
        f"Nothing has changed yet: the next `cdp run` {DECIDED[words]}.",
    ]
    title, head, listed = lines(cdp("decide", "list").out)
    assert (title, head) == ("Decisions in force", "number kind verdict about by at why")
    assert re.fullmatch(f"1 customer {words[0]} {re.escape(about)} eve {TIME} they called", listed)

    back = cdp("decide", *words, "--undo", "--by", "bob", "--why", "a mistake")
    first, second = lines(back.out)
    assert re.fullmatch(f"Withdrawn: {words[0]}, {re.escape(about)}, decided {TIME} by eve \\(they called\\)", first)
    assert second.endswith("the next `cdp run` goes by links and limits again, as if it had not been decided.")
    assert lines(cdp("decide", "list").out) == ["No decision is in force."]
    (_, _, listed) = lines(cdp("decide", "list", "--all").out)
    assert re.search(f"withdrawn {TIME} by bob \\(a mistake\\)$", listed)


def test_what_takes_the_place_of_another_says_so_and_the_list_can_show_both(cdp: Command) -> None:
    assert lines(cdp("decide", "list", "--all").out) == ["Nothing was ever decided."]
    cdp("decide", "same", "email:ann", "email:bob", *WHY)
    answer = cdp("decide", "different", "customer/email:bob", "email:ann", "--why", "twins", "--by", "bob")
    expected = rf"It takes the place of same, email:ann and email:bob, decided {TIME} by eve \(they called\)"
    assert re.fullmatch(expected, lines(answer.out)[1])
    (_, _, listed) = lines(cdp("decide", "list").out)
    assert listed.startswith("2 customer different email:bob and email:ann bob")
    rows = lines(cdp("decide", "list", "--all").out)[2:]
    assert [row.rpartition(" ")[2] for row in rows] == ["replaced", "force"]


def test_an_identifier_that_nobody_has_seen_is_noted(cdp: Command) -> None:
    answer = cdp("decide", "quarantine", "email:info@x.org", *WHY)
    assert lines(answer.out)[1] == "Note: email:info@x.org is not in use yet; the decision waits for it."


def test_unstitch_is_a_verb_of_its_own_too(cdp: Command) -> None:
    assert cdp("unstitch", "cookie:a", "email:ann", *WHY).code == 0
    assert "1 customer unstitch cookie:a and email:ann eve" in lines(cdp("decide", "list").out)[2]
    assert cdp("decide", "unstitch", "email:ann", "cookie:a", "--undo", "--by", "eve").code == 0
    assert cdp("unstitch", "cookie:b", *WHY).code == 0
    assert cdp("unstitch", "cookie:b", "--undo", "--by", "eve").code == 0
    assert lines(cdp("decide", "list").out) == ["No decision is in force."]


def test_who_decides_is_read_from_the_environment_unless_said(cdp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "login")
    assert "by login (" in cdp("decide", "release", "cookie:a", "--why", "a").out
    monkeypatch.setenv("USER", "user")
    assert "by user (" in cdp("decide", "release", "cookie:a", "--why", "a").out
    assert "by eve (" in cdp("decide", "release", "cookie:a", *WHY).out


REFUSED = {
    "no verdict": (("decide",), "Usage: cdp decide"),
    "an unknown verdict": (("decide", "erase", "cookie:a"), "No such command"),
    "one of two": (("decide", "same", "cookie:a", *WHY), "Missing argument"),
    "two of one": (("decide", "quarantine", "cookie:a", "cookie:b", *WHY), "unexpected extra argument"),
    "nobody decides": (("decide", "quarantine", "cookie:a", "--why", "a"), "Say who decides: --by NAME."),
    "no reason": (("decide", "quarantine", "cookie:a", "--by", "eve"), "Say why: --why TEXT."),
    "an entity": (("decide", "same", "entity_id:1", "cookie:a", *WHY), "Decisions are about identifiers"),
    "no identifier": (("decide", "same", "ann", "cookie:a", *WHY), "`ann` is no identifier."),
    "an unknown type": (("unstitch", "cookie:a", "fax:1", *WHY), "no type of identifier `fax`. There is: customer/"),
    "an unknown kind": (("decide", "release", "firm/email:a", *WHY), "no kind of entity `firm`. There is: customer."),
    "one identifier twice": (("decide", "same", "email:a", "customer/email:a", *WHY), "are one identifier"),
    "a blocked value": (("decide", "quarantine", "cookie:null", *WHY), "`cookie:null` identifies nobody"),
    "nothing to take back": (("unstitch", "cookie:a", "--undo", "--by", "eve"), "No decision `unstitch` about "),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_usage_ends_with_2_and_nothing_is_kept(case: str, cdp: Command, ran: Project) -> None:
    words, said = REFUSED[case]
    before = every_row(ran)
    answer = cdp(*words)
    assert answer.code == 2
    assert said in " ".join((answer.out + answer.err).split())
    assert "Traceback" not in answer.err
    assert every_row(ran) == before


def test_a_contradiction_ends_with_2_and_names_both(cdp: Command) -> None:
    cdp("decide", "same", "cookie:a", "cookie:b", *WHY)
    cdp("decide", "different", "cookie:a", "cookie:c", *WHY)
    answer = cdp("decide", "same", "cookie:b", "cookie:c", "--why", "a letter", "--by", "bob")
    assert (answer.code, answer.out) == (2, "")
    told = answer.err.splitlines()
    assert told[0] == "Decisions about customer contradict each other, for who is the same as a third is the same:"
    assert re.fullmatch(r"  cookie:a and cookie:b: same, decided .* UTC by eve \(they called\)", told[1])
    assert told[2] == "  cookie:b and cookie:c: same, asked for now by bob (a letter)"
    assert re.fullmatch(r"  cookie:a and cookie:c: different, decided .* UTC by eve \(they called\)", told[3])
    assert told[4:] == [
        "Nothing was changed. Withdraw one, with:",
        "  cdp decide same customer/cookie:a customer/cookie:b --undo",
        "  cdp decide different customer/cookie:a customer/cookie:c --undo",
    ]
    for command in told[5:]:
        assert cdp(*command.split()[1:], "--by", "eve").code == 0


def test_answers_in_json(cdp: Command) -> None:
    made = document(cdp("decide", "same", "email:ann", "cookie:z", *WHY, "--json"))
    assert made["decision"].pop("at").endswith("+00:00")
    assert made == {
        "decision": {
            "kind": "customer", "decision_id": 1, "verdict": "same", "one": "email:ann", "other": "cookie:z",
            "by": "eve", "why": "they called", "state": "in force",
            "withdrawn_by": None, "withdrawn_at": None, "withdrawn_why": None,
        },
        "replaces": None,
        "unseen": ["cookie:z"],
        "next_run": "makes email:ann and cookie:z one customer, whatever limits say",
    }  # fmt: skip
    (listed,) = document(cdp("decide", "list", "--json"))["decisions"]
    assert (listed["verdict"], listed["state"]) == ("same", "in force")
    gone = document(cdp("decide", "same", "email:ann", "cookie:z", "--undo", "--by", "bob", "--json"))
    assert gone["decision"]["state"] == "withdrawn"
    assert document(cdp("decide", "list", "--json")) == {"decisions": []}
    (listed,) = document(cdp("decide", "list", "--all", "--json"))["decisions"]
    assert (listed["state"], listed["withdrawn_by"], listed["withdrawn_why"]) == ("withdrawn", "bob", None)
    refused = document(cdp("unstitch", "cookie:a", "--json", "--undo", "--by", "eve"), 2)
    assert "is in force" in refused["errors"][0]["message"]


def test_the_list_only_reads(cdp: Command, ran: Project) -> None:
    cdp("decide", "release", "cookie:a", *WHY)
    before = duckdb_path(ran.warehouse, ran.folder).read_bytes()
    cdp("decide", "list")
    assert duckdb_path(ran.warehouse, ran.folder).read_bytes() == before


def test_where_nothing_has_run_there_is_nothing_to_list_but_something_to_decide(cdp: Command, ran: Project) -> None:
    duckdb_path(ran.warehouse, ran.folder).unlink()
    answer = cdp("decide", "list")
    assert (answer.code, answer.out) == (1, "")
    assert "Run `cdp run` first." in answer.err
    assert cdp("decide", "release", "cookie:a", *WHY).code == 0


def test_the_next_run_takes_it_in(cdp: Command) -> None:
    assert "Nothing new" in cdp("run").out
    cdp("decide", "quarantine", "cookie:a", *WHY)
    answer = cdp("run")
    assert answer.code == 0, answer
    assert "Nothing new" not in answer.out
    assert "Nothing new" in cdp("run").out

"""`cdp replay`, `restitch`, `recalculate`, `status` and `erase`: what they do, what they say, and what they refuse."""

import json
import re

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.session import open_session
from cdp_pipeline_tests.automation.tiny import every_row, runs
from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_json import document
from cdp_pipeline_tests.cli.test_verbs import lines

WHO = ("--why", "request 12", "--by", "eve")


pytestmark = pytest.mark.usefixtures("standing_in_the_project")


def test_replay_says_that_nothing_changed_or_that_somebody_is_at_work(ran: Project, cdp: Command) -> None:
    assert document(cdp("replay", "--json"))["skipped"] == "nothing_changed"
    with open_session(ran, "another", lambda _: None):
        assert document(cdp("replay", "--json"))["skipped"] == "running"
        status = document(cdp("status", "--json"))
    assert (status["readable"], status["holder"]["run"]) == (False, "another")


def test_what_was_done_again_leaves_all_as_it_was(ran: Project, cdp: Command) -> None:
    before = every_row(ran)
    dry = document(cdp("recalculate", "--all", "--dry-run", "--json"))
    assert (dry["dry_run"], [each["profiles"] > 0 for each in dry["kinds"]]) == (True, [True])
    assert every_row(ran) == before
    for words in (("recalculate", "email:ann"), ("restitch", "email:ann"), ("restitch", "--all")):
        done = document(cdp(*words, "--json"))
        assert [(each["events"], each["profiles_changed"]) for each in done["kinds"]] == [(0, 0)], words
    assert [status for *_, status in runs(ran)[-3:]] == ["done"] * 3
    refused = cdp("recalculate")
    assert (refused.code, "TYPE:VALUE each, or say --all" in refused.err) == (2, True)
    assert "belongs to nobody" in cdp("restitch", "email:nobody-at-all").err


def test_a_project_without_context_values_has_none_to_renew(ran: Project, cdp: Command) -> None:
    assert document(cdp("refresh-context", "--json"))["skipped"] == "no_context"
    refused = cdp("refresh-context", "deciles")
    assert (refused.code, "`deciles` names no context value" in refused.err) == (2, True)


def test_status_tells_what_is_due(ran: Project, cdp: Command) -> None:
    told = lines(cdp("status").out)
    assert told[0] == "Warehouse held by nobody"
    assert re.fullmatch(r"Last run done, .* seconds.*", told[1])
    assert told[2:5] == ["To land nothing new", "Due nothing", "Queues customer: empty"]
    (ran.folder / "landing" / "2026-01-04").mkdir(parents=True, exist_ok=True)
    found = document(cdp("status", "--json"))
    assert (found["holder"], found["due"], found["unfinished_erasures"]) == (None, [], 0)
    assert {cursor["stage"] for cursor in found["cursors"]} >= {"customer/entity_map", "customer/profiles"}


def test_an_erasure_is_shown_asked_for_and_receipted(
    ran: Project, cdp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = every_row(ran)
    shown = cdp("erase", "email:ann", "--dry-run")
    assert "email:ann" in shown.out
    assert (cdp("erase", "email:ann").code, cdp("erase").code) == (2, 2)
    assert cdp("erase", "email:ann", "--json", *WHO).code == 2
    monkeypatch.setattr("typer.confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert cdp("erase", "email:ann", *WHO).code == 130
    assert every_row(ran) == before

    done = document(cdp("erase", "email:ann", *WHO, "--yes", "--json"))
    assert done["still_found"] == {}
    assert runs(ran)[-1][1:] == ("", "done")
    assert json.loads(done["receipt"]["removed"])["cdp.customer_events"] > 0
    assert "Nobody is known by email ann" in cdp("profile", "email:ann").err
    (_, _, receipt) = lines(cdp("erase", "--receipts").out)
    assert re.fullmatch(r"1 customer person [0-9a-f-]{36} eve request 12 .* verified", receipt)

"""`cdp verify`, as the README tells it: in lines, as JSON, by its exit code."""

import json

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.tiny import change, every_row
from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_verbs import lines


def test_the_same(cdp: Command, ran: Project) -> None:
    before = every_row(ran)
    answer = cdp("verify", "--project", ran.folder)
    assert answer.code == 0, answer
    told = lines(answer.out)
    assert "stitched_events 7 0" in told
    assert told[-1] == "The same: what is published is exactly what a rebuild gives."
    assert [line for line in lines(answer.err) if "steps" in line][-1] == "customer/attribute_counts: 8 of 8 steps"
    assert every_row(ran) == before


def test_what_differs_is_told_with_values_and_not_changed(cdp: Command, ran: Project) -> None:
    change(ran, "update kind.profiles as p set n_events = 70 where p.person_key = 'ann'")
    before = every_row(ran)
    answer = cdp("verify", "--project", ran.folder)
    assert answer.code == 1, answer
    told = lines(answer.out)
    assert "profiles 2 1" in told
    place = next(number for number, line in enumerate(told) if line.startswith("profiles, entity_id email:ann ("))
    assert told[place + 1 : place + 3] == ["published: n_events 70", "a rebuild gives: n_events 5"]
    assert told[-1].endswith("`cdp run --full` publishes what a rebuild gives.")
    assert every_row(ran) == before

    answer = cdp("verify", "--json", "--project", ran.folder)
    assert (answer.code, answer.err) == (1, "")
    (customers,) = json.loads(answer.out)["kinds"]
    (profiles,) = (table for table in customers["tables"] if table["differing"])
    assert (profiles["table"], profiles["differences"][0]["published"][0]["n_events"]) == ("profiles", 70)


def test_before_the_first_run(cdp: Command, fresh: Project) -> None:
    answer = cdp("verify", "--project", fresh.folder)
    assert (answer.code, answer.out) == (1, "")
    assert "Run `cdp run` first" in answer.err

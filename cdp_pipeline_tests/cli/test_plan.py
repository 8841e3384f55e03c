"""`cdp plan`, as the README tells it: in lines, and as JSON."""

import json

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.tiny import THIRD, every_row, land, row
from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_verbs import lines

FUSED = ("\"payload->>'email'\"", "\"coalesce(payload->>'email', 'ann')\"")


def edit(project: Project, *replaced: tuple[str, str]) -> None:
    file = project.folder / "project.yaml"
    text = file.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def test_nothing_would_change(cdp: Command, ran: Project) -> None:
    before = every_row(ran)
    answer = cdp("plan", "--project", ran.folder)
    assert answer.code == 0, answer
    assert lines(answer.out) == ["Nothing would change: what is published is what the project says."]
    assert every_row(ran) == before


def test_an_edit_is_told_and_not_done(cdp: Command, ran: Project) -> None:
    before = every_row(ran)
    column = "{id: n_events, description: How often seen., type: expression, value: count(*)}"
    columns = "{id: n_events, type: expression, value: 2 * count(*)}\n      - {id: last, type: max, value: event_time}"
    edit(ran, FUSED, (column, columns))
    land(ran.folder, THIRD, [row(9, THIRD, cookie="z")])
    answer = cdp("plan", "--project", ran.folder)
    assert answer.code == 0, answer
    told = lines(answer.out)
    assert told[0].startswith("Note: A run would land first: landing/web/2026-01-03/events.ndjson. A plan does not")
    assert told[1:3] == [
        "customer",
        "customer/event_identifiers: all of it again (the project defines it in another way)",
    ]
    assert "people 2 2" in told
    assert "events 1 would go to somebody else" in told
    assert "Columns that come: last" in told
    assert any(line.startswith("n_events 2 ") and "→" in line for line in told), told
    assert told[-1] == "Nothing was changed. `cdp run` does it."
    assert [line for line in lines(answer.err) if "steps" in line][-1] == "customer/profiles: 8 of 8 steps"
    assert every_row(ran) == before


def test_values_responsible_are_told(cdp: Command, ran: Project) -> None:
    edit(ran, ("identifier: email, value: \"payload->>'email'\"", "identifier: email, value: \"'ann'\""))
    told = lines(cdp("plan", "--project", ran.folder).out)
    assert "email:ann 2" in told[told.index("Values that would join several people") :]


def test_as_json(cdp: Command, ran: Project) -> None:
    edit(ran, ("identifier: email, value: \"payload->>'email'\"", "identifier: email, value: \"'ann'\""))
    answer = cdp("plan", "--json", "--project", ran.folder)
    assert (answer.code, answer.err) == (0, "")
    told = json.loads(answer.out)
    assert told["changes_nothing"] is False
    (customers,) = told["kinds"]
    assert customers["people"] == {"before": 2, "after": 1, "merged": 1, "split": 0, "appeared": 0, "vanished": 0,
                                   "renamed": 0}  # fmt: skip
    assert "ann" in [each["value"] for each in customers["responsible"]]


def test_before_the_first_run_and_on_a_wrong_project(cdp: Command, fresh: Project) -> None:
    answer = cdp("plan", "--project", fresh.folder)
    assert (answer.code, answer.out) == (1, "")
    assert "Run `cdp run` first" in answer.err
    edit(fresh, ("type: sum", "type: total"))
    assert cdp("plan", "--project", fresh.folder).code == 2

"""What each verb does, as the README tells it; nobody looks at a terminal here, so all of it is plain lines."""

import json
import re
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, THIRD, land, published, row, runs
from cdp_pipeline_tests.cli.conftest import Answer, Command

# Colours, and what tables are ruled with.
ORNAMENT = re.compile(r"[\x1b\u2500-\u257f]")
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def lines(text: str) -> list[str]:
    """Return the lines of a text, with one blank between the words."""
    assert not ORNAMENT.search(text)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_new_project_runs_and_shows_a_person(cdp_on_disk: Command, folder: Path) -> None:
    cdp = cdp_on_disk
    place = folder / "my-project"
    made = cdp("init", place)
    assert made.code == 0
    assert lines(made.out) == [
        f"Made {place} with 4 files. Next:",
        f"cdp run --project {place}",
        f"cdp profile email:ann@example.org --project {place}",
    ]

    ran = cdp("run", "--project", place)
    assert ran.code == 0, ran
    told = lines(ran.out)
    assert told[:6] == [
        "Landed rows are events or rejected rows",
        "source days landed events rejected of these duplicates adds up",
        "web 2 7 7 0 0 every day",
        "Who is who",
        "kind found identifiers events of somebody share",
        "customer 2 4 7 7 100.0%",
    ]
    assert re.fullmatch(rf"The journey of one customer \(entity {UUID}\)", told[6])
    assert (place / ".dagster" / "dagster.yaml").exists()
    assert re.fullmatch(rf"Run {UUID} done\. It is in Dagster's UI with its figures and checks\.", told[-1])
    steps = ("customer_events", "customer/event_identifiers", "customer/identity_graph", "customer/entity_map",
             "customer/stitched_events", "customer/profiles", "metrics", "health", "same_as_rebuild")  # fmt: skip
    wanted = [f"{step}: {number} of 9 steps" for number, step in enumerate(steps, start=1)]
    assert [line for line in lines(ran.err) if line.endswith("steps")] == wanted

    shown = cdp("profile", "email:ann@example.org", "--project", place)
    assert shown.code == 0
    told = lines(shown.out)
    assert re.fullmatch(f"customer {UUID}", told[0])
    assert "email ann@example.org 2026-01-02 08:00:00 2026-01-02 08:30:00 2" in told
    assert "n_events 6" in told
    assert "first_seen 2026-01-01 09:00:00" in told
    assert "2026-01-02 08:40:00 web order e7" in told
    journey = ["cookie laptop-1 (new): page_view, order", "cookie phone-1 (new): page_view",
               "email ann@example.org (new): login ×2", "cookie phone-1: order"]  # fmt: skip
    assert [line.partition(" on web as ")[2] for line in told[-4:]] == journey


def test_a_run_tells_what_it_kept_apart(cdp: Command, fresh: Project) -> None:
    file = fresh.folder / "project.yaml"
    text = file.read_text()
    file.write_text(text.replace("{type: email, pii: true}", "{type: email, max_per_entity: 1, pii: true}"))
    land(fresh.folder, THIRD, [row(7, THIRD, cookie="b", email="ann"), row(9, THIRD, cookie="b", email="bob")])
    told = lines(cdp("run", "--project", fresh.folder).out)
    assert "Kept apart, customer: 1 shared identifier, 1 refused link, 0 identifiers in quarantine" in told

    file.write_text(text.replace("{type: email, pii: true}", "{type: email, max_links: 1, pii: true}"))
    (customers,) = json.loads(cdp("run", "--json", "--project", fresh.folder).out)["kinds"]
    assert [customers[name] for name in ("shared", "refused_links", "quarantined")] == [0, 0, 2]


def test_every_way_to_name_a_person_shows_the_same(cdp: Command, ran: Project) -> None:
    first = cdp("profile", "email:ann", "--project", ran.folder)
    (entity,) = re.findall(rf"customer ({UUID})", first.out)[0][:1]
    for name in ("customer/email:ann", "cookie:a", "customer/cookie:b", f"entity_id:{entity}"):
        assert cdp("profile", name, "--project", ran.folder) == first, name


def test_what_is_valid_is_told_in_numbers(cdp: Command, ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["tiny is valid. Sources: web.", "customer: 2 identifiers, 2 rules, 2 attributes"]
    assert lines(cdp("validate", "--project", ran.folder).out) == told
    monkeypatch.setenv("CDP_PROJECT", str(ran.folder))
    assert lines(cdp("validate").out) == told
    monkeypatch.delenv("CDP_PROJECT")
    monkeypatch.chdir(ran.folder)
    assert lines(cdp("validate").out) == told


def test_days_are_replaced_both_ends_included(cdp: Command, ran: Project) -> None:
    for day in (FIRST, SECOND, THIRD):
        land(ran.folder, day, DAYS[day][:1])
    answer = cdp("run", "--project", ran.folder, "--from", FIRST, "--to", SECOND)
    assert answer.code == 0, answer
    assert "web 3 3 3 0 0 every day" in lines(answer.out)
    assert sorted(row[2] for row in published(ran)["cdp.customer_events"]) == ["e1", "e4", "e7"]
    assert runs(ran)[-1][1:] == ("2026-01-01..2026-01-02", "done")


def test_a_full_run_keeps_what_is_published(cdp: Command, ran: Project) -> None:
    before = published(ran)
    answer = cdp("run", "--project", ran.folder, "--full")
    assert answer.code == 0, answer
    assert published(ran) == before
    assert "Nothing new" not in answer.out


def test_rejected_rows_are_told_with_their_reasons_and_failed_checks_by_name(cdp: Command, fresh: Project) -> None:
    text = (fresh.folder / "project.yaml").read_text().replace("0.2", "0.01")
    (fresh.folder / "project.yaml").write_text(text)
    answer = cdp("run", "--project", fresh.folder)
    assert answer.code == 0, answer
    told = lines(answer.out)
    assert "web 3 9 7 2 1 every day" in told
    assert "Rejected: duplicate 1, invalid: no readable time 1" in told
    assert "Checks that did not pass: cdp/customer_events rejected_share" in told


def test_a_vanished_file_and_a_day_to_come_are_noted(cdp: Command, ran: Project) -> None:
    (ran.folder / "landing/web/2026-01-01/events.ndjson").unlink()
    land(ran.folder, THIRD.replace(day=9), [])
    answer = cdp("run", "--project", ran.folder)
    assert lines(answer.out) == [
        "Note: landing/web/2026-01-01/events.ndjson lies there no more; its events stay until its day is replaced.",
        "Note: landing/web/2026-01-09/events.ndjson is of a day that has not come yet, and waits.",
        "Nothing new: no row was changed and no run was launched.",
    ]


def test_demo_data_is_written_once_and_only_where_nothing_else_lies(cdp: Command, fresh: Project) -> None:
    few = ("--people", 4, "--days", 2)
    refused = cdp("demo-data", "--project", fresh.folder, *few)
    assert refused.code == 2
    assert "holds files that `cdp demo-data` did not write" in refused.err

    (fresh.folder / "landing/web/2026-01-01/events.ndjson").unlink()
    place = fresh.folder.parent / "shop"
    place.mkdir()
    (place / "project.yaml").write_text((fresh.folder / "project.yaml").read_text())
    written = cdp("demo-data", "--project", place, *few)
    assert written.code == 0
    assert re.match(rf"Wrote \d+ rows of 4 people over 2 days to {place}/landing: \d+ events, ", written.out)
    files = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    again = cdp("demo-data", "--project", place, "--if-missing")
    assert again == Answer(0, f"{place}/landing is there already (4 people, 2 days).\n", "")
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == files


def test_the_schema_accepts_the_project_that_init_makes(cdp: Command, folder: Path) -> None:
    cdp("init", folder / "new")
    load_valid_project(folder / "new", {})
    schema = json.loads(cdp("schema").out)
    assert {"name", "warehouse", "start", "sources", "entities"} <= set(schema["properties"])

"""With --json, every verb answers in one JSON document on standard output, and in nothing else."""

import json
from pathlib import Path
from typing import Any

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.tiny import FIRST, row
from cdp_pipeline_tests.cli.conftest import Answer, Command


def document(answer: Answer, code: int = 0) -> Any:
    """Return the one document of an answer."""
    assert answer.code == code, answer
    return json.loads(answer.out)


def test_a_new_project(cdp: Command, folder: Path) -> None:
    answer = cdp("init", folder / "new", "--json")
    assert answer.err == ""
    made = document(answer)
    assert made["folder"] == str(folder / "new")
    assert all(Path(file).is_file() for file in made["files"])
    again = cdp("init", folder / "new", "--json")
    assert "makes new projects only" in document(again, 2)["errors"][0]["message"]


def test_the_schema(cdp: Command) -> None:
    assert document(cdp("schema", "--json")) == document(cdp("schema"))


def test_a_valid_project(cdp: Command, ran: Project) -> None:
    assert document(cdp("validate", "--json", "--project", ran.folder)) == {
        "project": "tiny",
        "sources": ["web"],
        "entities": {"customer": {"identifiers": 2, "rules": 2, "attributes": 2}},
    }


def test_demo_data(cdp: Command, folder: Path, ran: Project) -> None:
    (folder / "project.yaml").write_text((ran.folder / "project.yaml").read_text())
    words = ("demo-data", "--json", "--project", folder, "--people", 4, "--days", 2, "--seed", 3)
    answer = cdp(*words)
    assert answer.err == ""
    written = document(answer)
    assert (written["people"], written["days"], written["seed"]) == (4, 2, 3)
    assert written["facts"]["events"] > 0
    assert document(cdp(*words, "--if-missing"))["facts"] is None


def test_a_run(cdp: Command, fresh: Project) -> None:
    answer = cdp("run", "--json", "--project", fresh.folder)
    assert answer.err == ""
    told = document(answer)
    assert told["success"] is True
    assert (told["failures"], told["failed_checks"], told["notes"]) == ({}, [], [])
    first = {"source": "web", "day": "2026-01-01", "landed": 3, "events": 3, "rejected": 0, "duplicates": 0}
    first |= {"superseded": 0, "deleted": 0}
    assert told["landed"][0] == first
    assert told["reasons"] == [["web", "duplicate", 1], ["web", "invalid: no readable time", 1]]
    (customers,) = told["kinds"]
    assert (customers["entities"], customers["events"], customers["stitched"]) == (2, 7, 6)
    assert [customers[name] for name in ("shared", "refused_links", "quarantined")] == [0, 0, 0]
    assert told["journey"]["stretches"][0]["start"] == "2026-01-01T10:00:00+00:00"

    nothing = document(cdp("run", "--json", "--project", fresh.folder))
    assert (nothing["run"], nothing["success"]) == (None, True)


def test_a_run_that_fails(cdp: Command, fresh: Project) -> None:
    file = fresh.folder / "landing/web/2026-01-02/broken.ndjson.gz"
    file.write_bytes(b"no gzip")
    told = document(cdp("run", "--json", "--project", fresh.folder), 1)
    assert told["success"] is False
    assert str(file) in told["failures"]["customer_events"]


def test_a_person(cdp: Command, ran: Project) -> None:
    answer = cdp("profile", "email:ann", "--json", "--project", ran.folder)
    assert answer.err == ""
    told = document(answer)
    known = [(each["type"], each["value"]) for each in told["identifiers"]]
    assert (known[0], sorted(known[1:])) == (("email", "ann"), [("cookie", "a"), ("cookie", "b")])
    assert told["attributes"]["n_events"] == 5
    assert told["last_events"][0] == {
        "time": "2026-01-03T10:00:00+00:00",
        "source": "web",
        "type": "view",
        "id": row(7, FIRST)["id"],
    }
    nobody = cdp("profile", "email:eve", "--json", "--project", ran.folder)
    assert "Nobody is known by email eve" in document(nobody, 2)["errors"][0]["message"]

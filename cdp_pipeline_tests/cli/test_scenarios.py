"""`cdp test`, as the README tells it: verdicts in lines or as JSON, and exit codes."""

import json
from pathlib import Path

from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_verbs import lines


def test_a_new_project_has_tests_that_pass(cdp: Command, folder: Path) -> None:
    place = folder / "my-project"
    cdp("init", place)
    answer = cdp("test", "--project", place)
    assert answer.code == 0, answer
    told = lines(answer.out)
    assert told[0].startswith("ok a log-in brings home what the visitor did before it tests/log-in.yaml:4, ")
    assert told[-1] == "2 passed."
    assert not (place / "warehouse.duckdb").exists()
    assert not (place / ".dagster").exists()


def test_what_fails_is_told_and_ends_with_1(cdp: Command, folder: Path) -> None:
    place = folder / "my-project"
    cdp("init", place)
    file = place / "tests" / "log-in.yaml"
    file.write_text(file.read_text().replace("people: 2", "people: 1"))
    answer = cdp("test", "strangers", "--project", place)
    assert answer.code == 1
    told = lines(answer.out)
    assert told[0].startswith("FAILED visitors who never log in are strangers tests/log-in.yaml:16, ")
    assert told[1:] == [
        "tests/log-in.yaml:22: expected: 1 people",
        "found: 2: {cookie:phone}; {cookie:laptop}",
        "0 passed, 1 failed.",
    ]
    in_json = cdp("test", "strangers", "--json", "--project", place)
    assert (in_json.code, in_json.err) == (1, "")
    report = json.loads(in_json.out)
    assert (report["passed"], report["failed"]) == (0, 1)
    (test,) = report["tests"]
    assert test["failures"] == [
        {"line": 22, "expected": "1 people", "found": "2: {cookie:phone}; {cookie:laptop}", "why": ""}
    ]


def test_a_wrong_file_ends_with_2_and_its_line(cdp: Command, folder: Path) -> None:
    place = folder / "my-project"
    cdp("init", place)
    (place / "tests" / "wrong.yaml").write_text("name: wrong\nevents: []\nexpect: {peeple: 1}\n")
    answer = cdp("test", "--project", place)
    assert (answer.code, answer.out) == (2, "")
    assert "tests/wrong.yaml:3: expect.peeple: 'peeple' is not a key" in answer.err
    assert "Did you mean people?" in answer.err
    (error, *_) = json.loads(cdp("test", "--json", "--project", place).out)["errors"]
    assert (error["file"], error["line"]) == ("tests/wrong.yaml", 3)
    assert cdp("test", "nothing of that name", "--project", place).code == 2

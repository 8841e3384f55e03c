"""A project with ten different mistakes tells all ten at once, each with file, line, path and a way out."""

import json
import re
from pathlib import Path

from cdp_pipeline_tests.automation.processes import run
from cdp_pipeline_tests.cli.conftest import Command

# Of the file's shape, of what it refers to, of expressions over events, and of attributes in another file.
BROKEN = """\
name: broken
warehouse: mysql://somewhere/else
start: 2026-02-30
sources:
  web:
    files: landing/web/*
    event: {id: id, type: type, time: at}
entities:
  customer:
    identifiers: [{type: email, normalise: [trim]}, {type: cookie}]
    stitching:
      - {identifier: fax, value: "payload->>'fax'"}
      - {source: wbe, identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "(select email from people)"}
    attributes: {files: attributes/*.yaml}
"""
ATTRIBUTES = """\
- {id: revenue, type: sum, value: "payload->>'total'"}
- {id: Revenue, type: summ, value: payload}
"""
PLACES = [
    ("attributes/money.yaml", 1, "entities.customer.attributes[0].value"),
    ("attributes/money.yaml", 2, "entities.customer.attributes[1].id"),
    ("attributes/money.yaml", 2, "entities.customer.attributes[1].type"),
    ("project.yaml", 2, "warehouse"),
    ("project.yaml", 3, "start"),
    ("project.yaml", 6, "sources.web.files"),
    ("project.yaml", 10, "entities.customer.identifiers[0].normalise"),
    ("project.yaml", 12, "entities.customer.stitching[0].identifier"),
    ("project.yaml", 13, "entities.customer.stitching[1].source"),
    ("project.yaml", 14, "entities.customer.stitching[2].value"),
]


def write_broken(folder: Path) -> Path:
    (folder / "attributes").mkdir()
    (folder / "attributes" / "money.yaml").write_text(ATTRIBUTES)
    (folder / "project.yaml").write_text(BROKEN)
    return folder


def test_ten_mistakes_are_told_at_once_each_with_its_place(cdp: Command, folder: Path) -> None:
    write_broken(folder)
    answer = cdp("validate", "--project", folder)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 10
    told = [re.fullmatch(r"([\w/.]+):(\d+): ([\w.\[\]]+): (.+)", line) for line in answer.err.splitlines()]
    assert all(told), answer.err
    assert [(found[1], int(found[2]), found[3]) for found in told if found] == PLACES


def test_mistakes_are_data_for_scripts(cdp: Command, folder: Path) -> None:
    answer = cdp("validate", "--json", "--project", write_broken(folder))
    assert answer.code == 2
    errors = json.loads(answer.out)["errors"]
    assert [(error["file"], error["line"], error["path"]) for error in errors] == PLACES
    assert all(error["message"] for error in errors)


def test_no_verb_begins_to_work_on_a_broken_project(folder: Path) -> None:
    write_broken(folder)
    before = sorted(folder.rglob("*"))
    done = run("cdp", "run", variables={"CDP_PROJECT": str(folder)})
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == len(PLACES)
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before

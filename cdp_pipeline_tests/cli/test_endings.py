"""How commands end when they cannot do what was asked: exit code, a sentence, no traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.opening import duckdb_path
from cdp_pipeline_tests.automation.processes import run
from cdp_pipeline_tests.automation.tiny import FIRST, THIRD, every_row, land, landing_file, open_tables, row, runs
from cdp_pipeline_tests.cli.conftest import Command


class Refused(NamedTuple):
    """A command line, and a part of what it says."""

    words: tuple[str, ...]
    said: str


USAGE = {
    "no verb": Refused((), "Usage: cdp"),
    "an unknown verb": Refused(("stitch",), "No such command"),
    "an unknown option": Refused(("run", "--bogus"), "No such option"),
    "no day": Refused(("run", "--from", "yesterday"), "'--from'"),
    "only one end": Refused(("run", "--from", "2026-01-01"), "--from and --to go together"),
    "only the other end": Refused(("run", "--to", "2026-01-01"), "--from and --to go together"),
    "ends in the wrong order": Refused(
        ("run", "--from", "2026-01-02", "--to", "2026-01-01"), "--from 2026-01-02 lies after --to 2026-01-01."
    ),
    "days before the project's": Refused(
        ("run", "--from", "2025-12-31", "--to", "2026-01-01"), "go from 2026-01-01 to 2026-01-03."
    ),
    "days after the project's": Refused(
        ("run", "--from", "2026-01-03", "--to", "2026-01-04"), "go from 2026-01-01 to 2026-01-03."
    ),
    "nobody named": Refused(("profile",), "Missing argument"),
    "no colon": Refused(("profile", "ann"), "Write TYPE:VALUE or KIND/TYPE:VALUE"),
    "no value": Refused(("profile", "email:"), "Write TYPE:VALUE or KIND/TYPE:VALUE"),
    "an unknown type": Refused(("profile", "fax:1"), "no type of identifier `fax`. There is: customer/email"),
    "an unknown kind": Refused(("profile", "firm/email:ann"), "no kind of entity `firm`. There is: customer."),
    "nobody known": Refused(("profile", "email:eve"), "Nobody is known by email eve"),
    "no entity id": Refused(("profile", "entity_id:7"), "`7` is no entity id"),
    "an entity id never issued": Refused(("profile", f"entity_id:{'0' * 32}"), "Nobody is known by entity_id"),
    "a number too small": Refused(("demo-data", "--people", "0"), "'--people'"),
    "a project that is there": Refused(("init", "."), "makes new projects only"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_ends_with_2_and_says_what_can_be(
    case: str, cdp: Command, ran: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran.folder)
    before = duckdb_path(ran.warehouse, ran.folder).stat()
    answer = cdp(*USAGE[case].words)
    assert answer.code == 2
    assert USAGE[case].said in answer.out + answer.err
    assert "Traceback" not in answer.err
    assert (answer.out == "") is (case != "no verb")
    assert duckdb_path(ran.warehouse, ran.folder).stat().st_size == before.st_size


def test_days_that_have_not_come_cannot_be_replaced(cdp: Command, ran: Project) -> None:
    text = (ran.folder / "project.yaml").read_text().replace("end: 2026-01-03", "end: 2999-01-01")
    (ran.folder / "project.yaml").write_text(text)
    answer = cdp("run", "--project", ran.folder, "--from", "2026-01-01", "--to", "2998-01-01")
    assert answer.code == 2
    assert "(today)." in answer.err


def test_no_project_is_a_wrong_project(cdp: Command, folder: Path) -> None:
    for words in (("validate",), ("run",), ("profile", "email:ann"), ("demo-data",)):
        answer = cdp(*words, "--project", folder)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == f"project.yaml: is not there: {folder} has no such file. Is it the folder that you mean?\n"
    assert list(folder.iterdir()) == []


UNREADABLE = {
    "no gzip at all": ("events.ndjson.gz", b"no gzip"),
    "gzip that ends too early": ("events.ndjson.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56"),
    "no zstandard at all": ("events.csv.zst", b"no zstandard"),
    "no Parquet at all": ("events.parquet", b"PAR1 no parquet PAR1"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_ends_the_run_and_is_named(case: str, cdp: Command, fresh: Project) -> None:
    name, content = UNREADABLE[case]
    file = landing_file(fresh.folder, THIRD).with_name(name)
    file.write_bytes(content)
    answer = cdp("run", "--project", fresh.folder)
    assert answer.code == 1
    assert f"customer_events failed: {file}: cannot be read as" in answer.out
    assert "Mend the file or take it away" in answer.out
    assert "Traceback" not in answer.out + answer.err
    assert [status for _, _, status in runs(fresh)] == ["failed"]
    assert every_row(fresh)["cdp.customer_events"] == []


def test_data_of_a_day_before_the_start_ends_the_run(cdp: Command, ran: Project) -> None:
    early = FIRST.replace(year=2025)
    land(ran.folder, early, [row(1, early)])
    answer = cdp("run", "--project", ran.folder)
    assert (answer.code, answer.out) == (1, "")
    assert "landing/web/2025-01-01/events.ndjson is of 2025-01-01, before the project's start." in answer.err
    assert "Set `start: 2025-01-01`" in answer.err


def test_somebody_elses_schema_is_not_touched(cdp: Command, fresh: Project) -> None:
    with open_tables(fresh) as connection:
        connection.run(from_tree("schema", exp.Create(this=exp.table_(None, db="customer"), kind="SCHEMA")))
    answer = cdp("run", "--project", fresh.folder)
    assert (answer.code, answer.out) == (1, "")
    assert "already has a schema `customer`" in answer.err
    assert "Rename ours by the key `schema` in project.yaml" in answer.err


def test_a_warehouse_that_somebody_has_open_is_told(cdp: Command, ran: Project) -> None:
    program = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(duckdb_path(ran.warehouse, ran.folder))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        answer = cdp("run", "--project", ran.folder)
        assert other.stdin is not None
        other.stdin.close()
    assert (answer.code, answer.out) == (1, "")
    assert "another process has it open (a notebook or a DuckDB shell, perhaps)" in answer.err


def test_an_interrupt_leaves_no_traceback(cdp: Command, ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cdp_pipeline.validation.load_valid_project", interrupted)
    answer = cdp("validate", "--project", ran.folder)
    assert answer.code in (1, 130)
    assert "Traceback" not in answer.err


def test_the_installed_command_is_this_one(ran: Project) -> None:
    done = run("cdp", "profile", "email:eve", variables={"CDP_PROJECT": str(ran.folder)}, cwd=Path(os.sep))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Nobody is known by email eve.")

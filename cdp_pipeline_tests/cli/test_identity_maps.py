"""Identity maps as the command shows them: columns are checked, a map alone makes a run, a map that is gone goes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.lock import writer_lock
from cdp_pipeline.warehouse.opening import lock_path
from cdp_pipeline_tests.automation.tiny import TINY, change, copy_of, every_row, quick_folder, write_tiny
from cdp_pipeline_tests.automation.tiny import run_without_dagster as run_stages
from cdp_pipeline_tests.cli.conftest import Command

MAPS = """\
    identity_maps:
      - {table: raw.people, primary: {type: cookie, column: id}, persons: {email: mail}, mode: snapshot}
"""
MAPPED = TINY + MAPS
PATH = "project.yaml:18: entities.customer.identity_maps[0]"
NOT_CHECKED = "Note: the columns of identity maps were not checked, because the warehouse is not there yet or cannot be"


@pytest.fixture(scope="module")
def mapped_once() -> Iterator[Path]:
    """Return the folder of a project with a map that has run."""
    with quick_folder() as folder:
        plain = write_tiny(folder / "tiny")
        run_stages(plain)
        change(plain, "create schema raw")
        change(plain, "create table raw.people as select 'c' as id, 'ann' as mail")
        run_stages(write_tiny(folder / "tiny", MAPPED, {}))
        yield plain.folder


@pytest.fixture
def mapped(mapped_once: Path, folder: Path) -> Project:
    return copy_of(mapped_once, folder / "tiny")


def test_columns_of_maps_are_checked_where_the_warehouse_can_be_opened(cdp: Command, mapped: Project) -> None:
    said = cdp("validate", "--project", mapped.folder)
    assert (said.code, NOT_CHECKED in said.out) == (0, False)
    write_tiny(mapped.folder, MAPPED.replace("email: mail", "email: e_mail"), {})
    wanted = f"{PATH}.persons.email: raw.people has no column e_mail. It has id, mail.\n"
    assert cdp("validate", "--project", mapped.folder) == (2, "", wanted)
    before = every_row(mapped)
    assert cdp("run", "--project", mapped.folder) == (2, "", wanted)
    assert every_row(mapped) == before
    write_tiny(mapped.folder, MAPPED.replace("raw.people", "raw.persons"), {})
    assert "the warehouse has no table raw.persons." in cdp("validate", "--project", mapped.folder).err


def test_where_it_cannot_that_is_said_and_nothing_is_waited_for_or_made(cdp: Command, mapped: Project) -> None:
    with writer_lock(lock_path(mapped.warehouse, mapped.folder), "another run", lambda holder: None):
        said = cdp("validate", "--project", mapped.folder)
        assert (said.code, NOT_CHECKED in said.out) == (0, True)
        assert json.loads(cdp("validate", "--json", "--project", mapped.folder).out)["map_columns_checked"] is False
    assert json.loads(cdp("validate", "--json", "--project", mapped.folder).out)["map_columns_checked"] is True
    new = write_tiny(mapped.folder / "new", MAPPED, {})
    assert NOT_CHECKED in cdp("validate", "--project", new.folder).out
    assert [path.name for path in new.folder.iterdir()] == ["project.yaml"]


def test_a_map_alone_makes_a_run_and_without_news_there_is_none(cdp: Command, mapped: Project) -> None:
    before = every_row(mapped)
    assert cdp("run", "--project", mapped.folder).out.startswith("Nothing new")
    change(mapped, "create or replace table raw.people as select 'c' as id, 'ann' as mail")
    assert cdp("run", "--project", mapped.folder).out.startswith("Nothing new")
    assert every_row(mapped) == before
    change(mapped, "insert into raw.people values ('z', 'zoe')")
    ran = cdp("run", "--project", mapped.folder)
    assert ran.code == 0, ran
    assert "customer/identity_maps: " in ran.err
    assert cdp("profile", "cookie:z", "--project", mapped.folder).code == 0
    # The last map goes, and with it the asset that read it; what it gave is withdrawn all the same.
    write_tiny(mapped.folder, TINY, {})
    assert cdp("run", "--project", mapped.folder).code == 0
    assert cdp("profile", "cookie:z", "--project", mapped.folder).code == 2
    assert cdp("run", "--project", mapped.folder).out.startswith("Nothing new")

"""`cdp compile`: the statements that an engine is really given, in order, without asking one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError, UsageError
from cdp_pipeline.operations.compile import MARKER, CompiledStage, compile_project, engine_of, write_compiled
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import Session
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.recording import Noted
from cdp_pipeline_tests.automation.tiny import TINY, open_tables, quick_folder, write_tiny
from cdp_pipeline_tests.engines import Engine

CSV = "  shop: {files: 'landing/shop/*.csv', arrived_at: at, event: {id: nr, type: \"'order'\", time: at}}\n"
TABLE = "  crm: {table: raw.contacts, arrived_at: at, event: {id: nr, type: \"'contact'\", time: at}}\n"
PROJECT = TINY.replace("entities:\n", f"{CSV}{TABLE}entities:\n")
# What only asks for types, and the count of what the profiles hold, of which an empty warehouse has none.
TYPES = {"profiles.type", "profiles.event_type", "profiles.columns", "counts.count"}


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Project]:
    """Return a project with lines, a CSV file, and a table that nobody has."""
    with quick_folder() as folder:
        made = write_tiny(folder / "tiny", PROJECT)
        (made.folder / "landing/shop").mkdir()
        (made.folder / "landing/shop/a.csv").write_text('nr,at,"the, total"\n1,2026-01-02T10:00:00Z,5\n')
        yield made


@pytest.fixture(scope="module")
def compiled(project: Project) -> list[CompiledStage]:
    return compile_project(project, project.engine)


def compact(text: str) -> str:
    """Return a statement without what only makes it easier to read."""
    return re.sub(r"\s+", "", text)


def texts_given(project: Project, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Run the project without its table; returns the texts that the engine was given, by their statements' names."""
    given: dict[str, set[str]] = {}
    fresh = write_tiny(project.folder, PROJECT.replace(TABLE, ""))
    with open_tables(fresh) as connection:
        prepare = type(connection).prepare

        def noting(self: Connection, statement: Statement) -> str:
            text = prepare(self, statement)
            given.setdefault(statement.name, set()).add(compact(text))
            return text

        monkeypatch.setattr(type(connection), "prepare", noting)
        connection.set_up(fresh.name, fresh.schema_name, [entity.schema_name for entity in fresh.entities.values()])
        list(run_stages(connection, fresh, Session(connection, fresh, "run").run, full=True))
    return given


def test_the_texts_are_those_that_the_engine_is_given(
    project: Project, compiled: list[CompiledStage], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = texts_given(project, monkeypatch)
    noted = [each for stage in compiled for each in stage.noted]
    assert [each.name for each in noted if each.name in given and not is_given(each, given)] == []
    on_change = {each.name for stage in compiled for each in stage.on_change}
    left_out = {name for name in given if "." in name} - {each.name for each in noted} - TYPES
    # On a server a source that is not said has another type, and the name of how rows land ends in another hash.
    assert {name for name in left_out if not name.startswith("rows.land_batch.")} <= on_change
    assert {"profiles.calculate", "occurrences.add", "entity_map.record_changes"} <= {
        each.name for each in noted if each.name in given
    }


def is_given(noted: Noted, given: dict[str, set[str]]) -> bool:
    """Whether the engine was given a statement; functions of the session stand before it in a file."""
    return any(compact(noted.text).endswith(text) for text in given[noted.name])


def test_the_files_stand_in_order_and_are_the_same_each_time(
    project: Project, compiled: list[CompiledStage], tmp_path: Path
) -> None:
    folder = tmp_path / "sql"
    done = write_compiled(compiled, "duckdb", folder)
    stages = ("event_identifiers", "identity_maps", "identity_graph", "entity_map", "stitched_events")
    later = ("resolved_sources", "profiles", "attribute_counts")
    of_a_kind = [f"customer__{stage}" for stage in (*stages, *later)]
    wanted = ["tables", "cdp__customer_events", "cdp__event_counts", *of_a_kind, "others"]
    assert done.files == [f"{number:02}_{name}.sql" for number, name in enumerate(wanted)]
    first = {file.name: file.read_text() for file in folder.iterdir()}
    assert first.keys() == {*done.files, MARKER}
    landed = first["01_cdp__customer_events.sql"]
    assert (
        "-- not here: how crm is landed, for only the warehouse knows the columns of the table raw.contacts." in landed
    )
    assert len(re.findall(r"^-- name: rows\.land_batch\.(web|shop)\.", landed, re.MULTILINE)) == 2
    assert "the, total" in landed
    assert first["09_customer__profiles.sql"].splitlines()[:3] == [
        "-- stage: customer/profiles",
        f"-- engine: {done.engine}",
        "-- follows: customer/stitched_events, customer/entity_map",
    ]
    (writes,) = re.findall(r"^-- writes: (.*)$", first["09_customer__profiles.sql"], re.MULTILINE)
    of_profiles = {"attribute_states", "attributes", "dirty_entities", "profile_changes", "profiles"}
    assert set(writes.split(", ")) >= {f"customer.{name}" for name in of_profiles}

    # Again: the same; what is no longer made goes, and what is somebody else's stays.
    (folder / "notes.txt").write_text("mine")
    write_compiled(compile_project(project, project.engine), "duckdb", folder)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {**first, "notes.txt": "mine"}
    write_compiled(compiled[:1], "duckdb", folder)
    assert {file.name for file in folder.iterdir()} == {"00_tables.sql", "notes.txt", MARKER}


def test_a_folder_of_others_is_left_alone(project: Project, compiled: list[CompiledStage], tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("select 1")
    with pytest.raises(UsageError, match="holds something else"):
        write_compiled(compiled, "duckdb", tmp_path)
    with pytest.raises(CdpError, match="cannot be written: Not a directory"):
        write_compiled(compiled, "duckdb", tmp_path / "mine.sql" / "under")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.sql"]
    with pytest.raises(UsageError, match=r"There is no engine `spark`\. There is: duckdb, postgresql\."):
        engine_of(project, "spark")
    assert engine_of(project, None) == project.engine

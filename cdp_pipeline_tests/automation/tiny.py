"""A tiny project of three days and two people, and what its warehouse holds.

Its folders stand in memory where the system has such a place: Dagster's SQLite commits some 150 times in a run, and on
a disk waits for each.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.sql.statements import from_tree, statement
from cdp_pipeline.tables import Table
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.memory import memory

TINY = """\
name: tiny
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
end: 2026-01-03
checks: {max_rejected_share: 0.2}
sources:
  web: {files: 'landing/web/{day}/*', event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers: [{type: email, pii: true}, {type: cookie}]
    stitching:
      - {identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "payload->>'email'"}
    attributes:
      - {id: n_events, description: How often seen., type: expression, value: count(*)}
      - {id: revenue, type: sum, value: "(payload->>'total')::numeric(18,2)"}
"""
FIRST, SECOND, THIRD = (date(2026, 1, day) for day in (1, 2, 3))

Rows: TypeAlias = list[tuple[Any, ...]]
# What differs between two runs that do the same work.
TIMES_AND_RUNS = {"run", "seq_no", "as_of", "started_at", "seconds", "changed_at", "stitched", "calculated", "valid_at",
                  "modified", "measured_at", "recorded_from", "recorded_to"}  # fmt: skip


def row(number: int, day: date, **more: Any) -> dict[str, Any]:
    """Return a row of the tracker; `more` adds to it or replaces."""
    return {"id": f"e{number}", "type": "view", "at": f"{day}T10:00:00Z", **more}


# Ann browses on laptop a and on phone b, logs in on a and a day later on b; somebody calls themselves Bob.
DAYS: Mapping[date, Sequence[dict[str, Any]]] = {
    FIRST: [row(1, FIRST, cookie="a"), row(2, FIRST, cookie="b"), row(3, FIRST, cookie="a", total=5)],
    SECOND: [
        row(4, SECOND, cookie="a", email="ann"),
        row(5, SECOND, cookie="c", email="bob"),
        row(6, SECOND),
        row(1, SECOND, cookie="a"),
        row(8, SECOND, at="some day"),
    ],
    THIRD: [row(7, THIRD, cookie="b", email="ann")],
}


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a folder, in memory if the system has a place for it, and take it away again."""
    with tempfile.TemporaryDirectory(dir=memory(), prefix="cdp-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def landing_file(folder: Path, day: date) -> Path:
    """Return the place of a day's one file."""
    return folder / f"landing/web/{day}/events.ndjson"


def land(folder: Path, day: date, rows: Sequence[dict[str, Any]]) -> None:
    """Write a day's file, in the place of what lies there."""
    file = landing_file(folder, day)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")


def write_tiny(folder: Path, text: str = TINY, days: Mapping[date, Sequence[dict[str, Any]]] = DAYS) -> Project:
    """Write the project file and the landing files, and read the project."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "project.yaml").write_text(engines.placed(text, folder), encoding="utf-8")
    for day, rows in days.items():
        land(folder, day, rows)
    return load_valid_project(folder, {})


def copy_of(folder: Path, place: Path) -> Project:
    """Copy a project with all that it made, and read it."""
    return load_valid_project(engines.current().copy(folder, place), {})


def run_without_dagster(project: Project, run: str = "without Dagster") -> None:
    """Run all stages, with a session's row in `cdp.runs`."""
    with open_session(project, run, lambda holder: None) as session:
        session.start("")
        list(run_stages(session.connection, project, session.run))
        session.end("done")


@contextmanager
def open_tables(project: Project) -> Iterator[Connection]:
    """Open a project's warehouse past the lock, on the engine that the test runs on."""
    connection = engines.current().open(project.folder)
    try:
        yield connection
    finally:
        connection.close()


def change(project: Project, text: str) -> None:
    """Change a table by hand: PostgreSQL's SQL, with `cdp` and `kind` for the schemas."""
    entity = next(iter(project.entities.values()))
    with open_tables(project) as connection:
        connection.run(statement("by hand", text).bind({"cdp": project.schema_name, "kind": entity.schema_name}))


def read(connection: Connection, schema: str, table: str, columns: Sequence[str]) -> Rows:
    """Return all rows of a table, in a fixed order."""
    source = exp.table_(table, schema, quoted=True)
    query = exp.select(*(exp.column(name, quoted=True) for name in columns)).from_(source)
    return sorted(connection.fetch(from_tree("read", query)), key=repr)


def table_names(project: Project) -> list[tuple[str, Table]]:
    """Return every table and view that may be there, with its schema, helpers included."""
    views = (tables.ENTITY_REDIRECTS, tables.EVENTS, tables.PROFILES, tables.ATTRIBUTES)
    kinds = [entity.schema_name for entity in project.entities.values()]
    shared = [(project.schema_name, table) for table in tables.SHARED]
    return shared + [(kind, table) for kind in kinds for table in (*tables.OF_A_KIND, *views)]


def columns_there(connection: Connection, project: Project) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Return the columns of every table of every schema, asked for at once."""
    return {schema: connection.columns_in(schema) for schema in {schema for schema, _ in table_names(project)}}


def every_row(project: Project) -> dict[str, Rows]:
    """Return every row of every table, helpers included."""
    found: dict[str, Rows] = {}
    with open_tables(project) as connection:
        there = columns_there(connection, project)
        for schema, table in table_names(project):
            columns = there[schema].get(table.name)
            if columns is not None:
                found[f"{schema}.{table.name}"] = read(connection, schema, table.name, [name for name, _ in columns])
    return found


def published(project: Project) -> dict[str, Rows]:
    """Return what users may rely on, without times and runs; of an increasing number only the order."""
    found: dict[str, Rows] = {}
    with open_tables(project) as connection:
        there = columns_there(connection, project)
        for schema, table in table_names(project):
            if not table.public or table in (tables.RUNS, tables.METRICS, tables.REPLAYS):
                continue
            own = {column.name for column in table.columns if not column.public} | TIMES_AND_RUNS
            names = [name for name, _ in there[schema].get(table.name, ()) if name not in own]
            rows = read(connection, schema, table.name, names)
            found[f"{schema}.{table.name}"] = _ranked(rows, names.index("issued_in")) if "issued_in" in names else rows
    return found


def _ranked(rows: Rows, place: int) -> Rows:
    order = sorted({each[place] for each in rows})
    return [(*each[:place], order.index(each[place]), *each[place + 1 :]) for each in rows]


def runs(project: Project) -> Rows:
    """Return the runs in their order: id, days, status."""
    with open_tables(project) as connection:
        rows = read(connection, project.schema_name, tables.RUNS.name, ["seq_no", "run", "days", "status"])
    return [(run, days, status) for _, run, days, status in rows]


def metrics(project: Project, run: str) -> dict[tuple[str, str], float]:
    """Return the figures of a run, by stage and name."""
    with open_tables(project) as connection:
        rows = read(connection, project.schema_name, tables.METRICS.name, ["run", "stage", "metric", "value"])
    return {(stage, metric): value for its_run, stage, metric, value in rows if its_run == run}

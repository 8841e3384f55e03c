"""A project of two kinds of entity, and its tables filled by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.loader import read_project
from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Run
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.config.projects import write_project

# Schemas that are not named after their kinds, and an attribute that is a word of SQL: what is not bound, fails.
PROJECT = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
schema: shared
start: 2026-01-01
sources:
  web:
    files: landing/web/{day}/*
    event: {type: type, time: time}
checks: {max_rejected_share: 0.25, max_duplicate_share: 0.125}
entities:
  customer:
    schema: people
    identifiers: [{type: email}]
    stitching: [{identifier: email, value: "payload->>'email'"}]
    attributes:
      - {id: revenue, type: sum, value: "(payload->>'amount')::numeric(18,2)"}
      - {id: order, type: last, value: "payload->>'order'"}
      - {id: secret, type: last, value: "payload->>'secret'", hidden: true}
    checks: {min_identified_share: 0.5, max_entity_size: 3, max_null_share: 0.5}
  account:
    identifiers: [{type: account_id}]
    stitching: [{identifier: account_id, value: "payload->>'account'"}]
    attributes:
      - {id: revenue, type: sum, value: "(payload->>'amount')::numeric(18,2)"}
"""
DAY = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run("run-1", DAY, DAY)
NEXT_RUN = Run("run-2", DAY, DAY)


def make_project(folder: Path) -> Project:
    """Write the project and read it."""
    project, errors = read_project(write_project(folder, PROJECT), {})
    assert project is not None, errors
    return project


def open_warehouse(folder: Path, project: Project) -> Connection:
    """Open the project's warehouse with all tables, empty."""
    connection = engines.current().open(folder)
    kinds = [entity.schema_name for entity in project.entities.values()]
    connection.set_up(project.name, project.schema_name, kinds)
    connection.open_days([DAY.date()])
    return connection


def fill(connection: Connection, schema: str, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to a table; columns that are not told are NULL."""
    if not rows:
        return
    connection.load("rows_to_add", pa.Table.from_pylist(list(rows)))
    types = dict(connection.columns_of(schema, table) or ())
    columns = [exp.to_identifier(name, quoted=True) for name in rows[0]]
    values = [
        exp.cast(exp.column(name, quoted=True), exp.DataType.build(types[name], connection.dialect)) for name in rows[0]
    ]
    added = exp.select(*values).from_("rows_to_add")
    connection.run(from_tree("fill", exp.insert(added, exp.table_(table, schema, quoted=True), columns=columns)))
    connection.unload("rows_to_add")


def fill_landed(connection: Connection, *, events: int, invalid: int = 0, duplicates: int = 0) -> None:
    """Add landed rows: events, broken rows, duplicates."""
    fill(
        connection,
        "shared",
        "customer_events",
        [{"event_id": some_id(number), "arrived_on": DAY.date()} for number in range(events)],
    )
    reasons = ["invalid time"] * invalid + ["duplicate"] * duplicates
    fill(connection, "shared", "rejected_events", [{"reason": reason} for reason in reasons])


def fill_stitched(connection: Connection, schema: str, owners: Sequence[int | None]) -> None:
    """Add stitched events, each with its owner."""
    rows = [
        {"event_id": some_id(number), "entity_id": None if owner is None else some_id(owner)}
        for number, owner in enumerate(owners)
    ]
    fill(connection, schema, "stitched_events", rows)


def fill_map(connection: Connection, schema: str, rows: Sequence[tuple[int, int, int | None, int | None]]) -> None:
    """Add rows of the map: identifier, entity, from which day, until which day of January."""
    told = [
        {
            "identifier_id": some_id(identifier),
            "entity_id": some_id(entity),
            "valid_from": None if first is None else DAY.replace(day=first),
            "valid_to": None if end is None else DAY.replace(day=end),
        }
        for identifier, entity, first, end in rows
    ]
    fill(connection, schema, "entity_map", told)


def make_profiles(connection: Connection, schema: str, attributes: Sequence[str]) -> None:
    """Make the table of profiles, as the room `attributes` does, with a column of text per attribute."""
    columns = {"entity_id": "uuid", "person_key": "text"} | dict.fromkeys(attributes, "text")
    columns |= dict.fromkeys(("calculated", "valid_at", "modified"), "timestamptz")
    definitions = [
        exp.ColumnDef(this=exp.to_identifier(name, quoted=True), kind=exp.DataType.build(kind, dialect="postgres"))
        for name, kind in columns.items()
    ]
    table = exp.Schema(this=exp.table_("profiles", schema, quoted=True), expressions=definitions)
    connection.run(from_tree("make_profiles", exp.Create(this=table, kind="TABLE")))


def fill_profiles(connection: Connection, schema: str, attributes: Sequence[str], *rows: Sequence[str | None]) -> None:
    """Make the table of profiles with a row of values per entity."""
    make_profiles(connection, schema, attributes)
    names = ("entity_id", *attributes)
    told = [dict(zip(names, (some_id(number), *row), strict=True)) for number, row in enumerate(rows)]
    fill(connection, schema, "profiles", told)


def some_id(number: int) -> str:
    """Return a UUID."""
    return f"00000000-0000-0000-0000-{number:012}"

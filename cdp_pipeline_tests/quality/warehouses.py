"""A project of two kinds of entity, and its tables filled by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from cdp_pipeline.config.loader import read_project
from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.duckdb import DuckDBConnection
from cdp_pipeline.warehouse.stage import Run
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
    connection = DuckDBConnection(folder / "warehouse.duckdb")
    kinds = [entity.schema_name for entity in project.entities.values()]
    connection.set_up(project.name, project.schema_name, kinds)
    return connection


def fill(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to a table; columns that are not told are NULL."""
    connection.load("rows_to_add", pa.Table.from_pylist(list(rows)))
    columns = ", ".join(rows[0])
    connection.run_text(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM rows_to_add", {}, "fill")
    connection.unload("rows_to_add")


def fill_landed(connection: Connection, *, events: int, invalid: int = 0, duplicates: int = 0) -> None:
    """Add landed rows: events, broken rows, duplicates."""
    fill(connection, "shared.customer_events", [{"event_id": _id(number)} for number in range(events)])
    reasons = ["invalid time"] * invalid + ["duplicate"] * duplicates
    fill(connection, "shared.rejected_events", [{"reason": reason} for reason in reasons] or [{"reason": None}][:0])


def fill_stitched(connection: Connection, schema: str, owners: Sequence[int | None]) -> None:
    """Add stitched events, each with its owner."""
    fill(
        connection,
        f"{schema}.stitched_events",
        [
            {"event_id": _id(number), "entity_id": None if owner is None else _id(owner)}
            for number, owner in enumerate(owners)
        ],
    )


def fill_map(
    connection: Connection, schema: str, rows: Sequence[tuple[int, int, datetime | None, datetime | None]]
) -> None:
    """Add rows of the map: identifier, entity, from when, until when."""
    names = ("identifier_id", "entity_id", "valid_from", "valid_to")
    fill(
        connection,
        f"{schema}.entity_map",
        [dict(zip(names, (_id(identifier), _id(entity), *span), strict=True)) for identifier, entity, *span in rows],
    )


def make_profiles(connection: Connection, schema: str, columns: Sequence[str]) -> None:
    """Make the table of profiles, as the attributes' room does, with one text column per attribute."""
    own = "".join(f', "{column}" text' for column in columns)
    connection.run_text(
        f"CREATE TABLE {schema}.profiles (entity_id uuid, person_key text{own}, "
        "calculated timestamptz, valid_at timestamptz, modified timestamptz)",
        {},
        "make_profiles",
    )


def fill_profiles(connection: Connection, schema: str, columns: Sequence[str], *rows: Sequence[str | None]) -> None:
    """Make the table of profiles with these values."""
    make_profiles(connection, schema, columns)
    quoted = [f'"{column}"' for column in columns]
    fill(
        connection,
        f"{schema}.profiles",
        [{"entity_id": _id(number)} | dict(zip(quoted, row, strict=True)) for number, row in enumerate(rows)],
    )


def _id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"

"""Reads a demo's files the plain way: row by row, without the pipeline."""

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

CRM_FIELDS = 8


@dataclass(frozen=True)
class Row:
    """A good row, with the names that every event has."""

    source: str
    id: str
    type: str
    at: datetime
    arrived: str  # its folder's day
    place: str  # the file within it
    fields: dict[str, Any]  # the payload


@dataclass(frozen=True)
class Landed:
    """All rows of a landing folder."""

    rows: list[Row]
    broken: list[tuple[str, str]]  # source and reason
    filtered: int

    def of(self, source: str, *types: str) -> list[Row]:
        """The source's rows of these types; without types all of them."""
        return [row for row in self.rows if row.source == source and (not types or row.type in types)]


def read(folder: Path) -> Landed:
    """Read everything and tell good rows from broken ones."""
    rows: list[Row] = []
    broken: list[tuple[str, str]] = []
    filtered = 0
    for source, day, place, raw in _raw_rows(folder):
        made = _row(source, day, place, raw)
        if isinstance(made, Row):
            rows.append(made)
        elif made == "filtered":
            filtered += 1
        else:
            broken.append((source, made))
    return Landed(rows, broken, filtered)


def truth(folder: Path) -> list[tuple[tuple[str, str], int]]:
    """Source and id of each event, and the person who did it."""
    with gzip.open(folder / "truth" / "truth.csv.gz", "rt", newline="") as file:
        return [((row["source"], row["id"]), int(row["person"])) for row in csv.DictReader(file)]


def _raw_rows(folder: Path) -> Iterator[tuple[str, str, str, Any]]:
    for path in sorted((folder / "landing").glob("*/*/*")):
        source, day = path.parts[-3:-1]
        for raw in _read_file(path):
            yield source, day, path.name, raw


def _read_file(path: Path) -> list[Any]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))[1:]
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def _row(source: str, day: str, place: str, raw: Any) -> Row | str:
    fields = _parse(source, raw)
    if isinstance(fields, str):
        return fields
    if source == "web" and fields.get("env") == "test":
        return "filtered"
    identity, kind, time, payload = _event(source, fields)
    if not identity or not kind:
        return "no id" if not identity else "no type"
    at = _time(time)
    if at is None or at > datetime.fromisoformat(f"{day}T00:00:00Z") + timedelta(2):
        return "no time" if at is None else "future"
    if not isinstance(payload, dict):
        return "no object"
    if "\0" in str(payload.get("anonymous_id")):
        return "zero byte"
    return Row(source, identity, kind, at, day, place, payload)


def _parse(source: str, raw: Any) -> dict[str, Any] | str:
    if source == "app":
        return dict(raw)
    if source == "crm":
        names = "contact_id email phone full_name company_id company_vat status updated_at"
        return dict(zip(names.split(), raw, strict=True)) if len(raw) == CRM_FIELDS else "syntax"
    try:
        return dict(json.loads(raw))
    except json.JSONDecodeError:
        return "syntax"


def _event(source: str, fields: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    if source == "web":
        return fields.get("message_id"), fields.get("type"), fields.get("timestamp"), fields.get("properties")
    if source == "app":
        return fields["id"], fields["name"], fields["happened_at"], fields
    if source == "crm":
        number = fields["contact_id"]
        return number and f"{number}-{fields['updated_at']}", "contact", fields["updated_at"], fields
    return fields.get("call_id"), "call", fields.get("started_at"), fields


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        return datetime.fromisoformat(value or "")
    except ValueError:
        return None

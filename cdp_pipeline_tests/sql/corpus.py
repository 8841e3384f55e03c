"""What the corpus runs on, and when two values are equal.

Numbers are equal when they differ by less than a billionth, or in the thirteenth digit: what a query calculates is
numeric(38,9), where PostgreSQL itself may keep more digits, and double precision depends on the order of adding. JSON
is equal when it holds the same.
"""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cdp_pipeline.sql.statements import statement
from cdp_pipeline.warehouse.base import Connection

COLUMNS = {
    "id": "text", "type": "text", "event_time": "timestamptz", "payload": "jsonb", "n": "bigint", "x": "numeric(38,9)",
    "d": "double precision", "s": "text", "at": "timestamp", "day": "date", "flag": "boolean",
}  # fmt: skip
# entity, id, type, event_time, payload, n, x, d, s, at, day, flag
ROWS: list[tuple[int, tuple[str | None, ...]]] = [
    (1, ("e1", "view", "2026-01-03 10:00:00.25+00",
         '{"name": "Eva", "n": 1, "user": {"email": "A@B.cz", "tags": ["a", "b"]}, "items": [{"sku": "x", "p": 2}]}',
         "7", "1.5", "0.1", "abc", "2026-01-03 10:00:00", "2026-01-03", "true")),
    (1, ("e2", "buy", "2026-01-31 23:30:00+00", '{"name": null, "n": 2.5, "items": [], "user": {"tags": []}}',
         "-7", "-2.345", "-2.5", "a,b", "2026-07-31 23:30:00", "2026-01-31", "false")),
    (1, ("e3", "buy", "2026-01-31 23:30:00+00",
         '{"bb": 1, "a": [true, null, "é"], "items": [{"sku": "y", "p": 1}, {"sku": "x", "p": 3}]}',
         "0", "0.000000001", "3.5", "", "2024-02-29 00:00:00", "2024-02-29", None)),
    (2, ("e4", "view", "2026-02-01 00:00:00+00", "{}", "3", "1000.005", "2.5", "  ab ", "2026-12-31 01:02:03",
         "2027-01-01", "true")),
    (2, ("e5", None, "2025-12-29 06:15:00+00", '{"user": null, "items": null}', *[None] * 7)),
    (2, ("e6", "Ärger", "2026-01-10 00:00:00+00", '{"name": "a\\nb", "user": "x"}', "42", "-0.5", "1e10", "a\nb100%",
         "2026-03-29 02:30:00", "2026-03-29", "false")),
]  # fmt: skip
FOLDER = Path(__file__).parent
ENTITIES = (1, 2, 3)  # the last has no rows


def lines_of(file: str) -> list[str]:
    """Return the lines of a file of the corpus that are no comments."""
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("--")]


def fill(connection: Connection, *, stranger: tuple[int, str] | None = None) -> None:
    """Make the temporary tables `corpus_rows`, with the rows of all entities, and `corpus_entities`.

    A stranger is one more entity, whose row has the text in all columns of text; `corpus_entities` lacks it.
    """
    kinds = {"entity_id": "bigint", **COLUMNS}
    casts = ", ".join(f"cast(v.{name} as {kind}) as {name}" for name, kind in kinds.items())
    values = ", ".join(f"({entity}, {', '.join(map(literal, row))})" for entity, row in rows_with(stranger))
    rows = " ".join(("select", casts, "from (values", values, ") as v (", ", ".join(kinds), ")"))
    entities = "select v.entity_id from (values (1), (2), (3)) as v (entity_id)"
    for name, query in (("corpus_rows", rows), ("corpus_entities", entities)):
        connection.run(statement(name, f"create temporary table {name} as {query}"))


def rows_with(stranger: tuple[int, str] | None) -> list[tuple[int, tuple[str | None, ...]]]:
    """Return the rows, with one of a stranger."""
    if stranger is None:
        return ROWS
    entity, mark = stranger
    texts = tuple(mark if kind == "text" else None for kind in COLUMNS.values())
    return [*ROWS, (entity, texts)]


def instant() -> datetime:
    """Return the time as of which the corpus is read."""
    return datetime(2026, 1, 20, 12, tzinfo=UTC)


def literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def share(postgresql: Connection) -> None:
    """Make for each entity a schema with its rows as the table `base`, for PostgreSQL's own reading of a query."""
    kinds = {name: 'text collate "C"' if kind == "text" else kind for name, kind in COLUMNS.items()}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    for entity in ENTITIES:
        own = (", ".join(COLUMNS), "from corpus_rows where entity_id =", str(entity))
        postgresql.run_text(f"create schema e{entity}", {}, "corpus")
        postgresql.run_text(f"create table e{entity}.base ({columns})", {}, "corpus")
        postgresql.run_text(" ".join(("insert into", f"e{entity}.base", "select", *own)), {}, "corpus")


def raw_rows(postgresql: Connection, entity: int, query: str) -> list[tuple[Any, ...]]:
    """PostgreSQL's own rows of a query for one entity."""
    postgresql.run_text(f"set search_path to e{entity}", {}, "corpus")
    try:
        return [read_row(row) for row in postgresql.fetch_text(query.replace("%", "%%"), {}, "corpus")]
    finally:
        postgresql.run_text("set search_path to public", {}, "corpus")


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal, as the module says."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-9)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left == right
    return type(left) is type(right) and bool(left == right)


def read(value: Any) -> Any:
    """Read JSON as what it holds."""
    return json.loads(value) if isinstance(value, str) else value


def read_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Read a row, in which what looks like JSON is some."""
    return tuple(read(value) if str(value)[:1] in ("{", "[") else value for value in row)


def roughly(row: tuple[Any, ...]) -> str:
    """Return a key by which rows are sorted alike, though their numbers may differ a little."""
    return repr([f"{float(v):.6g}" if type(v) in (int, float, Decimal) else repr(v) for v in row])

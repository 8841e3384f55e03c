"""What changed in the profiles of a kind since a cursor, for search indexes and tools that sync to other systems.

Each entity whose profile changed comes once, as it is now, in a line of JSON with its `op`:

    upsert   it is new or has other values; `profile` holds all of them
    merge    it is `to_entity_id` now, whose own line comes too where that one changed
    delete   it is gone; `reason` is erased, retired (its id stands for nobody) or restitched (it lost its events)

The cursor that a reading returns is where the next one begins: that one gives exactly what came after, also when a run
was under way, for a reading sees whole transactions only. Cursor 0 is the beginning. Doing a line twice does no harm. A
warehouse that was made anew counts anew, so its readers begin at 0 again. Lines come in no order that means anything.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError, WarehouseError
from cdp_pipeline.operations.export import DEFAULT_PLACE, Format, json_lines, place_of, written_beside
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.operations.typed_rows import TypedColumn, profile_columns, quoted, read_slices, typed
from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.tables import KIND, PROFILE_CHANGES, PROFILES
from cdp_pipeline.warehouse.base import Connection, Schemas

SQL = Statements(__package__, "change_feed.sql")
_FEED = [typed(column.name, exp.DataType.build(column.type, dialect="postgres")) for column in PROFILE_CHANGES.columns]
_UPSERT = "upsert"


@dataclass(frozen=True)
class Changes:
    """What a reading of the feed gave: how many lines of each `op`, and the cursor of the next reading."""

    kind: str
    since: int
    cursor: int
    ops: dict[str, int]
    file: Path


def export_changes(
    connection: Connection, project: Project, kind: str, since: int, place: Path = DEFAULT_PLACE
) -> Changes:
    """Writes what changed since a cursor into a file of JSON lines.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        since: the cursor that the last reading returned; 0: from the beginning.
        place: the file; `-`: `<kind>_changes.ndjson` in the current folder.

    Raises:
        UsageError: no reading of this warehouse can have returned the cursor.
        WarehouseError: no run has calculated profiles yet.
        CdpError: the file cannot be written.
    """
    file = place_of(place, f"{kind}_changes", Format.JSON)
    schemas = schemas_of(project, kind)
    counted: Counter[str] = Counter()
    with connection.transaction():
        own = profile_columns(connection, project, kind)
        cursor = _cursor(connection, schemas, since)
        with written_beside(file) as sink:
            query = from_tree("changes", _query(own)).bind(schemas).tree
            assert isinstance(query, exp.Select)
            key = exp.column("entity_id", table="c")
            for piece in read_slices(connection, "export.changes", query, [*_FEED, *own], key, since=since):
                sink.writelines(f"{line}\n".encode() for line in _lines(own, piece))
                counted.update(piece.column(_place("op")).to_pylist())
    return Changes(kind, since, cursor, dict(sorted(counted.items())), file)


def _cursor(connection: Connection, schemas: Schemas, since: int) -> int:
    if connection.columns_of(schemas[KIND], PROFILE_CHANGES.name) is None:
        raise WarehouseError(f"The warehouse has no {schemas[KIND]}.{PROFILE_CHANGES.name} yet. Run `cdp run` first.")
    ((newest, last_number),) = connection.fetch(SQL["cursors"].bind(schemas))
    if not 0 <= since <= last_number:
        raise UsageError(
            f"{since} is no cursor of this warehouse, which has counted to {last_number}. Was it made anew? Then begin "
            "again with --since 0."
        )
    return max(since, int(newest))


def _query(own: list[TypedColumn]) -> exp.Select:
    changes = exp.alias_(exp.table_(PROFILE_CHANGES.name, db=KIND), "c", table=True)
    profiles = exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True)
    entity, op, number = (exp.column(name, table="c") for name in ("entity_id", "op", "number"))
    has_one = exp.and_(exp.column("entity_id", table="p").eq(entity), op.eq(exp.Literal.string(_UPSERT)))
    columns = [exp.alias_(tree, f"x{place}") for place, tree in enumerate(_read(own))]
    query = exp.select(*columns).from_(changes).join(profiles, on=has_one, join_type="left")
    return query.where(number > exp.Placeholder(this="since"))


def _read(own: list[TypedColumn]) -> Iterator[exp.Expr]:
    yield from (column.read("c") for column in _FEED)
    yield from (column.read("p") for column in own)


def _place(name: str) -> int:
    return [column.name for column in _FEED].index(name)


def _lines(own: list[TypedColumn], rows: pa.Table) -> Iterator[str]:
    """Each change as a JSON object, without what it has no value of; the profile of an upsert within."""
    heads = json_lines(_FEED, rows.select(range(len(_FEED))), without_nulls=True)
    profiles = json_lines(own, rows.select(range(len(_FEED), rows.num_columns)))
    for op, head, profile in zip(rows.column(_place("op")).to_pylist(), heads, profiles, strict=True):
        yield f"{head[:-1]},{quoted('profile')}:{profile}}}" if op == _UPSERT else head

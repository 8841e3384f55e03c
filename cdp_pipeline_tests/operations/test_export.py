"""Profiles as files: the same on every engine, whatever the types, in slices, and whole or not there."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from cdp_pipeline.errors import CdpError, UsageError, WarehouseError, WarehouseInterrupted
from cdp_pipeline.operations import export, typed_rows
from cdp_pipeline.operations.export import Format, export_profiles, place_of
from cdp_pipeline_tests.attributes.worlds import AS_OF, Event, World, attribute, project
from cdp_pipeline_tests.engines import Engine

ATTRIBUTES = [
    attribute("a_whole", "first", "(payload->>'n')::bigint"),
    attribute("an_exact", "sum", "(payload->>'n')::numeric(38,9)"),
    attribute("a_double", "first", "(payload->>'d')::double precision"),
    attribute("a_text", "first", "payload->>'t'"),
    attribute("a_boolean", "first", "(payload->>'n')::bigint > 1"),
    attribute("a_day", "first", "event_time::date"),
    attribute("a_time", "first", "event_time"),
    attribute("an_object", "first", "payload->'o'"),
    attribute("a_list", "list", "payload->>'t'"),
]
BIG = 234567890123456789
EVENTS = [
    Event(1, 1, {"n": 1, "d": 0.1, "t": 'say "hi",\nč', "o": {"b": [1.50, True, None], "a": "x", "c": 1e2}}),
    Event(2, 2, {"n": BIG, "d": "NaN", "t": "", "o": [{"z": 1, "y": -0.0}]}),
    Event(3, 2**127 + 3, {"n": 3, "d": 5, "t": "z"}),
    Event(4, 2**128 - 1, {}),
]
NAMES = [each.id for each in ATTRIBUTES]
LAST = ["calculated", "valid_at", "modified"]
TIME = "2026-04-01T12:00:00+00:00"
# By entity: each value as CSV has it, where nothing at all is NULL.
TEXTS: list[list[str | None]] = [
    ["1", "1", "0.1", 'say "hi",\nč', "false", "2026-04-01", TIME, '{"a":"x","b":[1.5,true,null],"c":100}',
     '["say \\"hi\\",\\nč"]'],
    [f"{BIG}", f"{BIG}", "NaN", "", "true", "2026-04-01", TIME, '[{"y":0,"z":1}]', '[""]'],
    ["3", "3", "5", "z", "true", "2026-04-01", TIME, None, '["z"]'],
    [None, None, None, None, None, "2026-04-01", TIME, None, None],
]  # fmt: skip


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return four people with an attribute of each type, one of whom has no values."""
    made = World(tmp_path_factory.mktemp("world"), EVENTS)
    made.calculate(ATTRIBUTES)
    yield made
    made.connection.close()


def write(world: World, to: Format, place: Path) -> Path:
    """Export in slices of about two rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typed_rows, "ROWS_PER_SLICE", 2)
        done = export_profiles(world.connection, project(ATTRIBUTES), "customer", to, place)
    assert (done.rows, done.file) == (len(EVENTS), place)
    return place


def in_csv(value: str | None) -> str:
    """Return a value as the file has it: in quotes, or nothing at all."""
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def as_json(name: str, text: str | None) -> Any:
    """Return what a line of JSON says for a value that CSV has as a text."""
    is_text = text == "NaN" or name in ("a_text", "a_day", "a_time")
    return text if is_text or text is None else json.loads(text)


def test_a_file_says_what_the_profiles_hold(world: World, tmp_path: Path) -> None:
    written = write(world, Format.CSV, tmp_path / "a.csv").read_text(encoding="utf-8")
    header, rows = written.split("\n", 1)
    assert header.split(",") == [f'"{name}"' for name in ("entity_id", "person_key", *NAMES, *LAST)]
    for values, event in zip(TEXTS, EVENTS, strict=True):
        line = ",".join(in_csv(value) for value in (f"key {event.entity}", *values))
        assert f",{line}," in rows
    assert rows.count('+00:00"\n') == len(EVENTS), "the last column is a time in UTC"

    lines = write(world, Format.JSON, tmp_path / "a.ndjson").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line) for line in lines]
    assert [list(each) for each in said] == [["entity_id", "person_key", *NAMES, *LAST]] * len(EVENTS)
    wanted = [[as_json(name, text) for name, text in zip(NAMES, values, strict=True)] for values in TEXTS]
    assert [[each[name] for name in NAMES] for each in said] == wanted
    assert [each["entity_id"] for each in said] == [str(UUID(int=event.entity or 0)) for event in EVENTS]

    table = pq.read_table(write(world, Format.PARQUET, tmp_path / "a.parquet"))
    assert [str(table.schema.field(name).type) for name in NAMES] == [
        "int64", "decimal128(38, 9)", "double", "string", "bool", "date32[day]", "timestamp[us, tz=UTC]", "string",
        "string",
    ]  # fmt: skip
    first = table.select(NAMES).to_pylist()[0]
    assert list(first.values())[:7] == [
        1, Decimal(1), 0.1, 'say "hi",\nč', False, date(2026, 4, 1), datetime(2026, 4, 1, 12, tzinfo=UTC),
    ]  # fmt: skip
    assert set(table["valid_at"].to_pylist()) == {AS_OF}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "a.ndjson", "a.parquet"]


def test_nobody_gives_a_file_with_its_columns(engine: Engine, tmp_path: Path) -> None:
    empty = World(tmp_path)
    with pytest.raises(WarehouseError, match="Run `cdp run` first"):
        export_profiles(empty.connection, project(ATTRIBUTES), "customer", Format.CSV, tmp_path / "a.csv")
    empty.calculate(ATTRIBUTES)
    for to in Format:
        done = export_profiles(empty.connection, project(ATTRIBUTES), "customer", to, tmp_path / f"a.{to.suffix}")
        assert done.rows == 0
    assert (tmp_path / "a.ndjson").read_text() == ""
    assert (tmp_path / "a.csv").read_text().startswith('"entity_id","person_key","a_whole"')
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0
    empty.connection.close()


def test_a_file_is_whole_or_as_it_was(world: World, tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_text("as it was")

    def fail(*_: object) -> Iterator[str]:
        raise WarehouseInterrupted("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "texts_of", fail)
        with pytest.raises(WarehouseInterrupted):
            export_profiles(world.connection, project(ATTRIBUTES), "customer", Format.CSV, place)
    assert place.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [place]
    with pytest.raises(CdpError, match=r"nowhere/a\.csv cannot be written: No such file or directory\. Name another"):
        write(world, Format.CSV, tmp_path / "nowhere" / "a.csv")


def test_where_nothing_is_said_the_file_is_named_after_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of(export.DEFAULT_PLACE, "customer_profiles", Format.JSON) == tmp_path / "customer_profiles.ndjson"
    assert place_of(Path("b"), "customer_profiles", Format.CSV) == tmp_path / "b"
    with pytest.raises(UsageError, match=r"`xml` is no format\. There is: parquet, csv, json\."):
        export.read_format("xml")
    with pytest.raises(UsageError, match=r"There is no kind of entity `pet`\. There is: customer\."):
        export.kind_of(project([]), "pet")
    assert export.kind_of(project([]), None) == "customer"

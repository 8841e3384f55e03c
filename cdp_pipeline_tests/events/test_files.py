"""Which files are found under a pattern, on which day, and what is said of those that cannot be read."""

import decimal
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdp_pipeline.config.model import EventFields, Source
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.files import csv_header, find_files, read_file
from cdp_pipeline.warehouse.scratch import scratch_connection


def source(pattern: str) -> Source:
    return Source(name="web", files=pattern, event=EventFields(type="type", time="at"))


def put(folder: Path, *places: str) -> None:
    for place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("{}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("events-{day}-*.ndjson", "events-2026-01-02-part-0.ndjson"),
        ("{day}_*", "2026-01-02_a_b.ndjson"),
        ("*{day}*", "web-2026-01-02-0.ndjson"),
        ("landing/web/{day}*.ndjson", "landing/web/2026-01-02.ndjson"),
        ("./landing//{day}/*", "landing/2026-01-02/a.ndjson"),
        ("landing/**/{day}/*", "landing/a/b/2026-01-02/a.ndjson"),
        ("landing/{day}/**/*", "landing/2026-01-02/a/b/a.ndjson"),
        ("landing/{day}/[a-c]?.ndjson", "landing/2026-01-02/b1.ndjson"),
    ],
)
def test_the_day_is_found_wherever_it_stands(tmp_path: Path, pattern: str, place: str) -> None:
    put(tmp_path, place)
    assert [(file.place, file.day) for file in find_files(tmp_path, source(pattern))] == [(place, date(2026, 1, 2))]


def test_what_stands_where_the_day_should_be_is_named(tmp_path: Path) -> None:
    put(tmp_path, "events-someday-0.ndjson")
    with pytest.raises(InputError, match="`someday` stands where"):
        find_files(tmp_path, source("events-{day}-*.ndjson"))
    put(tmp_path, "x/2026-02-31/a.ndjson")
    with pytest.raises(InputError, match="`2026-02-31` stands where"):
        find_files(tmp_path, source("x/{day}/*"))


@pytest.mark.parametrize("pattern", ["{day}/[z-a]*", "/abs/{day}/*", "landing/**.ndjson/{day}/x"])
def test_a_pattern_that_cannot_be_read_is_no_traceback(tmp_path: Path, pattern: str) -> None:
    put(tmp_path, "2026-01-02/a.ndjson")
    with pytest.raises(InputError, match="pattern"):
        find_files(tmp_path, source(pattern))


def test_markers_of_other_programs_are_no_landing_files(tmp_path: Path) -> None:
    put(tmp_path, "2026-01-02/a.ndjson", "2026-01-02/_SUCCESS", "2026-01-02/.a.crc", "2026-01-02/readme.txt")
    names = [file.path.name for file in find_files(tmp_path, source("{day}/*"))]
    assert names == ["a.ndjson", "readme.txt"]
    put(tmp_path, "2026-01-02/_mine.ndjson")
    assert [file.path.name for file in find_files(tmp_path, source("{day}/_m*"))] == ["_mine.ndjson"]


@pytest.mark.parametrize("rows", [1, 50_000])
def test_a_header_whose_quote_is_never_closed_is_named(tmp_path: Path, rows: int) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id,"type\n' + "1,a\n" * rows, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.csv.*quote"):
        csv_header(file)


def test_a_quote_within_a_name_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id,"type"x,"a\nb"\n1,2,3\n', encoding="utf-8")
    assert csv_header(file) == ["id", "typex", "a\nb"]


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.ndjson.*cannot be read"):
        list(read_file(tmp_path / "gone.ndjson"))


def test_decimals_that_are_too_wide_for_the_engine_are_text(tmp_path: Path) -> None:
    wide = pa.array([decimal.Decimal("1" * 45 + ".25"), None], pa.decimal256(50, 2))
    pq.write_table(pa.table({"n": wide}), tmp_path / "a.parquet")
    [batch] = read_file(tmp_path / "a.parquet")
    assert batch["n"].to_pylist() == ["1" * 45 + ".25", None]
    with scratch_connection() as connection:
        connection.load("landing_batch", batch)


def test_a_nested_column_that_the_engine_cannot_read_is_named(tmp_path: Path) -> None:
    wide = pa.array([[decimal.Decimal("1.25")]], pa.list_(pa.decimal256(50, 2)))
    pq.write_table(pa.table({"n": wide}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet.*`n`.*decimal256"):
        list(read_file(tmp_path / "a.parquet"))


@pytest.mark.parametrize(("header", "said"), [("Id,id", "names `Id` twice"), ("id,cdp_line", "`cdp_line`")])
def test_columns_that_would_be_taken_for_others_are_refused(tmp_path: Path, header: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n1,2\n")
    pq.write_table(pa.table({name: ["1"] for name in header.split(",")}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(InputError, match=said):
            list(read_file(tmp_path / name))

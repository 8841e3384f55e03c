"""Rows: what makes one an event, why one is rejected, and that every kind of file gives the same events."""

import gzip
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdp_pipeline.errors import InputError
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows
from cdp_pipeline_tests.pipeline.projects import day, in_csv, lines, project, row

PLACE = f"landing/{day(2)}/web.ndjson"
FIELDS = """\
  web:
    files: landing/{day}/web*
    event: {id: id, type: type, time: at, version: version, payload: properties}
"""
BY_ROW = """\
  web: {files: 'landing/{day}/web*', event: {id: id, type: type, time: at}}
  late: {files: landing/late*, arrived_at: got, event: {id: id, type: type, time: at}}
"""


def rejected(pipeline: Pipeline) -> Rows:
    return pipeline.query(
        "select d.location, d.reason, d.raw from cdp.rejected_events as d order by d.place, d.place_row"
    )


def events(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    found = pipeline.query(
        "select e.source_event_id, e.type, e.version, e.event_time, cast(e.payload as text) "
        "from cdp.customer_events as e order by e.source_event_id, e.place_row"
    )
    return [(*values, json.loads(payload)) for *values, payload in found]


def land_lines(start: Start, *rows: dict[str, Any] | str | bytes, sources: str = FIELDS) -> Pipeline:
    pipeline = start(project(sources))
    texts = [each if isinstance(each, bytes) else lines(each).rstrip("\n").encode() for each in rows]
    pipeline.write(PLACE, b"\n".join(texts))
    pipeline.land()
    return pipeline


BROKEN_LINES: list[tuple[dict[str, Any] | str | bytes, str]] = [
    ("{", "invalid: broken JSON"),
    ('{"id": "1"} {"id": "2"}', "invalid: broken JSON"),
    ("not JSON", "invalid: broken JSON"),
    ('{"id": "1", "type": "view",}', "invalid: broken JSON"),
    ('{"id": "1", "n": NaN}', "invalid: broken JSON"),
    ('{"id": "1", "n": -Infinity}', "invalid: broken JSON"),
    ('{"id": "a \x01 control"}', "invalid: broken JSON"),
    ('{"id": "half a pair: \\ud83d"}', "invalid: broken JSON (half a surrogate pair)"),
    ('{"id": "\\u0000"}', "invalid: holds \\u0000"),
    ('{"\\u0000": 1}', "invalid: holds \\u0000"),
    (b'{"id": "\x00"}', "invalid: holds \\u0000"),
    (b'{"id": "\xff"}', "invalid: not UTF-8"),
    ("[1]", "invalid: not a JSON object"),
    ('"text"', "invalid: not a JSON object"),
    ("null", "invalid: not a JSON object"),
    ({"type": "view", "at": "2026-02-01"}, "invalid: no id"),
    (row(None) | {"id": None}, "invalid: no id"),
    (row(""), "invalid: no id"),
    (row(1, type=None), "invalid: no type"),
    (row(1, type=""), "invalid: no type"),
    (row(1, at=None), "invalid: no readable time"),
    (row(1, at="soon"), "invalid: no readable time"),
    (row(1, at="2026-02-30"), "invalid: no readable time"),
    (row(1, at="01.02.2026"), "invalid: no readable time"),
    (row(1, at=1769940000), "invalid: no readable time"),
    (row(1, at="2026-02-04T00:00:00Z"), "invalid: the time is more than a day after the day of arrival"),
    (row(1, at="2026-02-03T23:00:00-01:00"), "invalid: the time is more than a day after the day of arrival"),
    (row(1, properties=[1]), "invalid: the payload is no object"),
    (row(1, properties="text"), "invalid: the payload is no object"),
    (row(1, properties=5), "invalid: the payload is no object"),
]


def test_broken_lines_are_rejected_with_reason_place_and_row(start: Start) -> None:
    good = row("good", at="2026-02-03T23:59:59.999Z", properties={})
    pipeline = land_lines(start, *(line for line, _ in BROKEN_LINES), "", "  ", good)
    found = rejected(pipeline)
    assert [reason for _, reason, _ in found] == [reason for _, reason in BROKEN_LINES]
    assert [place for place, *_ in found] == [f"{PLACE}:{number}" for number in range(1, len(BROKEN_LINES) + 1)]
    for (_, _, raw), (line, _) in zip(found, BROKEN_LINES, strict=True):
        text = json.dumps(line) if isinstance(line, dict) else line
        assert raw == (text.decode(errors="replace") if isinstance(text, bytes) else text).replace("\x00", "\ufffd")
    assert [event[0] for event in events(pipeline)] == ["good"]
    place = pipeline.query("select e.place, e.place_row from cdp.customer_events as e")
    assert place == [(PLACE, len(BROKEN_LINES) + 3)]
    assert pipeline.column("select r.landed_rows from cdp.landed_rows as r") == [len(BROKEN_LINES) + 1]


def test_what_suspect_lines_hold_may_be_right(start: Start) -> None:
    """Texts that look like what jsonb refuses, and are not."""
    texts = ["\\u0000", "a: NaN, -inf", ",]", "\U0001f600", '{"a":1,}', "\\\\ud83d"]
    pipeline = land_lines(start, *(row(n, properties={"text": text}) for n, text in enumerate(texts)))
    assert not rejected(pipeline)
    assert [event[4]["text"] for event in events(pipeline)] == texts


def test_defaults_of_an_event(start: Start) -> None:
    """The version, a payload that is not there, ids and types that are numbers, times without a zone."""
    pipeline = land_lines(
        start,
        row(1, properties={"a": [1, {"b": None}]}, version="2-0-0"),
        row(2, properties=None, at="2026-02-01"),
        {"id": 3, "type": 7, "at": "2026-02-01 10:00+02:00"},
    )
    assert events(pipeline) == [
        ("1", "view", "2-0-0", datetime(2026, 2, 1, 10, tzinfo=UTC), {"a": [1, {"b": None}]}),
        ("2", "view", "1-0-0", datetime(2026, 2, 1, tzinfo=UTC), {}),
        ("3", "7", "1-0-0", datetime(2026, 2, 1, 8, tzinfo=UTC), {}),
    ]


def test_row_that_does_not_say_its_day_is_rejected_and_so_is_one_of_a_day_to_come(start: Start) -> None:
    pipeline = start(project(BY_ROW))
    stamps = ["2026-02-02T23:59:59Z", "2026-02-02T23:59:59-01:00", None, "soon", "2026-06-02", "2026-06-01"]
    pipeline.write("landing/late.ndjson", lines(*(row(n, got=got) for n, got in enumerate(stamps))))
    pipeline.land()
    days = pipeline.query(
        "select e.source_event_id, cast(e.arrived_on as text) from cdp.customer_events as e order by 1"
    )
    assert days == [("0", "2026-02-02"), ("1", "2026-02-03"), ("5", "2026-06-01")]
    assert [(place, reason) for place, reason, _ in rejected(pipeline)] == [
        ("landing/late.ndjson:3", "invalid: no readable day of arrival"),
        ("landing/late.ndjson:4", "invalid: no readable day of arrival"),
        ("landing/late.ndjson:5", "invalid: the day of arrival is in the future"),
    ]


def test_broken_csv_records_are_rejected(start: Start) -> None:
    pipeline = start(project(FIELDS.replace("properties", "null")))
    names = ["id", "type", "at", "name"]
    records = [
        ["1", "view", "2026-02-01", "Anna"],
        ["2", "view", "2026-02-01"],
        ["3", "view", "2026-02-01", "a", "b"],
        ["", "view", "2026-02-01", "no id"],
        ["5", "view", "2026-02-01", '"two\nlines, ""quoted"""'],
        ["6", "view", "2026-02-01", "NUL \x00"],
        ["7", "view", "2026-02-01", ""],
    ]
    text = in_csv(names, *records).encode() + b"8,view,2026-02-01,\xff\n"
    place = f"landing/{day(2)}/web.csv"
    pipeline.write(place, text)
    pipeline.land()
    assert [(where, reason) for where, reason, _ in rejected(pipeline)] == [
        (f"{place}:3", "invalid: 3 fields where the header has 4"),
        (f"{place}:4", "invalid: 5 fields where the header has 4"),
        (f"{place}:5", "invalid: no id"),
        (f"{place}:7", "invalid: holds \\u0000"),
        (f"{place}:9", "invalid: not UTF-8"),
    ]
    raws = [raw for *_, raw in rejected(pipeline)]
    assert raws[:2] == ["2,view,2026-02-01", "3,view,2026-02-01,a,b"]
    assert json.loads(raws[2]) == {"id": None, "type": "view", "at": "2026-02-01", "name": "no id"}
    assert [event[0] for event in events(pipeline)] == ["1", "5", "7"]


def test_payload_of_csv_is_the_whole_row_and_empty_is_null(start: Start) -> None:
    pipeline = start(project())
    records = [["1", "view", "2026-02-01", '"two\nlines, ""quoted"""'], ["2", "view", "2026-02-01", ""]]
    pipeline.write(f"landing/{day(2)}/web.csv", in_csv(["id", "type", "at", "Name"], *records))
    pipeline.land()
    assert [event[4]["Name"] for event in events(pipeline)] == ['two\nlines, "quoted"', None]


def test_columns_of_parquet_may_be_of_any_type_and_hold_no_nul(start: Start) -> None:
    columns = {
        "id": pa.array([1, 2, 3, 4], pa.uint64()),
        "type": pa.array(["a", "b\x00", "c", "d"], pa.large_string()),
        "at": pa.array([datetime(2026, 2, 1, 10, tzinfo=UTC)] * 4, pa.timestamp("ns", tz="America/Denver")),
        "version": pa.array(["1", "2", "3", "4"]).dictionary_encode(),
        "properties": pa.array([{"x": [{"y": "z"}]}, None, {"x": [{"y": "NUL \x00"}]}, {"x": [{"y": "no \\u0000"}]}]),
        "half": pa.array([0.5, 1.5, None, 2.5], pa.float16()),
        "nothing": pa.nulls(4),
    }
    out = BytesIO()
    pq.write_table(pa.table(columns), out)
    pipeline = start(project(FIELDS))
    pipeline.write(f"landing/{day(2)}/web.parquet", out.getvalue())
    pipeline.land()
    assert [(place, reason) for place, reason, _ in rejected(pipeline)] == [
        (f"landing/{day(2)}/web.parquet:{number}", "invalid: holds \\u0000") for number in (2, 3)
    ]
    noon = datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert events(pipeline) == [
        ("1", "a", "1", noon, {"x": [{"y": "z"}]}),
        ("4", "d", "4", noon, {"x": [{"y": "no \\u0000"}]}),
    ]


def test_json_in_a_column_of_csv_holds_no_nul(start: Start) -> None:
    pipeline = start(project(FIELDS))
    payloads = ['"{""a"": ""\\u0000""}"', '"{""a"": ""\\\\u0000""}"', '"{""a"": 1"', "null", ""]
    records = [[str(number), "view", "2026-02-01", "", text] for number, text in enumerate(payloads)]
    pipeline.write(f"landing/{day(2)}/web.csv", in_csv(["id", "type", "at", "version", "properties"], *records))
    pipeline.land()
    assert [reason for _, reason, _ in rejected(pipeline)] == [
        "invalid: holds \\u0000",
        "invalid: the payload is no object",
        "invalid: the payload is no object",
    ]
    assert [event[4] for event in events(pipeline)] == [{"a": "\\u0000"}, {}]


# Kinds of file -------------------------------------------------------------------------------------------------------

RECORDS = [("1", "view", "2026-02-01T10:00:00Z", 1.5), ("2", "buy", "2026-02-01T11:00:00Z", None)]


def as_ndjson() -> bytes:
    return lines(*({"id": i, "type": t, "at": at, "n": n} for i, t, at, n in RECORDS)).encode()


def as_csv() -> bytes:
    return in_csv(
        ["id", "type", "at", "n"], *([i, t, at, "" if n is None else str(n)] for i, t, at, n in RECORDS)
    ).encode()


def as_parquet() -> bytes:
    times = [datetime.fromisoformat(at) for _, _, at, _ in RECORDS]
    columns = {
        "id": pa.array([int(i) for i, *_ in RECORDS], pa.int64()),
        "type": pa.array([t for _, t, *_ in RECORDS]).dictionary_encode(),
        "at": pa.array(times, pa.timestamp("us", tz="UTC")),
        "n": pa.array([n for *_, n in RECORDS], pa.float64()),
    }
    out = BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


FILES = {
    "web.ndjson": as_ndjson(),
    "web.jsonl": as_ndjson().replace(b"\n", b"\r\n"),
    "web.json": as_ndjson().rstrip(b"\n"),
    "web.ndjson.gz": gzip.compress(as_ndjson()),
    "web.ndjson.zst": zstd(as_ndjson()),
    "web-mark.ndjson": b"\xef\xbb\xbf" + as_ndjson(),
    "web.csv": as_csv(),
    "web-mark.csv": b"\xef\xbb\xbf" + as_csv().replace(b"\n", b"\r\n"),
    "web.csv.gz": gzip.compress(as_csv()),
    "web.csv.zst": zstd(as_csv()),
    "web.parquet": as_parquet(),
    "web.parquet.gz": gzip.compress(as_parquet()),
    "WEB.Parquet.ZST": zstd(as_parquet()),
}


def test_every_kind_of_file_gives_the_same_events(start: Start) -> None:
    sources = """\
  web:
    files: landing/{day}/*
    event: {id: id, type: type, time: at, source: "'s'", payload: "row"}
"""
    pipeline = start(project(sources))
    for number, (name, content) in enumerate(FILES.items(), start=2):
        pipeline.write(f"landing/{day(number)}/{name}", content)
    pipeline.land()
    assert [(*event[:2], event[3]) for event in events(pipeline)] == [
        (i, t, datetime.fromisoformat(at)) for i, t, at, _ in RECORDS
    ]
    duplicates = pipeline.query(
        "select d.place, count(*), min(d.type), max(d.event_time) from cdp.rejected_events as d "
        "where d.reason = 'duplicate' group by d.place"
    )
    assert len(duplicates) == len(FILES) - 1
    assert {each[1:] for each in duplicates} == {(2, "buy", datetime(2026, 2, 1, 11, tzinfo=UTC))}
    payloads = pipeline.query("select d.place, cast(d.payload as text) from cdp.rejected_events as d")
    for place, payload in payloads:
        assert float(json.loads(payload)["n"] or 0) in (1.5, 0), place


WITHOUT_A_ROW = {
    "web-1.ndjson": b"",
    "web-2.ndjson": b"\n\n",
    "web-3.ndjson.gz": gzip.compress(b""),
    "web-4.csv": b"",
    "web-5.csv": b"id,type,at\n",
    "web-6.csv": b"id,type,at",
    "web-7.csv.zst": zstd(b""),
}
UNREADABLE = [
    ("web.txt", b"text", "cannot tell what kind of file"),
    ("web.parquet", b"no Parquet", "cannot be read as parquet"),
    ("web.ndjson.gz", b"no gzip", "cannot be read as ndjson"),
    ("web.ndjson.gz", gzip.compress(as_ndjson())[:-12], "cannot be read as ndjson"),
    ("web.csv", b"id,type,at,id\n1,view,2026-02-01,2\n", "its header names `id` twice"),
    ("web.csv", b"id,type,at,\n1,view,2026-02-01,2\n", "a column without a name"),
]


def test_file_without_a_row_lands_as_nothing(start: Start) -> None:
    pipeline = start(project())
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1)))
    for name, content in WITHOUT_A_ROW.items():
        pipeline.write(f"landing/{day(2)}/{name}", content)
    facts = pipeline.land()
    assert (facts.metrics["files"], facts.metrics["landed_rows"]) == (len(WITHOUT_A_ROW) + 1, 1)
    assert not pipeline.plan().readings


def test_file_that_cannot_be_read_is_an_error_and_changes_nothing(start: Start) -> None:
    pipeline = start(project())
    pipeline.write(f"landing/{day(2)}/web-a.ndjson", lines(row(1)))
    before = pipeline.dump()
    for name, content, says in UNREADABLE:
        file = pipeline.write(f"landing/{day(2)}/{name}", content)
        with pytest.raises(InputError, match=rf"{name}: .*{says}"):
            pipeline.land()
        file.unlink()
    assert pipeline.dump() == before
    pipeline.land()
    assert [event[0] for event in events(pipeline)] == ["1"]


def test_file_that_the_system_does_not_give_is_an_error(start: Start) -> None:
    pipeline = start(project())
    file = pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1)))
    file.unlink()
    file.symlink_to("/proc/self/mem")
    with pytest.raises(InputError, match=r"web\.ndjson: cannot be read: Input/output error"):
        pipeline.land()


# Ids and conditions --------------------------------------------------------------------------------------------------


def test_id_is_a_hash_of_the_row_by_default_and_none_makes_every_line_an_event(start: Start) -> None:
    sources = """\
  web: {files: 'landing/{day}/web*', event: {type: type, time: at}}
  app: {files: 'landing/{day}/app*', event: {id: none, type: type, time: at}}
"""
    pipeline = start(project(sources))
    for source in ("web", "app"):
        pipeline.write(f"landing/{day(2)}/{source}.ndjson", lines(row(1), row(2), row(1)))
        pipeline.write(f"landing/{day(3)}/{source}.csv", in_csv(["id", "type", "at"], *[["1", "a", "2026-02-01"]] * 2))
    pipeline.land()
    found = pipeline.query(
        "select e.landed_from, e.place_row, cast(e.arrived_on as text) from cdp.customer_events as e order by 1, 3, 2"
    )
    every_line = [("app", n, day(2)) for n in (1, 2, 3)] + [("app", n, day(3)) for n in (2, 3)]
    assert found == [*every_line, ("web", 1, day(2)), ("web", 2, day(2)), ("web", 2, day(3))]
    assert [(place, reason) for place, reason, _ in rejected(pipeline)] == [
        (f"landing/{day(2)}/web.ndjson:3", "duplicate"),
        (f"landing/{day(3)}/web.csv:3", "duplicate"),
    ]
    assert pipeline.land().metrics.get("files", 0) == 0


def test_where_passes_over_rows_that_are_not_wanted_and_over_no_broken_one(start: Start) -> None:
    pipeline = start(project(FIELDS.replace("    event:", "    where: row->>'env' = 'prod'\n    event:")))
    rows: list[dict[str, Any] | str] = [
        row(1, env="prod"),
        row(2, env="test"),
        row(3),
        "broken",
        row(4, env="prod", type=None),
        row(5, env="test", at=""),
    ]
    pipeline.write(PLACE, lines(*rows))
    pipeline.land()
    assert [event[0] for event in events(pipeline)] == ["1"]
    assert [reason for _, reason, _ in rejected(pipeline)] == ["invalid: broken JSON", "invalid: no type"]
    assert pipeline.column("select r.landed_rows from cdp.landed_rows as r") == [3]


def test_expressions_that_fail_for_a_row_reject_it_and_end_nothing(start: Start) -> None:
    sources = """\
  web:
    files: landing/{day}/web*
    event: {id: "coalesce(id, 'x')", type: "concat(type, '-', (row->'n'->>'m')::integer)", time: at}
"""
    pipeline = land_lines(start, row(1, n={"m": "7"}), row(2, n={"m": "seven"}), row(3, n=5), sources=sources)
    assert [(event[0], event[1]) for event in events(pipeline)] == [("1", "view-7"), ("3", "view-")]
    assert [(place, reason) for place, reason, _ in rejected(pipeline)] == [(f"{PLACE}:2", "invalid: no type")]

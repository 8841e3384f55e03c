"""Rules, regexes and sources are tried on an engine in memory before a run meets them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdp_pipeline.config.loader import load_project
from cdp_pipeline.events.validate import validate

PROJECT = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web: {files: 'landing/{day}/*'%s, event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers: [{type: email%s}]
    stitching:
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: email%s}
"""
GOOD_RULE = ", value: \"payload->>'email'\""


def mistakes(
    folder: Path, *, source: str = "", valid: str = "", rule: str = GOOD_RULE, landed: str = '{"id": "1"}\n'
) -> list[tuple[str, str]]:
    place = folder / "landing/2026-01-01/web.ndjson"
    place.parent.mkdir(parents=True)
    place.write_text(landed, encoding="utf-8")
    (folder / "project.yaml").write_text(PROJECT % (source, valid, rule), encoding="utf-8")
    return [(error.path, str(error)) for error in validate(load_project(folder, {}))]


@pytest.mark.parametrize(
    ("field", "rule", "says"),
    [
        ("where", GOOD_RULE + ', where: "event_time > 5"', "event_time > 5"),
        ("where", GOOD_RULE + ", where: \"payload->>'n'\"", "gives text"),
        ("where", GOOD_RULE + ", where: \"type ~ '^(?!x)'\"", "(?!"),
        ("where", GOOD_RULE + ", where: \"type ~* '^(?!x)'\"", "(?!"),
        ("value", ", value: event_time - event_time", "interval"),
        ("value", ", value: event_time", "timestamp"),
        ("value", ", value: \"'x'::integer\"", "x"),
        ("value", ", value: nothing", "no column `nothing`"),
    ],
)
def test_a_rule_that_the_engine_refuses_is_a_mistake(tmp_path: Path, field: str, rule: str, says: str) -> None:
    [(path, message)] = mistakes(tmp_path, rule=rule)
    assert path == f"entities.customer.stitching[1].{field}"
    assert says.lower() in message.lower()
    assert "\n" not in message


@pytest.mark.parametrize(
    "value", ["payload->'a'", "id", "type = 'a'", "(payload->>'n')::integer", "type", "version::int"]
)
def test_a_rule_that_gives_identifiers_is_none(tmp_path: Path, value: str) -> None:
    where = "(payload->>'n')::integer > 1 and type ~ '^[a-z]+$'"
    assert not mistakes(tmp_path, rule=f', value: "{value}", where: "{where}"')


def test_a_regex_of_an_identifier_that_the_engine_refuses_is_a_mistake(tmp_path: Path) -> None:
    [(path, message)] = mistakes(tmp_path, valid=", valid: '^(?!x)'")
    assert path == "entities.customer.identifiers[0].valid"
    assert "(?!" in message


@pytest.mark.parametrize("where", ["row->>'env'", "env", "type ~ '^(?!x)'", "(n::integer) = 'a'"])
def test_a_condition_of_a_source_is_tried_too(tmp_path: Path, where: str) -> None:
    [(path, _)] = mistakes(tmp_path, source=f', where: "{where}"')
    assert path == "sources.web.where"


def test_a_condition_of_a_source_that_holds_is_none(tmp_path: Path) -> None:
    assert not mistakes(tmp_path, source=", where: \"row->>'env' = 'prod' and n::integer > 1\"")


def test_what_tells_that_a_row_is_deleted_is_tried_too(tmp_path: Path) -> None:
    mistakes(tmp_path)
    for deleted, wrong in (("gone", 0), ("row->'gone'", 0), ("gone::timestamptz", 1), ("type ~ '^(?!x)'", 1)):
        text = PROJECT % (f', mode: mirror, deleted: "{deleted}"', "", GOOD_RULE)
        (tmp_path / "project.yaml").write_text(text, encoding="utf-8")
        found = validate(load_project(tmp_path, {}))
        assert [error.path for error in found] == ["sources.web.deleted"] * wrong, deleted


def test_the_columns_of_parquet_have_their_types(tmp_path: Path) -> None:
    mistakes(tmp_path)
    (tmp_path / "landing/2026-01-01/web.ndjson").unlink()
    columns = {"id": ["1"], "type": ["a"], "at": ["2026-01-01"], "ok": [True], "wide": [None]}
    table = pa.table(columns).set_column(4, "wide", pa.array([None], pa.decimal256(50, 2)))
    pq.write_table(table, tmp_path / "landing/2026-01-01/web.parquet")
    for where, wrong in (("ok", 0), ("type", 1), ("wide > 1", 1), ("nothing", 1)):
        (tmp_path / "project.yaml").write_text(PROJECT % (f", where: {where}", "", GOOD_RULE), encoding="utf-8")
        assert len(validate(load_project(tmp_path, {}))) == wrong, where


@pytest.mark.parametrize("name", ["web.parquet", "web.parquet.gz", "web.csv.gz", "web.ndjson.zst"])
def test_a_file_that_is_half_written_tells_no_columns(tmp_path: Path, name: str) -> None:
    mistakes(tmp_path)
    (tmp_path / "landing/2026-01-01" / name).write_bytes(b"PAR1half")
    assert validate(load_project(tmp_path, {})) == []


def test_a_header_whose_quote_is_never_closed_tells_no_columns(tmp_path: Path) -> None:
    mistakes(tmp_path)
    (tmp_path / "landing/2026-01-01/x.csv").write_text('id,"type\n' + "1,a\n" * 50_000, encoding="utf-8")
    assert validate(load_project(tmp_path, {})) == []

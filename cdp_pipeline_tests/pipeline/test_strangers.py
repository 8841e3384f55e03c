"""What a warehouse and its files may hold besides what we expect: tables of our names, other types, odd columns."""

from datetime import date
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from cdp_pipeline.errors import InputError
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import day, lines, project

# Names of temporary tables of ours, which a user may have given to tables of their own.
NAMES = ("readings", "landed", "scope", "found", "nodes", "groups", "moved", "restitched", "profile_due", "touched")
QUANTITIES = """\
  shop:
    files: landing/shop/{day}/*
    where: "qty::numeric(18,2) > 1"
    event: {id: id, type: "'order'", time: "at::timestamptz"}
"""


def parquet(**columns: pa.Array) -> bytes:
    out = BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def ids(pipeline: Pipeline) -> list[str]:
    return sorted(pipeline.column("select e.source_event_id from cdp.customer_events as e"))


def test_a_table_of_the_users_with_a_name_of_ours_stays_as_it_is(start: Start) -> None:
    pipeline = start(project())
    schema = pipeline.connection.default_schema
    for name in NAMES:
        pipeline.connection.run_text(f"CREATE TABLE {schema}.{name} AS SELECT 7 AS mine", {}, "a user's")
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines({"id": "1", "type": "view", "at": "2026-02-01T10:00:00Z"}))
    pipeline.run()
    pipeline.run(full=True)
    assert ids(pipeline) == ["1"]
    for name in NAMES:
        table = exp.table_(name, schema)
        assert pipeline.connection.fetch(from_tree("look", exp.select("mine").from_(table))) == [(7,)]


def test_a_column_may_have_another_type_in_each_file(start: Start) -> None:
    pipeline = start(project(QUANTITIES))
    times = pa.array(["2026-02-01 10:00:00"] * 2)
    folder = f"landing/shop/{day(2)}"
    pipeline.write(f"{folder}/a.parquet", parquet(id=pa.array(["a1", "a2"]), qty=pa.array([2, 1]), at=times))
    floats = pa.array([2.5, None])
    pipeline.write(
        f"{folder}/b.parquet", parquet(id=pa.array(["b1", "b2"]), qty=floats, at=times.cast(pa.timestamp("s")))
    )
    pipeline.write(f"{folder}/c.csv", "id,qty,at\nc1,3,2026-02-01 10:00\nc2,x,2026-02-01 10:00\n")
    pipeline.run()
    assert ids(pipeline) == ["a1", "b1", "c1"]
    assert pipeline.column("select r.location from cdp.rejected_events as r") == [f"{folder}/c.csv:3"]


def test_a_whole_number_is_the_same_id_whatever_its_column(start: Start) -> None:
    """Pandas writes whole numbers as floats where some are missing."""
    pipeline = start(project("  crm:\n    files: landing/crm/{day}/*\n    event: {id: id, type: \"'x'\", time: at}\n"))
    at = pa.array(["2026-02-01"] * 2)
    floats = pa.array([1001.0, 1002.5])
    pipeline.write(f"landing/crm/{day(2)}/a.parquet", parquet(id=floats, at=at, cookie=pa.array([7.0, None])))
    pipeline.run()
    assert ids(pipeline) == ["1001", "1002.5"]
    assert pipeline.column("select i.value from kind.identifiers as i") == ["7"]


def test_values_that_json_has_not_are_texts(start: Start) -> None:
    pipeline = start(project("  crm:\n    files: landing/crm/{day}/*\n    event: {id: id, type: \"'x'\", time: at}\n"))
    numbers = pa.array([float("nan"), float("inf")])
    place = f"landing/crm/{day(2)}/a.parquet"
    pipeline.write(place, parquet(id=pa.array(["1", "2"]), at=pa.array(["2026-02-01"] * 2), n=numbers))
    pipeline.run()
    assert sorted(pipeline.column("select e.payload->>'n' from cdp.customer_events as e")) == ["Infinity", "NaN"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,ctid", "`ctid` has a name that PostgreSQL keeps for itself"),
        (f"id,{'a' * 64},{'a' * 65}", "equal in their first 63 bytes"),
        (",".join(f"c{n}" for n in range(1501)), "has 1,501 columns"),
    ],
    ids=["of the system", "too long", "too many"],
)
def test_columns_that_no_server_can_hold_are_refused_everywhere(start: Start, header: str, said: str) -> None:
    pipeline = start(project())
    pipeline.write(f"landing/{day(2)}/web.csv", header + "\n")
    with pytest.raises(InputError, match=said):
        pipeline.run()


def test_nine_hundred_columns_are_a_payload(start: Start) -> None:
    pipeline = start(project())
    names = ["id", "type", "at", *(f"c{n}" for n in range(900))]
    values = ["1", "view", "2026-02-01", *(str(n) for n in range(900))]
    pipeline.write(f"landing/{day(2)}/web.csv", ",".join(names) + "\n" + ",".join(values) + "\n")
    pipeline.run()
    assert pipeline.column("select e.payload->>'c899' from cdp.customer_events as e") == ["899"]


def test_days_of_many_months_find_their_place(start: Start) -> None:
    months = [date(2026, month, 1) for month in (1, 2, 3, 5)]
    pipeline = start(project())
    for number, each in enumerate(months):
        row = {"id": str(number), "type": "view", "at": f"{each}T10:00:00Z", "cookie": "c"}
        pipeline.write(f"landing/{each}/web.ndjson", lines(row))
    pipeline.run()
    assert ids(pipeline) == ["0", "1", "2", "3"]
    assert engines.current().name
    assert pipeline.column("select count(*) from kind.identity_graph as g") == [0]
    assert pipeline.column("select i.events from kind.identifiers as i") == [4]

"""What stands in an expression for something else: the time, a context value, the rows of an array."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlglot import exp

from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.sql.clock import bind_clock, reads_clock
from cdp_pipeline.sql.context import bind_context, context_keys
from cdp_pipeline.sql.expressions import parse_expression
from cdp_pipeline.sql.per_entity import over_everyone, per_entity
from cdp_pipeline.sql.queries import parse_query
from cdp_pipeline.sql.set_returning import elements, split
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.sql.corpus import COLUMNS, fill

AS_OF = datetime(2026, 1, 20, 12, tzinfo=UTC)
DAY = date(2026, 1, 20)
TIMES: dict[str, object] = {
    "now()": AS_OF,
    "CURRENT_TIMESTAMP": AS_OF,
    "clock_timestamp()": AS_OF,
    "transaction_timestamp()": AS_OF,
    "statement_timestamp()": AS_OF,
    "localtimestamp": AS_OF.replace(tzinfo=None),
    "current_date": DAY,
    "timestamptz 'now'": AS_OF,
    "'today'::date": DAY,
    "date 'tomorrow'": DAY + timedelta(days=1),
    "timestamptz ' Yesterday '": datetime(2026, 1, 19, tzinfo=UTC),
    "now() - interval '30 days'": AS_OF - timedelta(days=30),
    "now() > timestamptz '2026-01-20 00:00:00+00'": True,
}
ROWS_OF: dict[str, list[tuple[str, int, object]]] = {
    "jsonb_array_elements(payload->'items')->>'sku'": [("e1", 1, "x"), ("e3", 1, "y"), ("e3", 2, "x")],
    "(jsonb_array_elements(payload->'items')->>'p')::int * 2": [("e1", 1, 4), ("e3", 1, 2), ("e3", 2, 6)],
    "upper(jsonb_array_elements_text(payload->'user'->'tags'))": [("e1", 1, "A"), ("e1", 2, "B")],
    "jsonb_object_keys(payload->'user')": [("e1", 1, "tags"), ("e1", 2, "email"), ("e2", 1, "tags")],
    "length(unnest(string_to_array(s, ',')))": [("e1", 1, 3), ("e2", 1, 1), ("e2", 2, 1)],
    "string_to_table(s, ',')": [("e1", 1, "abc"), ("e2", 1, "a"), ("e2", 2, "b")],
}


@pytest.fixture(scope="module")
def warehouse(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    connection = engine.open(tmp_path_factory.mktemp("expressions"))
    fill(connection)
    yield connection
    connection.close()


def test_every_way_to_ask_for_the_time_means_the_time_as_of_which_a_run_calculates(warehouse: Connection) -> None:
    trees = [parse_expression(text, clock=True) for text in TIMES]
    assert all(map(reads_clock, trees))
    query = exp.select(*(exp.alias_(bind_clock(tree, AS_OF), f"c{n}") for n, tree in enumerate(trees)))
    assert warehouse.fetch(from_tree("clock", query)) == [tuple(TIMES.values())]
    assert not reads_clock(parse_expression("event_time > timestamptz '2026-01-20'", clock=True))


@pytest.mark.parametrize("text", ["localtime", "current_time", "timeofday()", "timestamptz 'epoch'"])
def test_a_time_without_a_day_is_refused(text: str) -> None:
    with pytest.raises(SqlError, match=r"is a time without a day|is no time"):
        parse_expression(text, clock=True)


def test_a_context_value_is_its_text(warehouse: Connection) -> None:
    tree = parse_expression(
        "(SELECT value\nFROM context WHERE 'rate' = key)::numeric * 2 + coalesce((select c.value from context as c "
        "where c.key = 'none')::integer, 1)",
        context=True,
    )
    assert context_keys(tree) == ["rate", "none"]
    bound = bind_context(tree, {"rate": "1.25", "none": None})
    assert warehouse.fetch(from_tree("context", exp.select(bound))) == [(3.5,)]
    assert context_keys(tree) == ["rate", "none"]
    with pytest.raises(SqlError, match=r"There is no context value `none`\. There are: rate\."):
        bind_context(tree, {"rate": "1"})


def test_an_expression_that_gives_rows_is_an_array_and_what_is_made_of_an_element(warehouse: Connection) -> None:
    for text, expected in ROWS_OF.items():
        found = split(parse_expression(text, set_returning=True, types=COLUMNS))
        assert found is not None
        array, element = found
        rows = exp.select("r.id", "elements.place", exp.alias_(element, "made")).from_("corpus_rows as r")
        rows = rows.join(elements(array), join_type="cross").where("r.id < 'e4'", "r.s <> ''").order_by("1", "2")
        wanted = expected if "payload->'items'" not in text else [row for row in expected if row[0] != "e3"]
        assert warehouse.fetch(from_tree("rows", rows)) == wanted, text
    assert split(parse_expression("payload->>'a'", set_returning=True)) is None


def test_what_is_no_array_is_an_error_where_rows_are_made_of_it(warehouse: Connection) -> None:
    found = split(parse_expression("jsonb_array_elements(payload->'user')", set_returning=True))
    assert found is not None
    rows = exp.select("r.id", "elements.value").from_("corpus_rows as r").join(elements(found[0]), join_type="cross")
    with pytest.raises(WarehouseError, match="cannot extract elements"):
        warehouse.fetch(from_tree("rows", rows))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coalesce(jsonb_array_elements(payload), payload)", "stands where a value is chosen"),
        ("jsonb_array_elements(payload) ->> 'a' || unnest(s)", "gives rows in 2 ways"),
    ],
)
def test_rows_are_made_in_one_way(text: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse_expression(text, set_returning=True)


def test_a_query_over_everyone_sees_whose_a_row_is(warehouse: Connection) -> None:
    tables = {"events": {"entity_id": "bigint", **COLUMNS}}
    query = parse_query("select entity_id, count(*) as n from events group by 1 order by n desc, 1", tables)
    assert query.columns == ("entity_id", "n")
    assert query.reads == {"events"}
    assert query.ordered
    tree = over_everyone(query, {"events": exp.to_table("corpus_rows")})
    assert sorted(warehouse.fetch(from_tree("everyone", tree)), key=lambda row: row[2]) == [(1, 3, 1), (2, 3, 2)]
    with pytest.raises(SqlError, match="cannot be named `entity_id`"):
        per_entity(query, exp.to_table("corpus_entities"), {"events": exp.to_table("corpus_rows")})


def test_what_a_query_reads_can_be_told_by_names_alone() -> None:
    value = "(select value from context where key = 'k')"
    text = " ".join(("with a as (select *, now() as at from base) select x / y from a, bought where z =", value))
    query = parse_query(text, ["base", "bought", "other"])
    assert query.reads == {"base", "bought"}
    assert (query.context_keys, query.reads_clock, query.ordered) == (("k",), True, False)
    with pytest.raises(ValueError, match="without the columns of"):
        per_entity(query, exp.to_table("e"), {"base": exp.to_table("b"), "bought": exp.to_table("c")})

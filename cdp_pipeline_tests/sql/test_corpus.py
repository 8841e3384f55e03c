"""The corpus: expressions and queries that mean the same on every engine as in PostgreSQL itself, or are refused."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.duckdb_functions import FUNCTIONS as FORMS
from cdp_pipeline.sql.expressions import bind_known, parse_expression
from cdp_pipeline.sql.functions import FUNCTIONS
from cdp_pipeline.sql.kinds import kind_of
from cdp_pipeline.sql.per_entity import per_entity
from cdp_pipeline.sql.queries import parse_query
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import ENGINES
from cdp_pipeline_tests.sql.corpus import (
    COLUMNS,
    ENTITIES,
    fill,
    lines_of,
    raw_rows,
    read,
    read_row,
    roughly,
    same,
    share,
)
from cdp_pipeline_tests.sql.corpus_refused import EXPRESSIONS as EXPRESSIONS_REFUSED
from cdp_pipeline_tests.sql.corpus_refused import QUERIES as QUERIES_REFUSED
from cdp_pipeline_tests.sql.generated_queries import Queries

Warehouses = Mapping[str, Connection]
GENERATED = int(os.environ.get("CDP_TEST_QUERIES", "40"))
TEXTS = lines_of("corpus_expressions.sql")


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouses]:
    """Open a warehouse of each engine, with the corpus's rows."""
    opened = {name: engine.open(tmp_path_factory.mktemp(f"corpus_{name}")) for name, engine in ENGINES.items()}
    for connection in opened.values():
        fill(connection)
    share(opened["postgresql"])
    yield opened
    for connection in opened.values():
        connection.close()


def test_an_expression_gives_postgresqls_value_everywhere(warehouses: Warehouses) -> None:
    known: dict[str, exp.Expr] = {name: exp.column(name, table="r") for name in COLUMNS}
    trees = [parse_expression(text, types=COLUMNS) for text in TEXTS]
    bound = [exp.alias_(bind_known(tree, known), f"c{number}") for number, tree in enumerate(trees)]
    query = exp.select(*bound).from_("corpus_rows as r").order_by("r.id")
    given = {name: connection.fetch(from_tree("corpus", query)) for name, connection in warehouses.items()}
    raw = " ".join(("select", ", ".join(TEXTS).replace("%", "%%"), "from corpus_rows order by id"))
    given["PostgreSQL itself"] = warehouses["postgresql"].fetch_text(raw, {}, "corpus")
    wrong = []
    for number, (text, tree) in enumerate(zip(TEXTS, trees, strict=True)):
        is_json = kind_of(tree) == "jsonb"
        values = {name: [read(row[number]) if is_json else row[number] for row in rows] for name, rows in given.items()}
        if not all(same(values["PostgreSQL itself"], of) for of in values.values()):
            wrong.append(_told(text, values))
    assert not wrong, "\n".join(wrong)


def test_a_query_gives_postgresqls_rows_for_each_entity_everywhere(warehouses: Warehouses) -> None:
    wrong = [_difference(text.removesuffix(";"), warehouses) for text in lines_of("corpus_queries.sql")]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_a_generated_query_gives_postgresqls_rows_for_each_entity_everywhere(warehouses: Warehouses, seed: int) -> None:
    generated = Queries(seed)
    wrong = [_difference(generated.query(), warehouses) for _ in range(GENERATED)]
    assert not any(wrong), "\n".join(filter(None, wrong))


def _difference(text: str, warehouses: Warehouses) -> str | None:
    """Return what differs between the engines, or from each entity's rows in PostgreSQL itself."""
    query = parse_query(text, {"base": COLUMNS})
    tree = per_entity(query, exp.to_table("corpus_entities"), {"base": exp.to_table("corpus_rows")})
    given = {
        name: sorted(map(read_row, connection.fetch(from_tree("corpus", tree))), key=lambda row: (row[0], row[-1]))
        for name, connection in warehouses.items()
    }
    raw = [(entity, *row) for entity in ENTITIES for row in raw_rows(warehouses["postgresql"], entity, text)]
    ours = [row[:-1] for row in given["postgresql"]]
    if not query.ordered:
        ours, raw = sorted(ours, key=roughly), sorted(raw, key=roughly)
    if same(given["duckdb"], given["postgresql"]) and same(ours, raw):
        return None
    return _told(text, {**given, "PostgreSQL itself": raw})


def test_every_form_stands_in_the_corpus() -> None:
    trees = [parse_expression(text, types=COLUMNS) for text in TEXTS]
    trees += [parse_query(text.removesuffix(";"), {"base": COLUMNS}).tree for text in lines_of("corpus_queries.sql")]
    called = {call.name.lower() for tree in trees for call in tree.find_all(exp.Anonymous)}
    assert FORMS.keys() - called == {"cdp_json_order"}  # which `per_entity` adds
    assert {f"cdp_{name}" if function.form else name for name, function in FUNCTIONS.items()} - called == set()


def test_a_limit_without_an_order_takes_the_least(warehouses: Warehouses) -> None:
    query = parse_query("select n from base limit 2", {"base": COLUMNS})
    tree = per_entity(query, exp.to_table("corpus_entities"), {"base": exp.to_table("corpus_rows")})
    for connection in warehouses.values():
        assert sorted(connection.fetch(from_tree("limit", tree))) == [(1, -7, 1), (1, 0, 2), (2, 3, 1), (2, 42, 2)]


def test_what_is_not_equal_everywhere_is_refused() -> None:
    wrong = [
        *_refused(EXPRESSIONS_REFUSED, lambda text: parse_expression(text, types=COLUMNS)),
        *_refused(QUERIES_REFUSED, lambda text: parse_query(text, {"base": COLUMNS})),
    ]
    assert not wrong, "\n".join(wrong)


def _refused(texts: Mapping[str, str], parse: Callable[[str], object]) -> Iterator[str]:
    for text, part in texts.items():
        try:
            parse(text)
        except SqlError as error:
            if part not in str(error):
                yield f"{text}: {error}"
        else:
            yield f"{text}: is not refused"


def _told(text: str, values: Mapping[str, list[Any]]) -> str:
    return "\n    ".join([text, *(f"{name}: {of}" for name, of in values.items())])

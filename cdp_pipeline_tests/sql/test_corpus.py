"""The corpus: expressions and queries that mean the same on every engine as in PostgreSQL itself, or are refused."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlglot import exp

from cdp_pipeline.sql.expressions import bind_known, parse_expression
from cdp_pipeline.sql.kinds import kind_of
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import ENGINES
from cdp_pipeline_tests.sql.corpus import COLUMNS, fill, read, same
from cdp_pipeline_tests.sql.corpus_expressions import EXPRESSIONS

Warehouses = Mapping[str, Connection]
TEXTS = [line.strip() for texts in EXPRESSIONS.values() for line in texts.strip().splitlines()]


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouses]:
    """Open a warehouse of each engine, with the corpus's rows."""
    opened = {name: engine.open(tmp_path_factory.mktemp(f"corpus_{name}")) for name, engine in ENGINES.items()}
    for connection in opened.values():
        fill(connection)
    yield opened
    for connection in opened.values():
        connection.close()


def test_an_expression_gives_postgresqls_value_everywhere(warehouses: Warehouses) -> None:
    known = {name: exp.column(name, table="r") for name in COLUMNS}
    trees = [parse_expression(text, types=COLUMNS) for text in TEXTS]
    bound = [exp.alias_(bind_known(tree, known), f"c{number}") for number, tree in enumerate(trees)]
    query = exp.select(*bound).from_("corpus_rows as r").order_by("r.id")
    given = {name: connection.fetch(from_tree("corpus", query)) for name, connection in warehouses.items()}
    raw = ", ".join(TEXTS).replace("%", "%%")
    given["PostgreSQL itself"] = warehouses["postgresql"].fetch_text(
        f"select {raw} from corpus_rows order by id", {}, ""
    )
    wrong = []
    for number, (text, tree) in enumerate(zip(TEXTS, trees, strict=True)):
        is_json = kind_of(tree) == "jsonb"
        values = {name: [read(row[number], is_json=is_json) for row in rows] for name, rows in given.items()}
        if not all(same(values["PostgreSQL itself"], of) for of in values.values()):
            wrong.append(_told(text, values))
    assert not wrong, "\n".join(wrong)


def _told(text: str, values: Mapping[str, list[Any]]) -> str:
    return "\n    ".join([text, *(f"{name}: {of}" for name, of in values.items())])

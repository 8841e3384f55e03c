"""A thousand nasty definitions: each is refused, or runs within bounds and reads what it may; nothing is written."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlglot import exp

from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.sql.clock import bind_clock
from cdp_pipeline.sql.expressions import bind_known, parse_expression
from cdp_pipeline.sql.per_entity import per_entity
from cdp_pipeline.sql.queries import parse_query
from cdp_pipeline.sql.statements import from_tree, statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import ENGINES
from cdp_pipeline_tests.sql.corpus import COLUMNS, fill, instant
from cdp_pipeline_tests.sql.nasty import CALLS, HARMLESS, MARK, STATEMENTS, TABLES, nasty

COUNT = 1_000
SECONDS = 1.0
LONGEST = 3.0  # seconds of CPU that it may take to read a definition
KNOWN: dict[str, exp.Expr] = {name: exp.column(name, table="r") for name in COLUMNS}
STRANGER = 9  # whose rows hold the mark; no query is asked for them


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Connection]]:
    """Open a warehouse of each engine, with something secret in it."""
    opened = {name: engine.open(tmp_path_factory.mktemp(f"nasty_{name}")) for name, engine in ENGINES.items()}
    for connection in opened.values():
        fill(connection, stranger=(STRANGER, MARK))
        connection.run_text(f"create table secret as select '{MARK}' as mark", {}, "secret")
    yield opened
    for connection in opened.values():
        connection.close()


def test_each_nasty_piece_is_refused_by_itself() -> None:
    places = {"select 1 as a from {}": TABLES, "{}": [*STATEMENTS, *CALLS], "select {} as a from base": CALLS}
    whole = {place.replace("{}", piece): piece for place, pieces in places.items() for piece in pieces}
    assert {piece for text, piece in whole.items() if allowed_tree(text) is not None} == HARMLESS


def test_nothing_nasty_comes_through(warehouses: Mapping[str, Connection], seed: int, tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text(f"mark\n{MARK}\n", encoding="utf-8")
    before = {name: tables_of(connection) for name, connection in warehouses.items()}
    given = nasty(seed, COUNT)  # the header of the run shows the seed
    texts = [text.replace("{file}", str(file)).replace("{folder}", str(tmp_path)) for text in given]
    # One definition is there in several spellings.
    trees = [tree for text in dict.fromkeys(texts) if (tree := allowed_tree(text)) is not None]
    allowed = list({tree.sql("postgres", comments=False): tree for tree in trees}.values())
    assert len(allowed) < COUNT / 4
    for name, connection in warehouses.items():
        for tree in allowed:
            assert MARK not in shown(connection, tree), tree.sql("postgres")
        assert tables_of(connection) == before[name]
        assert connection.fetch(statement("secret", "select s.mark from secret as s")) == [(MARK,)]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def allowed_tree(text: str) -> exp.Expr | None:
    """Return the statement of a definition, as a query or else as an expression; None when both are refused."""
    began = time.thread_time()
    try:
        query = parse_query(text, {"base": COLUMNS})
        tree = per_entity(query, exp.to_table("corpus_entities"), {"base": exp.to_table("corpus_rows")})
    except SqlError:
        try:
            value = parse_expression(text, aggregates=True, clock=True, context=True, types=COLUMNS)
            value = bind_known(value, KNOWN)
        except SqlError:
            return None
        finally:
            assert time.thread_time() - began < LONGEST, text[:200]
        tree = exp.select(exp.alias_(value, "v")).from_("corpus_rows as r").where(f"r.entity_id <> {STRANGER}")
    return bind_clock(tree, instant())


def shown(connection: Connection, tree: exp.Expr) -> str:
    """Return the rows of a statement as text, or nothing when it fails."""
    try:
        with connection.bounded(SECONDS):
            return repr(connection.fetch(from_tree("nasty", tree)))
    except WarehouseError:
        return ""


def tables_of(connection: Connection) -> list[str]:
    query = "select t.table_schema || '.' || t.table_name as name from information_schema.tables as t order by 1"
    return [str(row) for row in connection.fetch(statement("tables", query))]

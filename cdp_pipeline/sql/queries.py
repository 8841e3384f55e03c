"""A user's query: parsed, checked, and turned into a tree that means the same on every engine.

It only reads, and only what it is given: tables by their names, and its own `with`. What may stand in it is written
down in `allowed`; how names are found, in `scopes`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.allowed import AGGREGATES, May, check_node, check_own_names, fold_names
from cdp_pipeline.sql.clock import as_now, reads_clock
from cdp_pipeline.sql.context import as_context, context_keys
from cdp_pipeline.sql.dialect import parse, shortened
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.growth import check_growth
from cdp_pipeline.sql.kinds import kind_of_type
from cdp_pipeline.sql.meaning import query_to_forms
from cdp_pipeline.sql.query_checks import check_queries
from cdp_pipeline.sql.scopes import UNNAMED, Columns, Reader

_MAY = May(aggregates=True, queries=True, clock=True, context=True)
VALUE = "value"
_ROWS = "base"


@dataclass(frozen=True)
class Query:
    """A whole query that only reads.

    Attributes:
        tree: what it means; the tables that it was given stand in it by their names. Without their columns it is as the
            user wrote it.
        reads: the given tables that it reads.
        tables: the columns of the given tables, with their kinds; None where they were not given.
        columns: the names of what it gives; `*` where that depends on columns that were not given.
        kinds: for each of these its kind, see `kinds`; None where that is not known.
        context_keys: the context values that it reads.
        reads_clock: whether what it gives depends on the time as of which it is calculated.
        ordered: whether its rows have an order that it tells.
    """

    tree: exp.Query
    reads: frozenset[str]
    tables: Mapping[str, Columns | None]
    columns: tuple[str, ...]
    kinds: tuple[str | None, ...]
    context_keys: tuple[str, ...]
    reads_clock: bool
    ordered: bool


def parse_query(text: str, tables: Collection[str] | Mapping[str, Mapping[str, str]]) -> Query:
    """Reads a query.

    Args:
        text: PostgreSQL SQL: one query; comments and one `;` at its end may stand in it.
        tables: what it may read. With names only, just what it reads can be told for sure; to be calculated, a query
            is read with each table's columns and their types.

    Raises:
        SqlError: it is no query, or holds something that is not allowed; the message names it.
    """
    tree = parse(text, "query")
    if not isinstance(tree, exp.Query):
        raise SqlError(f"`{shortened(text)}` is no query.", "Write: select … from … .")
    return _read(tree, tables)


def parse_over_rows(text: str, columns: Mapping[str, str]) -> exp.Expr:
    """Reads an expression over a row, which may look over other rows by window functions.

    Args:
        text: PostgreSQL SQL.
        columns: the columns of a row with their types.

    Raises:
        SqlError: it is no such expression, or holds something that is not allowed; the message names it.
    """
    tree = parse(text, "expression")
    if as_context(tree.copy()).find(exp.Query) is not None:
        raise SqlError(f"`{shortened(text)}` holds a query.", "A row helper looks over rows by window functions.")
    for node in tree.find_all(*AGGREGATES):
        if node.find_ancestor(exp.Window) is None:
            raise SqlError(
                f"`{shortened(node.sql('postgres'))}` is an aggregate, and a row helper is a column of every event.",
                "Say over which rows: sum(…) over (partition by …).",
            )
    query = _read(exp.select(exp.alias_(tree, VALUE)).from_(_ROWS), {_ROWS: columns})
    (value,) = query.tree.expressions
    helper: exp.Expr = value.this.copy()
    return helper


def _read(tree: exp.Query, tables: Collection[str] | Mapping[str, Mapping[str, str]]) -> Query:
    check_own_names(tree)
    fold_names(tree)
    read = as_context(tree)
    tree = read if isinstance(read, exp.Query) else exp.select(read)
    for node in tree.walk():
        check_node(node, _MAY)
    check_growth(tree)
    rewrite_up(tree, as_now)
    known = _columns_of(tables)
    reader = Reader(known)
    relation = reader.query(tree, {}, None)
    check_queries(tree, tuple(relation.columns or ()))
    return Query(
        tree=tree if None in known.values() else query_to_forms(tree),
        reads=frozenset(reader.reads),
        tables=known,
        columns=_names(relation.columns),
        kinds=tuple((relation.columns or {}).values()),
        context_keys=tuple(context_keys(tree)),
        reads_clock=reads_clock(tree),
        ordered=bool(tree.args.get("order")),
    )


def _columns_of(tables: Collection[str] | Mapping[str, Mapping[str, str]]) -> dict[str, Columns | None]:
    if not isinstance(tables, Mapping):
        return dict.fromkeys(tables)
    return {
        name: {column: kind_of_type(exp.DataType.build(type_, dialect="postgres")) for column, type_ in columns.items()}
        for name, columns in tables.items()
    }


def _names(columns: Columns | None) -> tuple[str, ...]:
    if columns is None:
        return ("*",)
    unnamed = [name for name in columns if name.startswith(UNNAMED)]
    if unnamed and len(columns) > 1:
        raise SqlError("A column of the query has no name.", "Write: … as a_name.")
    return (VALUE,) if unnamed else tuple(columns)

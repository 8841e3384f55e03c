"""The language of a kind's definitions: what each of them may hold."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlglot import exp

from cdp_pipeline.sql.clock import bind_clock
from cdp_pipeline.sql.context import bind_context, bind_no_context
from cdp_pipeline.sql.expressions import parse_expression
from cdp_pipeline.sql.queries import Query, parse_over_rows, parse_query

MOST_SECONDS = 3600  # that a statement with users' SQL may take, for a slice of the entities
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def read_expression(
    text: str, columns: Mapping[str, exp.DataType], *, aggregates: bool = False, set_returning: bool = False
) -> exp.Expr:
    """An expression, which may read the clock and context values.

    Args:
        text: PostgreSQL SQL.
        columns: what it may read, with the types, which say what its operators mean; that it reads nothing else is
            told when it is bound.
        aggregates: whether it makes one value of many rows.
        set_returning: whether it may give several rows for one.

    Raises:
        SqlError: it is not allowed.
    """
    return parse_expression(
        text,
        aggregates=aggregates,
        set_returning=set_returning,
        clock=True,
        context=True,
        types={name: type_.sql("postgres") for name, type_ in columns.items()},
    )


def read_query(text: str, tables: Mapping[str, Mapping[str, exp.DataType]]) -> Query:
    """A query over some tables with their columns, so that it can be calculated.

    Raises:
        SqlError: it is not allowed, or reads a column that is not there.
    """
    named = {
        table: {name: type_.sql("postgres") for name, type_ in columns.items()} for table, columns in tables.items()
    }
    return parse_query(text, named)


def read_helper(text: str, columns: Mapping[str, exp.DataType]) -> exp.Expr:
    """A row helper's expression, which may hold window functions.

    Raises:
        SqlError: it is not allowed, or reads a column that is not there.
    """
    return parse_over_rows(text, {name: type_.sql("postgres") for name, type_ in columns.items()})


def at(tree: exp.Expr, as_of: datetime, values: Mapping[str, str | None]) -> exp.Expr:
    """The tree with the time and the context values in their places; a copy."""
    return bind_context(bind_clock(tree, as_of), values)


def at_no_time(tree: exp.Expr) -> exp.Expr:
    """The tree as it can be asked for its types, before any time or context value is known; a copy."""
    return bind_no_context(bind_clock(tree, _NO_TIME))

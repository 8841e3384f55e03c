"""What some SQL of a user's mentions: tables, columns, context values, the clock; whatever may be wrong with it."""

from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from cdp_pipeline.sql.allowed import fold_names
from cdp_pipeline.sql.clock import asks_for_the_time
from cdp_pipeline.sql.context import as_context, context_keys
from cdp_pipeline.sql.dialect import parse

_KEPT = 2000


@dataclass(frozen=True)
class Mentions:
    """What an expression or a query mentions.

    Attributes:
        tree: it, as it was written.
        tables: the tables that it reads and does not make itself.
        columns: the names of all columns in it.
        all_columns: whether it takes all columns of something, by `*`.
        context_keys: the context values that it reads.
    """

    tree: exp.Expr
    tables: frozenset[str]
    columns: frozenset[str]
    all_columns: bool
    context_keys: tuple[str, ...]


@lru_cache(maxsize=_KEPT)
def mentions(text: str) -> Mentions:
    """Looks for what an expression or a query mentions.

    Raises:
        SqlError: it is neither.
    """
    tree = parse(text, "expression or query")
    fold_names(tree)
    tree = as_context(tree)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = {table.name for table in tree.find_all(exp.Table) if not table.db}
    columns = {column.name for column in tree.find_all(exp.Column)}
    stars = any(isinstance(star.parent, (exp.Select, exp.Column)) for star in tree.find_all(exp.Star))
    return Mentions(tree, frozenset(tables - own), frozenset(columns), stars, tuple(context_keys(tree)))


def mentions_clock(tree: exp.Expr) -> bool:
    """Whether it asks for the time anywhere."""
    return any(asks_for_the_time(node) for node in tree.walk())

"""A user's SQL expression: parsed, checked, and turned into a tree that means the same on every engine.

PostgreSQL's dialect is the language. What may stand in an expression is written down here, node by node: operators,
functions and types that were seen to give equal values on every engine, or that have a form in `forms.py`. Anything
else is refused with its name, never guessed. An expression reads columns; it never reads a table, a file, a setting or
the clock.
"""

from collections.abc import Callable, Mapping

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.allowed import May, check_node, check_own_names
from cdp_pipeline.sql.clock import as_now
from cdp_pipeline.sql.context import as_context
from cdp_pipeline.sql.dialect import parse
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.growth import check_growth
from cdp_pipeline.sql.meaning import to_forms
from cdp_pipeline.sql.set_returning import split

Resolve = Callable[[exp.Column], exp.Expr]


def parse_expression(
    text: str,
    *,
    aggregates: bool = False,
    clock: bool = False,
    context: bool = False,
    set_returning: bool = False,
    types: Mapping[str, str] | None = None,
) -> exp.Expr:
    """Reads an expression and gives the tree that the engines render.

    Args:
        text: PostgreSQL SQL.
        aggregates: whether it calculates one value from many rows; if not, aggregate functions are refused.
        clock: whether it may ask for the time, which stands in the tree as `cdp_now()`, see `clock`.
        context: whether it may read context values, which stand in the tree as `cdp_context('k')`, see `context`.
        set_returning: whether it may give several rows for one, see `set_returning`.
        types: the types of columns, as far as they are known; operators that mean different things for different types
            are refused where they do not tell.

    Raises:
        SqlError: it is no expression, or holds something that is not allowed; the message names it.
    """
    may = May(aggregates=aggregates, clock=clock, context=context, set_returning=set_returning)
    tree = parse(text, "expression")
    check_own_names(tree)
    tree = as_context(tree) if context else tree
    for node in tree.walk():
        check_node(node, may)
    check_growth(tree)
    tree = rewrite_up(tree, as_now)
    for column in columns_of(tree):
        if types and column.name in types:
            column.type = exp.DataType.build(types[column.name], dialect="postgres")
    tree = to_forms(tree)
    if set_returning:
        split(tree)
    return tree


def columns_of(tree: exp.Expr) -> list[exp.Column]:
    """The columns that the tree reads, in order."""
    return list(tree.find_all(exp.Column))


def bind_columns(tree: exp.Expr, resolve: Resolve) -> exp.Expr:
    """Puts what `resolve` gives for each column in its place.

    Raises:
        SqlError: `resolve` knows no such column.
    """
    return rewrite_up(tree.copy(), lambda node: resolve(node) if isinstance(node, exp.Column) else node)


def bind_known(tree: exp.Expr, known: dict[str, exp.Expr]) -> exp.Expr:
    """Puts known columns' trees in their places; any other column is refused with the names that are known."""

    def resolve(column: exp.Column) -> exp.Expr:
        if column.name not in known:
            raise unknown_column(column.name, list(known))
        return known[column.name].copy()

    return bind_columns(tree, resolve)


def unknown_column(name: str, known: list[str]) -> SqlError:
    """The error for a column that is not there."""
    return SqlError(f"There is no column `{name}` here.", f"What can be read: {', '.join(known)}.")


def flatten_paths(tree: exp.Expr) -> exp.Expr:
    """Makes one path of a path within a path: `x -> 'a' ->> 'b'` is read in one go."""

    def flatten(node: exp.Expr) -> exp.Expr:
        while is_path(node) and is_path(node.expressions[0]) and node.expressions[0].name.lower() == "cdp_path":
            inner = node.expressions[0]
            node = exp.Anonymous(this=node.this, expressions=[*inner.expressions, *node.expressions[1:]])
        return node

    return rewrite_up(tree, flatten)


def is_path(node: exp.Expr) -> bool:
    """Whether the node reads a place in a JSON value."""
    return isinstance(node, exp.Anonymous) and node.name.lower() in ("cdp_path", "cdp_path_text", "cdp_path_kind")

"""Context values in users' SQL: `(select value from context where key = 'k')`, and no other way.

Until its value is known one stands in a tree as `cdp_context('k')`.
"""

from collections.abc import Mapping

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.forms import rewrite_up

CONTEXT = "cdp_context"
TABLE = "context"
_HINT = "A context value is read as (select value from context where key = 'its key')."


def as_context(tree: exp.Expr) -> exp.Expr:
    """Puts `cdp_context('k')` in the place of each query that reads a context value.

    Raises:
        SqlError: `context` is read in another way.
    """
    tree = rewrite_up(tree, _rewrite)
    for table in tree.find_all(exp.Table):
        if table.name.lower() == TABLE and not table.db and not _is_own(table):
            raise SqlError("`context` is no table to be read as a whole.", _HINT)
    return tree


def context_keys(tree: exp.Expr) -> list[str]:
    """The keys of the context values that the tree reads, each once."""
    return list(dict.fromkeys(node.expressions[0].name for node in tree.walk() if _is_context(node)))


def bind_context(tree: exp.Expr, values: Mapping[str, str | None]) -> exp.Expr:
    """Puts context values in their places, as text; a copy.

    Raises:
        SqlError: there is no value of such a key.
    """

    def value(node: exp.Expr) -> exp.Expr:
        if not _is_context(node):
            return node
        key = node.expressions[0].name
        if key not in values:
            raise SqlError(f"There is no context value `{key}`.", f"There are: {', '.join(values) or 'none'}.")
        given = values[key]
        return exp.cast(exp.null() if given is None else exp.Literal.string(given), "text")

    return rewrite_up(tree.copy(), value)


def bind_no_context(tree: exp.Expr) -> exp.Expr:
    """Puts some text in the place of each context value, by which an engine can be asked for types; a copy."""
    return rewrite_up(tree.copy(), lambda node: exp.func("cdp_some_text") if _is_context(node) else node)


def _rewrite(node: exp.Expr) -> exp.Expr:
    key = _key_of(node)
    return node if key is None else exp.Anonymous(this=CONTEXT, expressions=[key.copy()])


def _key_of(node: exp.Expr) -> exp.Expr | None:
    """The key in `(select value from context where key = 'k')`."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Select) or not _is_scalar(node):
        return None
    query = node.this
    clauses = {name for name, value in query.args.items() if value}
    source = query.args["from_"].this if query.args.get("from_") else None
    if clauses != {"expressions", "from_", "where"} or len(query.expressions) != 1:
        return None
    if not isinstance(source, exp.Table) or source.name.lower() != TABLE or source.db:
        return None
    test = query.args["where"].this
    names = {"", TABLE, source.alias.lower()}
    if not isinstance(test, exp.EQ) or not _is_column(query.expressions[0], "value", names):
        return None
    left, right = test.this, test.expression
    if isinstance(left, exp.Literal):
        left, right = right, left
    if not _is_column(left, "key", names) or not isinstance(right, exp.Literal) or not right.is_string:
        return None
    return right


def _is_scalar(node: exp.Subquery) -> bool:
    in_its_place = isinstance(
        node.parent, (exp.From, exp.Join, exp.Lateral, exp.In, exp.Any, exp.All, exp.SetOperation)
    )
    return not in_its_place and all(name == "this" or not value for name, value in node.args.items())


def _is_column(node: exp.Expr, name: str, tables: set[str]) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == name and node.table.lower() in tables


def _is_own(table: exp.Table) -> bool:
    """Whether a CTE of the query itself has the name."""
    found = table.find_ancestor(exp.Select)
    while found is not None:
        if any(cte.alias.lower() == TABLE for cte in found.ctes):
            return True
        found = found.find_ancestor(exp.Select)
    return False


def _is_context(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == CONTEXT

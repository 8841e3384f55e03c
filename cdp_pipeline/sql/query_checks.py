"""What a query may say by its grammar but not here, because engines or runs would differ about it."""

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.functions import WINDOW_FUNCTIONS
from cdp_pipeline.sql.kinds import kind_of


def check_queries(tree: exp.Expr, columns: tuple[str, ...]) -> None:
    """Refuses what is not the same everywhere.

    Args:
        tree: a query whose names are written out.
        columns: what it gives.

    Raises:
        SqlError: there is such a thing; the message says what to write.
    """
    for node in tree.walk():
        if isinstance(node, exp.Query):
            _check_limit(node, tree, columns)
        if isinstance(node, exp.Join):
            _check_join(node)
        if isinstance(node, exp.Window):
            _check_window(node)
        if isinstance(node, (exp.Group, exp.Distinct, exp.Order)):
            _check_comparable(node, is_top=node.parent is tree)


def _check_limit(node: exp.Query, tree: exp.Expr, columns: tuple[str, ...]) -> None:
    limits = [node.args[name] for name in ("limit", "offset") if node.args.get(name)]
    for limit in limits:
        number = limit.expression
        if not isinstance(number, exp.Literal) or number.is_string or not number.name.isdecimal():
            raise SqlError(f"`{limit.sql('postgres').strip()}` needs a whole number.", "For example: limit 10.")
    if limits and not node.args.get("order") and (node is not tree or len(columns) != 1):
        raise SqlError(
            f"`{limits[0].sql('postgres').strip()}` without an order takes rows by chance.", "Add: order by …."
        )


def _check_join(node: exp.Join) -> None:
    if node.side == "FULL":
        raise SqlError("A full join is not supported.", "Write a left join and, with union all, the rows of the other.")
    if node.args.get("using"):
        raise SqlError("`using` is not supported.", "Write: on a.column = b.column.")


def _check_window(node: exp.Window) -> None:
    called = node.this
    by_order = isinstance(called, exp.Anonymous) and called.name.lower() in WINDOW_FUNCTIONS
    if by_order and not node.args.get("order") and not node.args.get("alias"):
        raise SqlError(f"`{node.sql('postgres')}` needs an order.", "Write: over (order by event_time, id).")
    for value in node.args.get("partition_by") or []:
        _refuse_json(value)


def _check_comparable(node: exp.Expr, *, is_top: bool) -> None:
    """JSON values are compared by their texts on one engine and by their contents on another."""
    if isinstance(node, exp.Distinct) and isinstance(node.parent, exp.Select) and not node.args.get("on"):
        values = node.parent.expressions
    else:
        values = [part.this if isinstance(part, exp.Ordered) else part for part in node.expressions]
    for value in values:
        if not (is_top and isinstance(node, exp.Order)):
            _refuse_json(value)


def _refuse_json(value: exp.Expr) -> None:
    if kind_of(value) == "jsonb":
        raise SqlError(
            f"`{value.unalias().sql('postgres')}` is JSON, which has no order and is not compared.",
            "Take its text: payload->>'name'.",
        )

"""What an aggregate in a user's query means on every engine.

Sums and averages of whole and exact numbers are numeric(38,9). Of double precision they are worked out in numeric(38,9)
too, for the sum of doubles depends on their order, and given as double precision.
"""

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.calls import dressed
from cdp_pipeline.sql.functions import DOUBLE_AGGREGATES, GATHERING, WITHIN_GROUP
from cdp_pipeline.sql.kinds import DOUBLE, NUMBERS, kind_of
from cdp_pipeline.sql.shown import shown

_FORMS = (
    *("cdp_sum", "cdp_average", "cdp_sum_double", "cdp_average_double"),
    *DOUBLE_AGGREGATES,
    *(f"cdp_{name}" for name in (*GATHERING, *WITHIN_GROUP)),
)
EXACT = exp.DataType.build("numeric(38, 9)", dialect="postgres")


def aggregate_form(node: exp.Expr) -> exp.Expr:
    """The form of an aggregate of a query, or the node itself where it is none or is the same on every engine.

    Raises:
        SqlError: it is not the same on every engine, or not every time.
    """
    if isinstance(node, (exp.Sum, exp.Avg)):
        return _sum(node)
    if isinstance(node, exp.GroupConcat):
        return _joined(node)
    if isinstance(node, (exp.Min, exp.Max)) and kind_of(node.this) in ("jsonb", "boolean", "uuid"):
        raise SqlError(f"`{shown(node)}` orders what has no order.", "Cast it to text.")
    if isinstance(node, exp.WithinGroup):
        return _within_group(node)
    if isinstance(node, exp.Anonymous):
        return _called(node)
    return node


def is_aggregate(node: exp.Expr) -> bool:
    """Whether the node, once it has its form, calculates one value from many rows."""
    return isinstance(node, exp.AggFunc) or (isinstance(node, exp.Anonymous) and node.name.lower() in _FORMS)


def _sum(node: exp.Expr) -> exp.Expr:
    kind = kind_of(node.this)
    if kind not in NUMBERS or isinstance(node.this, exp.Distinct):
        raise SqlError(
            f"`{shown(node)}` needs numbers, and may not be of distinct ones.",
            "Cast it: sum((payload->>'total')::numeric(38,9)).",
        )
    name = "cdp_sum" if isinstance(node, exp.Sum) else "cdp_average"
    return exp.func(f"{name}_double" if kind == DOUBLE else name, exp.cast(node.this, EXACT.copy()))


def _joined(node: exp.Expr) -> exp.Expr:
    separator = node.args.get("separator")
    if not isinstance(separator, exp.Literal) or not separator.is_string:
        raise SqlError(f"`{shown(node)}` needs a separator that is a text, such as string_agg(a, ', ').")
    _check_order(node, node.this)
    return node


def _called(node: exp.Anonymous) -> exp.Expr:
    name = node.name.lower()
    if name in WITHIN_GROUP and not isinstance(node.parent, exp.WithinGroup):
        raise SqlError(f"`{shown(node)}` needs: within group (order by …).")
    if name in DOUBLE_AGGREGATES:
        _check_one(node)
        return exp.Anonymous(this=name, expressions=[exp.cast(node.expressions[0], "double precision")])
    if name not in GATHERING:
        return node
    _check_one(node)
    ordered = node.expressions[0]
    _check_order(node, ordered)
    if name == "jsonb_agg":
        value = ordered.this
        inner = value.expressions[0] if isinstance(value, exp.Distinct) else value
        if kind_of(inner) in ("timestamptz", "timestamp", DOUBLE, None):
            inner.replace(dressed(inner.copy()))
    return exp.Anonymous(this=f"cdp_{name}", expressions=[ordered])


def _check_one(node: exp.Anonymous) -> None:
    if len(node.expressions) != 1:
        raise SqlError(f"{node.name}() takes one argument.")


def _check_order(node: exp.Expr, gathered: exp.Expr) -> None:
    if not isinstance(gathered, exp.Order):
        raise SqlError(
            f"`{shown(node)}` without an order gives its values in any.",
            "Say which: array_agg(a order by b), string_agg(a, ', ' order by b).",
        )


def _within_group(node: exp.WithinGroup) -> exp.Expr:
    name = node.this.name.lower() if isinstance(node.this, exp.Anonymous) else ""
    keys = node.expression.expressions
    if name not in WITHIN_GROUP or len(keys) != 1 or keys[0].args.get("desc"):
        raise SqlError(f"`{shown(node)}` is not supported.", "Write percentile_cont(0.5) within group (order by a).")
    value, fractions = keys[0].this, node.this.expressions
    if name == "percentile_cont" and kind_of(value) not in NUMBERS:
        raise SqlError(f"`{shown(node)}` needs numbers.", "Cast it: order by (a)::numeric(38,9).")
    if name == "mode":
        return exp.func("cdp_mode", value)
    if len(fractions) != 1 or not isinstance(fractions[0], exp.Literal) or fractions[0].is_string:
        raise SqlError(f"`{shown(node)}` needs its fraction as a literal, such as 0.5.")
    if not 0 <= float(fractions[0].name) <= 1:
        raise SqlError(f"{fractions[0].name} is no fraction between 0 and 1.")
    return exp.func(f"cdp_{name}", fractions[0], value)

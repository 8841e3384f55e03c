"""What a user's operators and PostgreSQL's functions of their own syntax mean, beside those that read JSON paths."""

from collections.abc import Callable
from functools import reduce
from zoneinfo import available_timezones

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.dialect import INTERVAL, no_interval
from cdp_pipeline.sql.kinds import LITERAL, NULL, NUMERIC, WHOLE, kind_of
from cdp_pipeline.sql.regexes import check_pattern
from cdp_pipeline.sql.shown import shown

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "EPOCH", "DOW", "ISODOW", "DOY", "WEEK", "QUARTER", "ISOYEAR")
_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_DATES = ("date", "timestamp", "timestamptz", "interval", None)


def operator_form(node: exp.Expr) -> exp.Expr:
    """The form of an operator, or the operator itself where it is the same on every engine.

    Raises:
        SqlError: it means different things for what it is given, or engines do not agree about it.
    """
    form = next((form for kind, form in _FORMS.items() if isinstance(node, kind)), None)
    return node if form is None else form(node)


def _compared(node: exp.Expr) -> exp.Expr:
    if isinstance(node.expression, (exp.Any, exp.All)):
        return _any(node)
    if "jsonb" in (kind_of(node.this), kind_of(node.expression)):
        raise SqlError(
            f"`{shown(node)}` compares JSON, which engines do differently.",
            "Compare its text, a->>'key' = 'x', or write a->'key' @> '…'::jsonb.",
        )
    return node


def _any(node: exp.Expr) -> exp.Expr:
    array = node.expression.this
    while isinstance(array, exp.Paren):
        array = array.this
    if isinstance(node.expression, exp.All) or not isinstance(node, exp.EQ) or isinstance(array, exp.Literal):
        raise SqlError(f"`{shown(node)}` is not supported.", "Write x = any (array['a', 'b']), or x in (…).")
    if isinstance(array, exp.Array):
        return exp.In(this=node.this, expressions=array.expressions)
    if isinstance(array, exp.Query):
        return exp.In(this=node.this, query=exp.Subquery(this=array.unnest()))
    return exp.func("cdp_any_of", node.this, array)


def _has_key(node: exp.Expr) -> exp.Expr:
    return exp.func("cdp_json_has", node.this, node.expression)


def _has_keys(node: exp.Expr) -> exp.Expr:
    """`?|` and `?&` as `?` of each key."""
    keys = node.expression
    if not isinstance(keys, exp.Array) or not keys.expressions:
        raise SqlError(f"`{shown(node)}` needs its keys as array['a', 'b'].")
    each: list[exp.Expr] = [exp.func("cdp_json_has", node.this, key) for key in keys.expressions]
    joined = exp.Or if isinstance(node, exp.JSONBContainsAnyTopKeys) else exp.And
    return exp.paren(reduce(lambda left, right: joined(this=left, expression=right), each), copy=False)


def _contains(node: exp.Expr) -> exp.Expr:
    left, right = node.this, node.expression
    if isinstance(node, exp.ArrayContainedBy):
        left, right = right, left
    sides = [exp.cast(side, "jsonb") if kind_of(side) == LITERAL else side for side in (left, right)]
    if any(kind_of(side) != "jsonb" for side in sides):
        raise SqlError(f"`{shown(node)}` is supported for jsonb only.", "Write x = any (an_array).")
    return exp.func("cdp_json_contains", *sides)


def _joined(node: exp.Expr) -> exp.Expr:
    if "jsonb" in (kind_of(node.this), kind_of(node.expression)):
        raise SqlError(f"`{shown(node)}` joins JSON, which is not supported.", "Use jsonb_build_object(…).")
    return node


def _minus(node: exp.Expr) -> exp.Expr:
    if kind_of(node.this) == "jsonb":
        raise SqlError(f"`{shown(node)}` takes something out of JSON, which is not supported.")
    return node


def _modulo(node: exp.Expr) -> exp.Expr:
    kinds = {kind_of(node.this), kind_of(node.expression)} - {NULL}
    if not kinds <= {WHOLE, NUMERIC}:
        raise SqlError(f"`{shown(node)}` needs whole or exact numbers.", "Cast them: a::bigint % 7.")
    return exp.func("cdp_mod", node.this, node.expression)


def _power(node: exp.Expr) -> exp.Expr:
    return exp.func("cdp_power", node.this, node.expression)


def _extract(node: exp.Expr) -> exp.Expr:
    field, of = node.this.name.upper(), node.expression
    if kind_of(of) not in _DATES:
        raise SqlError(f"`{shown(node)}` needs a time.", "Cast it: extract(hour from a::timestamptz).")
    if field == "SECOND":
        return exp.func("cdp_seconds", of)
    if field not in _FIELDS:
        raise SqlError(f"`{shown(node)}` is not supported.", f"Use {', '.join((*_FIELDS, 'SECOND'))}.")
    return node


def _truncated(node: exp.Expr) -> exp.Expr:
    unit = node.args.get("unit")
    if unit is None or unit.name.upper() not in _UNITS:
        raise SqlError(f"`{shown(node)}` is not supported.", f"Use {', '.join(_UNITS)}.")
    kind = kind_of(node.this)
    if kind in (LITERAL, "interval"):
        raise SqlError(f"`{shown(node)}` needs a time.", "Cast it: date_trunc('day', a::timestamptz).")
    if kind == "date":
        node.set("this", exp.cast(node.this, "timestamptz"))
    return node


def _at_zone(node: exp.Expr) -> exp.Expr:
    zone = node.args["zone"]
    if kind_of(node.this) not in ("timestamptz", "timestamp"):
        raise SqlError(f"`{shown(node)}` needs a time.", "Cast it: a::timestamptz at time zone 'UTC'.")
    if not isinstance(zone, exp.Literal) or zone.name not in available_timezones():
        raise SqlError(f"`{zone.sql('postgres')}` is no name of a time zone.", "Write one like 'Europe/Prague'.")
    return node


def _substring(node: exp.Expr) -> exp.Expr:
    start = node.args.get("start")
    if isinstance(start, exp.Literal) and start.is_string:
        check_pattern(start.name, taken=True)
        return exp.func("cdp_substring_match", node.this, start)
    return node


def _interval(node: exp.Expr) -> exp.Expr:
    unit = node.args.get("unit")
    text = f"{node.this.name} {unit.name if unit is not None else ''}".strip()
    if not isinstance(node.this, exp.Literal) or not INTERVAL.fullmatch(text):
        raise no_interval(shown(node))
    return node


def _array(node: exp.Expr) -> exp.Expr:
    if any(isinstance(element, exp.Array) for element in node.expressions):
        raise SqlError(f"`{shown(node)}` is an array of arrays, which is not supported.")
    return node


_FORMS: dict[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[exp.Expr], exp.Expr]] = {
    _COMPARED: _compared,
    exp.JSONBContainsTopKey: _has_key,
    (exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys): _has_keys,
    (exp.ArrayContainsAll, exp.ArrayContainedBy): _contains,
    exp.DPipe: _joined,
    exp.Sub: _minus,
    exp.Mod: _modulo,
    exp.Pow: _power,
    exp.Extract: _extract,
    exp.TimestampTrunc: _truncated,
    exp.AtTimeZone: _at_zone,
    exp.Substring: _substring,
    exp.Interval: _interval,
    exp.Array: _array,
}

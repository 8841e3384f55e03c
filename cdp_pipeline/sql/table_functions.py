"""Functions of PostgreSQL that give rows, each as a query that means the same on every engine.

The rows of one are the elements of an array, taken apart by `elements`.
"""

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.functions import ARRAYS
from cdp_pipeline.sql.kinds import kind_of

VALUE, PLACE = "value", "place"
_MOST_OF_A_SERIES = 10_000


def array_of(call: exp.Expr) -> tuple[exp.Expr, str | None, str | None] | None:
    """The array of the rows that a call gives, the name of its column and its kind; None for any other call."""
    if _is_unnest(call) and len(call.expressions) == 1:
        array = call.expressions[0]
        kind = kind_of(array)
        return array, None, kind.removesuffix("[]") if kind else None
    if isinstance(call, exp.Anonymous) and call.name.lower() in ARRAYS:
        form, name, kind = ARRAYS[call.name.lower()]
        if len(call.expressions) != (2 if "_to_" in form else 1):
            raise SqlError(f"{call.name}() does not take {len(call.expressions)} arguments.")
        return exp.Anonymous(this=form, expressions=call.expressions), name, kind
    return None


def _is_unnest(call: exp.Expr) -> bool:
    """Whether it is `unnest`, as sqlglot reads it in FROM or elsewhere."""
    return isinstance(call, exp.Unnest) or (isinstance(call, exp.Anonymous) and call.name.lower() == "unnest")


def elements(array: exp.Expr) -> exp.Select:
    """The elements of an array as rows: `value` and `place`, which counts from 1."""
    of = exp.select(exp.alias_(array.copy(), "list")).subquery("cdp_array")
    listed = exp.column("list", table="cdp_array")
    value = exp.Anonymous(this="unnest", expressions=[listed])
    place = exp.Anonymous(this="generate_subscripts", expressions=[listed.copy(), exp.Literal.number(1)])
    return exp.select(exp.alias_(value, VALUE, quoted=True), exp.alias_(place, PLACE, quoted=True)).from_(of)


def is_table_function(source: exp.Expr) -> bool:
    """Whether what stands in FROM is a call."""
    if isinstance(source, exp.Lateral):
        return not isinstance(source.this, exp.Subquery)
    return isinstance(source, exp.Unnest) or (
        isinstance(source, exp.Table) and not isinstance(source.this, exp.Identifier)
    )


def as_table(source: exp.Expr) -> tuple[exp.Expr, dict[str, str | None], str | None]:
    """A call in FROM as a query: the source with its alias, its columns' kinds, and the column that its name means.

    Raises:
        SqlError: it is no function of the list.
    """
    call = source if isinstance(source, exp.Unnest) else source.this
    name = "unnest" if isinstance(call, exp.Unnest) else call.name.lower()
    alias = source.args.get("alias")
    called = alias.name if alias is not None and alias.this else name
    names = [column.name for column in alias.args.get("columns") or []] if alias is not None else []
    offset = source.args.get("offset")  # what sqlglot makes of the name of the ordinality of `unnest`
    names += [offset.name] if isinstance(offset, exp.Identifier) else []
    ordinality = bool(source.args.get("ordinality") or offset)
    query, columns, scalar = _rows_of(call, name, called, ordinality)
    if len(names) > len(columns):
        raise SqlError(f"{name}() gives {len(columns)} columns, and {len(names)} are named.")
    final = [*names, *list(columns)[len(names) :]]
    written = exp.TableAlias(
        this=exp.to_identifier(called, quoted=True), columns=[exp.to_identifier(n, quoted=True) for n in final]
    )
    kinds = dict(zip(final, columns.values(), strict=True))
    table = exp.Subquery(this=query)
    is_first = isinstance(source.parent, exp.From)
    whole: exp.Expr = exp.Subquery(this=query, alias=written) if is_first else exp.Lateral(this=table, alias=written)
    return whole, kinds, final[0] if scalar else None


def _rows_of(
    call: exp.Expr, name: str, called: str, ordinality: bool
) -> tuple[exp.Select, dict[str, str | None], bool]:
    """The query of a call's rows, its columns' kinds, and whether it has one column only."""
    array = array_of(call)
    if array is None:
        if name in ("jsonb_each", "jsonb_each_text") and len(call.expressions) == 1 and not ordinality:
            return _pairs(call.expressions[0], name == "jsonb_each_text")
        if name == "generate_series" and not ordinality:
            return _series(call, called)
        allowed = ", ".join([*ARRAYS, "jsonb_each", "jsonb_each_text", "unnest", "generate_series"])
        raise SqlError(f"The function {name}() cannot be read from.", f"What can be: {allowed}.")
    of, column, kind = array
    rows = elements(of)
    if not ordinality:
        rows.set("expressions", rows.expressions[:1])
    columns = {column or called: kind, **({"ordinality": "whole"} if ordinality else {})}
    return rows, columns, not ordinality


def _pairs(json: exp.Expr, as_text: bool) -> tuple[exp.Select, dict[str, str | None], bool]:
    keys = elements(exp.Anonymous(this="cdp_keys", expressions=[json.copy()])).subquery("cdp_key")
    key = exp.column(VALUE, table="cdp_key", quoted=True)
    form = "cdp_field_text" if as_text else "cdp_field"
    value = exp.Anonymous(this=form, expressions=[json.copy(), key.copy()])
    query = exp.select(exp.alias_(key, "key", quoted=True), exp.alias_(value, VALUE, quoted=True)).from_(keys)
    return query, {"key": "text", VALUE: "text" if as_text else "jsonb"}, False


def _series(call: exp.Expr, called: str) -> tuple[exp.Select, dict[str, str | None], bool]:
    """A series of whole numbers between literal bounds."""
    bounds = [_literal(argument) for argument in call.expressions]
    if len(bounds) != 2 or any(bound is None for bound in bounds):
        raise SqlError("generate_series() takes two whole numbers here.", "For example generate_series(0, 30).")
    first, last = (bound or 0 for bound in bounds)
    if last - first >= _MOST_OF_A_SERIES:
        raise SqlError(f"generate_series({first}, {last}) gives more than {_MOST_OF_A_SERIES:,} rows.")
    series = exp.Anonymous(this="cdp_series", expressions=[argument.copy() for argument in call.expressions])
    rows = elements(series)
    rows.set("expressions", rows.expressions[:1])
    return rows, {called: "whole"}, True


def _literal(node: exp.Expr) -> int | None:
    sign = -1 if isinstance(node, exp.Neg) else 1
    inner = node.this if isinstance(node, exp.Neg) else node
    is_number = isinstance(inner, exp.Literal) and not inner.is_string and inner.name.isdecimal()
    return sign * int(inner.name) if is_number else None

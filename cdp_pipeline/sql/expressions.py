"""A user's SQL expression: parsed, checked, and turned into a tree that means the same on every engine.

PostgreSQL's dialect is the language. What may stand in an expression is written down here, node by node: operators,
functions and types that were seen to give equal values on every engine, or that have a form in `forms.py`. Anything
else is refused with its name, never guessed. An expression reads columns; it never reads a table, a file, a setting or
the clock.
"""

from collections.abc import Callable
from typing import ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.forms import rewrite_up

_PLAIN: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.DPipe, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least,
    exp.Lower, exp.Upper, exp.Length, exp.Substring, exp.Left, exp.Right, exp.SplitPart, exp.Replace, exp.Concat,
    exp.ConcatWs, exp.StrPosition, exp.StartsWith, exp.MD5, exp.Trim, exp.Abs, exp.Floor, exp.Ceil,
    exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var, exp.TimestampTrunc, exp.Extract,
    exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar, exp.JSONPath, exp.JSONPathRoot,
    exp.JSONPathKey, exp.JSONPathSubscript,
)  # fmt: skip
_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr, exp.GroupConcat,
)  # fmt: skip
_AROUND_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Filter, exp.Where, exp.Distinct, exp.Star, exp.Order, exp.Ordered,
)  # fmt: skip
_CLOCK: tuple[type[exp.Expr], ...] = (
    exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentDatetime, exp.Localtime, exp.Localtimestamp,
)  # fmt: skip
_CLOCK_WORDS = {"now", "today", "tomorrow", "yesterday", "allballs", "epoch", "infinity", "-infinity"}
_TYPES = {
    exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT, exp.DType.DECIMAL,
    exp.DType.DOUBLE, exp.DType.BOOLEAN, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.UUID,
    exp.DType.JSONB, exp.DType.JSON,
}  # fmt: skip
_WHOLE = {exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT}
_TIMES = {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ}
_SET_RETURNING = {"jsonb_array_elements", "jsonb_array_elements_text", "jsonb_object_keys"}
_MAX_LENGTH = 10_000
_MAX_DEPTH = 200


class _PostgreSQL(Postgres):
    """PostgreSQL as it is: sqlglot takes `lower(payload->'user'->>'email')` for a lambda, which PostgreSQL has not."""

    class Parser(PostgresParser):
        """Reads `->` as the operator of JSON, in a function's arguments too."""

        LAMBDAS: ClassVar = {
            token: parse for token, parse in PostgresParser.LAMBDAS.items() if token is not TokenType.ARROW
        }


Resolve = Callable[[exp.Column], exp.Expr]


def parse_expression(text: str, *, aggregates: bool = False, set_returning: bool = False) -> exp.Expr:
    """Reads an expression and gives the tree that the engines render.

    Args:
        text: PostgreSQL SQL.
        aggregates: whether it calculates one value from many rows; if not, aggregate functions are refused.
        set_returning: whether it may give several rows of one.

    Raises:
        SqlError: it is no expression, or holds something that is not allowed; the message names it.
    """
    tree = _parse(text)
    for node in tree.walk():
        if not (set_returning and is_set_returning(node)):
            _check_node(node, aggregates)
    return _to_forms(tree)


def is_set_returning(node: exp.Expr) -> bool:
    """Whether the node is a call that gives several rows."""
    return isinstance(node, exp.Anonymous) and node.name.lower() in _SET_RETURNING


def has_aggregate(tree: exp.Expr) -> bool:
    """Whether the tree calculates one value from many rows."""
    return tree.find(*_AGGREGATES) is not None


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


def _parse(text: str) -> exp.Expr:
    if len(text) > _MAX_LENGTH:
        raise SqlError(f"The expression is longer than {_MAX_LENGTH:,} characters.")
    if "\x00" in text:
        raise SqlError("The expression holds a NUL character.")
    try:
        trees = [tree for tree in sqlglot.parse(text, read=_PostgreSQL) if tree is not None]
    except SqlglotError as error:
        raise SqlError(f"`{text}` is no SQL expression: {_plain(error)}.") from error
    except RecursionError as error:
        raise SqlError("The expression is nested too deeply.") from error
    if len(trees) != 1 or isinstance(trees[0], (exp.Alias, exp.Block)):
        raise SqlError(f"`{text}` is not one expression.", "Write a single expression, without `;` and without a name.")
    if any(node.depth > _MAX_DEPTH for node in trees[0].walk()):
        raise SqlError("The expression is nested too deeply.")
    return trees[0]


def _plain(error: SqlglotError) -> str:
    return str(error).splitlines()[0].split(". Line")[0].strip().rstrip(".")


def _check_node(node: exp.Expr, aggregates: bool) -> None:
    if isinstance(node, _CLOCK) or (isinstance(node, exp.Anonymous) and node.name.lower() == "clock_timestamp"):
        raise SqlError("An expression that reads the clock is not supported in this release.", "Compare event_time.")
    if isinstance(node, _AGGREGATES) and not aggregates:
        raise SqlError(
            f"`{node.sql('postgres')}` is an aggregate, and here an expression tells about one row.",
            "Aggregates stand in attributes of `type: expression`.",
        )
    if not isinstance(node, _PLAIN + (_AGGREGATES + _AROUND_AGGREGATES if aggregates else ())):
        raise SqlError(f"{_call(node)} is not supported in an expression.", "CONTRIBUTING.md tells how to add a form.")
    if isinstance(node, exp.Column) and node.table:
        raise SqlError(f"`{node.sql('postgres')}` names a table.", f"Write `{node.name}`.")
    if isinstance(node, exp.Cast):
        _check_cast(node)
    if isinstance(node, exp.Div) and not (_is_double(node.this) or _is_double(node.expression)):
        raise SqlError(
            f"`{node.sql('postgres')}` divides, and engines differ on whole and exact numbers.",
            "Cast one side to double precision: `a::double precision / nullif(b, 0)`.",
        )


def _call(node: exp.Expr) -> str:
    if isinstance(node, (exp.Select, exp.Subquery)):
        return "A query"
    if isinstance(node, exp.Anonymous):
        return f"The function {node.name}()"
    return f"`{node.sql('postgres')[:80]}`"


def _is_double(node: exp.Expr) -> bool:
    while isinstance(node, (exp.Paren, exp.Neg)):
        node = node.this
    return isinstance(node, exp.Cast) and node.to.this is exp.DType.DOUBLE


def _check_cast(node: exp.Cast) -> None:
    if node.to.this not in _TYPES or isinstance(node, exp.TryCast):
        allowed = "text, integer, bigint, numeric(38,9), double precision, boolean, date, timestamptz, uuid, jsonb"
        raise SqlError(f"The type {node.to.sql('postgres')} is not supported in an expression.", f"Use: {allowed}.")
    if node.to.this in _TIMES and isinstance(node.this, exp.Literal) and node.this.name.strip().lower() in _CLOCK_WORDS:
        raise SqlError(f"'{node.this.name}' reads the clock or is no time.", "Write the date out: date '2026-01-31'.")


def _to_forms(tree: exp.Expr) -> exp.Expr:
    return rewrite_up(tree.copy(), _to_form)


def _to_form(node: exp.Expr) -> exp.Expr:
    """The form of one node: exactly the nodes that an engine spells or means differently."""
    if isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)):
        return _path(node, list(_steps(node.expression)), isinstance(node, exp.JSONExtractScalar))
    if isinstance(node, (exp.JSONBExtract, exp.JSONBExtractScalar)):
        return _path(node, _array_steps(node), isinstance(node, exp.JSONBExtractScalar))
    if isinstance(node, exp.RegexpLike):
        return exp.func("cdp_matches", node.this, node.expression)
    if isinstance(node, (exp.Like, exp.ILike)):
        like = exp.func("cdp_ilike" if isinstance(node, exp.ILike) else "cdp_like", node.this, node.expression)
        return exp.Not(this=like) if node.args.get("negate") else like
    if isinstance(node, exp.Div):
        return exp.func("cdp_divide", node.this, node.expression)
    if isinstance(node, exp.Cast):
        return _cast(node)
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    if node.to.this is exp.DType.DECIMAL and not node.to.expressions:
        return exp.cast(node.this, exp.DataType.build("numeric(38, 9)", dialect="postgres"))
    if node.to.this in _WHOLE and _is_text(node.this):
        return exp.func("cdp_whole", node.this, exp.cast(exp.null(), node.to))
    return node


def _is_text(node: exp.Expr) -> bool:
    """Whether the node is text as far as its own form tells."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in ("cdp_path_text", "cdp_text")
    texts = (exp.JSONExtractScalar, exp.JSONBExtractScalar, exp.Lower, exp.Upper, exp.Trim, exp.SplitPart, exp.Replace)
    return isinstance(node, texts) or (isinstance(node, exp.Literal) and node.is_string)


def _steps(path: exp.Expr) -> list[exp.Expr]:
    if isinstance(path, exp.JSONPath):
        steps: list[exp.Expr] = []
        for part in path.expressions[1:]:
            if isinstance(part, exp.JSONPathKey):
                steps.append(exp.Literal.string(part.name))
            elif isinstance(part, exp.JSONPathSubscript):
                steps.append(exp.Literal.number(part.this))
        return steps
    if isinstance(path, exp.Literal) or (isinstance(path, exp.Neg) and isinstance(path.this, exp.Literal)):
        return [path]
    raise SqlError(
        f"`{path.sql('postgres')}` as a key of JSON is calculated.", "Write the key as a literal: payload->>'total'."
    )


def _array_steps(node: exp.Expr) -> list[exp.Expr]:
    path = node.expression
    if not (isinstance(path, exp.Literal) and path.is_string and path.name[:1] == "{" and path.name[-1:] == "}"):
        raise SqlError(f"`{node.sql('postgres')}` needs a literal path.", "Write it like payload #>> '{user,email}'.")
    keys = [key.strip().strip('"') for key in path.name[1:-1].split(",")]
    return [exp.Literal.number(key) if key.isdecimal() else exp.Literal.string(key) for key in keys]


def _path(node: exp.Expr, steps: list[exp.Expr], as_text: bool) -> exp.Expr:
    root = node.this
    while isinstance(root, exp.Paren):
        root = root.this
    return exp.Anonymous(this="cdp_path_text" if as_text else "cdp_path", expressions=[root, *steps])


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

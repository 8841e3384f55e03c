"""What may stand in users' SQL, node by node; anything else is refused with its name, never guessed.

Operators, functions and types are here that were seen to give equal values on every engine, or that have a form.
"""

import re
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.clock import NOW, asks_for_the_time, check_time
from cdp_pipeline.sql.context import CONTEXT
from cdp_pipeline.sql.functions import (
    ARRAYS,
    CALLED_AGGREGATES,
    FUNCTIONS,
    WINDOW_FUNCTIONS,
)

PLAIN: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.Escape,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.DPipe, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.Greatest, exp.Least, exp.Lower, exp.Upper, exp.Length, exp.Substring, exp.Left, exp.Right, exp.SplitPart,
    exp.Replace, exp.Concat, exp.ConcatWs, exp.StrPosition, exp.StartsWith, exp.MD5, exp.Trim, exp.Abs,
    exp.Floor, exp.Ceil, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var, exp.TimestampTrunc,
    exp.Extract, exp.AtTimeZone, exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar,
    exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript, exp.JSONBContainsTopKey,
    exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys, exp.ArrayContainsAll, exp.ArrayContainedBy,
    exp.Array, exp.Any, exp.Bracket, exp.Anonymous,
)  # fmt: skip
AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr, exp.GroupConcat,
)  # fmt: skip
AROUND_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Filter, exp.Where, exp.Distinct, exp.Star, exp.Order, exp.Ordered, exp.WithinGroup,
)  # fmt: skip
QUERIES: tuple[type[exp.Expr], ...] = (
    exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.With, exp.CTE, exp.From, exp.Join, exp.Lateral,
    exp.Unnest, exp.Table, exp.TableAlias, exp.Alias, exp.Group, exp.Having, exp.Limit, exp.Offset, exp.Exists,
    exp.Tuple, exp.Window, exp.WindowSpec,
)  # fmt: skip
# Of the nodes that can say more than what is known to be the same everywhere: what they may say.
_ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Anonymous: frozenset(["this", "expressions"]),
    exp.Select: frozenset(
        [
            "with_",
            "expressions",
            "from_",
            "joins",
            "where",
            "group",
            "having",
            "order",
            "limit",
            "offset",
            "distinct",
            "windows",
        ]
    ),
    exp.Union: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Intersect: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Except: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Subquery: frozenset(["with_", "this", "alias", "order", "limit", "offset"]),
    exp.With: frozenset(["expressions"]),
    exp.CTE: frozenset(["this", "alias", "materialized"]),
    exp.Join: frozenset(["this", "on", "side", "kind", "using"]),
    exp.Lateral: frozenset(["this", "alias", "ordinality"]),
    exp.Unnest: frozenset(["expressions", "alias", "offset"]),
    exp.Table: frozenset(["this", "alias", "ordinality"]),
    exp.TableAlias: frozenset(["this", "columns"]),
    exp.Group: frozenset(["expressions"]),
    exp.Limit: frozenset(["expression"]),
    exp.Offset: frozenset(["expression"]),
    exp.Distinct: frozenset(["expressions", "on"]),
    exp.Window: frozenset(["this", "partition_by", "order", "spec", "over", "alias"]),
    exp.WindowSpec: frozenset(["kind", "start", "start_side", "end", "end_side"]),
    exp.Star: frozenset(),
    exp.Ordered: frozenset(["this", "desc", "nulls_first"]),
    exp.Cast: frozenset(["this", "to"]),
    exp.In: frozenset(["this", "expressions", "query"]),
    exp.Interval: frozenset(["this", "unit"]),
    exp.Column: frozenset(["this", "table"]),
    exp.Length: frozenset(["this"]),
    exp.TimestampTrunc: frozenset(["this", "unit"]),
}
TYPES = {
    exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT, exp.DType.DECIMAL,
    exp.DType.DOUBLE, exp.DType.BOOLEAN, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.UUID,
    exp.DType.JSONB, exp.DType.JSON, exp.DType.INTERVAL,
}  # fmt: skip
_OURS = "cdp_"
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_HIDDEN = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid", "rowid")


@dataclass(frozen=True)
class May:
    """What may stand in some SQL beyond plain expressions over one row.

    Attributes:
        aggregates: it calculates values from many rows.
        queries: it is a query, or may hold some.
        clock: it may ask for the time.
        context: it may read context values.
        set_returning: it may give several rows for one.
    """

    aggregates: bool = False
    queries: bool = False
    clock: bool = False
    context: bool = False
    set_returning: bool = False

    @property
    def what(self) -> str:
        """What it is called in messages."""
        return "a query" if self.queries else "an expression"


def check_own_names(tree: exp.Expr) -> None:
    """Refuses functions by the names of our forms.

    Raises:
        SqlError: there is such a name.
    """
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower().startswith(_OURS):
            raise SqlError(f"The function {call.name}() is not one of PostgreSQL's.")


def fold_names(tree: exp.Expr) -> None:
    """Gives a query's names one spelling, and refuses those that are ours or that engines read differently.

    Raises:
        SqlError: there is such a name.
    """
    for name in tree.find_all(exp.Identifier):
        _fold(name)


def _fold(node: exp.Identifier) -> None:
    name = node.name if node.args.get("quoted") else node.name.lower()
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise SqlError(f'The name "{name[:80]}" cannot stand here.', "Names are small letters, digits and _.")
    if name.startswith(_OURS) or name in _HIDDEN:
        raise SqlError(f"There is no `{name}` here.", "Names that begin with cdp_ are ours.")
    node.set("this", name)
    node.set("quoted", True)


def check_node(node: exp.Expr, may: May) -> None:
    """Refuses a node that may not stand there.

    Raises:
        SqlError: it may not; the message names it and says what to write.
    """
    if asks_for_the_time(node):
        if not may.clock:
            raise SqlError(f"`{node.sql('postgres')}` reads the clock, which nothing here does.", "Compare event_time.")
        check_time(node)
        return
    if isinstance(node, AGGREGATES) and not may.aggregates:
        raise SqlError(
            f"`{node.sql('postgres')}` is an aggregate, and here an expression tells about one row.",
            "Aggregates stand in attributes of `type: expression`.",
        )
    if not isinstance(node, _allowed(may)):
        raise SqlError(f"{_call(node)} is not supported in {may.what}.", "CONTRIBUTING.md tells how to add a form.")
    said = _ARGUMENTS.get(type(node))
    unknown = () if said is None else [name for name, value in node.args.items() if value and name not in said]
    if unknown:
        raise SqlError(f"`{node.sql('postgres')[:80]}` says more than is supported ({', '.join(unknown)}).")
    if isinstance(node, exp.Anonymous):
        _check_call(node, may)
    if isinstance(node, exp.Column) and node.table and not may.queries:
        raise SqlError(f"`{_plain(node)}` names a table.", f"Write `{node.name}`.")
    if isinstance(node, exp.Cast):
        _check_cast(node)


def _allowed(may: May) -> tuple[type[exp.Expr], ...]:
    around = AGGREGATES + AROUND_AGGREGATES if may.aggregates else ()
    return PLAIN + around + (QUERIES if may.queries else ())


def _plain(node: exp.Expr) -> str:
    return node.sql("postgres").replace('"', "")[:80]


def _call(node: exp.Expr) -> str:
    if isinstance(node, (exp.Select, exp.Subquery)):
        return "A query"
    if isinstance(node, exp.Anonymous):
        return f"The function {node.name}()"
    return f"`{_plain(node)}`"


def _check_call(node: exp.Anonymous, may: May) -> None:
    name = node.name
    if name in (NOW, CONTEXT):
        if name == CONTEXT and not may.context:
            raise SqlError("A context value cannot be read here.", "Attributes can read them.")
        return
    if may.queries and isinstance(node.parent, (exp.Table, exp.Lateral)):
        return  # a function that gives rows; `table_functions` says which are known
    if may.set_returning and name.lower() in (*ARRAYS, "unnest"):
        return
    if name.lower() in WINDOW_FUNCTIONS and may.queries:
        _check_window_function(node)
        return
    if name.lower() in CALLED_AGGREGATES and may.aggregates:
        return  # `aggregates` looks at these
    function = FUNCTIONS.get(name.lower())
    if function is None or not isinstance(node.this, str):
        raise SqlError(f"{_call(node)} is not supported in {may.what}.", "CONTRIBUTING.md tells how to add a form.")
    if not function.least <= len(node.expressions) <= function.most:
        raise SqlError(f"{_call(node)} does not take {len(node.expressions)} arguments here.")


def _check_window_function(node: exp.Anonymous) -> None:
    least, most = WINDOW_FUNCTIONS[node.name.lower()]
    if not isinstance(node.parent, exp.Window) or not least <= len(node.expressions) <= most:
        raise SqlError(f"`{_plain(node)}` is no call of a window function.", "For example: rank() over (order by x).")


def _check_cast(node: exp.Cast) -> None:
    to = node.to.expressions[0] if node.to.this is exp.DType.ARRAY and node.to.expressions else node.to
    if not isinstance(to, exp.DataType) or to.this not in TYPES or isinstance(node, exp.TryCast):
        allowed = "text, integer, bigint, numeric(38,9), double precision, boolean, date, timestamptz, uuid, jsonb"
        raise SqlError(f"The type {node.to.sql('postgres')} is not supported in an expression.", f"Use: {allowed}.")
    check_time(node)

"""What kind a value is, as far as its tree tells: a user's operators mean different things for different kinds.

Nothing is guessed: a column whose type is not known, and what is made of one, has no kind.
"""

from collections.abc import Iterable

from sqlglot import exp

from cdp_pipeline.sql.functions import ARGUMENT, ARRAYS, COUNTING, DOUBLE_AGGREGATES, FUNCTIONS, WINDOW_FUNCTIONS

WHOLE, NUMERIC, DOUBLE = "whole", "numeric", "double"
NUMBERS = (WHOLE, NUMERIC, DOUBLE)
LITERAL = "literal"  # a quoted text without a type yet: PostgreSQL takes it for whatever its place asks for
NULL = "null"
_OF_TYPES: dict[exp.DType, str] = {
    exp.DType.TEXT: "text", exp.DType.VARCHAR: "text", exp.DType.CHAR: "text",
    exp.DType.INT: WHOLE, exp.DType.BIGINT: WHOLE, exp.DType.SMALLINT: WHOLE, exp.DType.INT128: WHOLE,
    exp.DType.DECIMAL: NUMERIC, exp.DType.DOUBLE: DOUBLE, exp.DType.FLOAT: DOUBLE, exp.DType.BOOLEAN: "boolean",
    exp.DType.DATE: "date", exp.DType.TIMESTAMP: "timestamp", exp.DType.TIMESTAMPTZ: "timestamptz",
    exp.DType.INTERVAL: "interval", exp.DType.JSONB: "jsonb", exp.DType.JSON: "jsonb", exp.DType.UUID: "uuid",
}  # fmt: skip
_FIXED: dict[type[exp.Expr], str] = {
    exp.Boolean: "boolean", exp.Null: NULL, exp.And: "boolean", exp.Or: "boolean", exp.Not: "boolean",
    exp.EQ: "boolean", exp.NEQ: "boolean", exp.GT: "boolean", exp.GTE: "boolean", exp.LT: "boolean",
    exp.LTE: "boolean", exp.Is: "boolean", exp.In: "boolean", exp.Between: "boolean", exp.Exists: "boolean",
    exp.NullSafeEQ: "boolean", exp.NullSafeNEQ: "boolean", exp.Like: "boolean", exp.ILike: "boolean",
    exp.RegexpLike: "boolean", exp.RegexpILike: "boolean", exp.StartsWith: "boolean", exp.LogicalAnd: "boolean",
    exp.LogicalOr: "boolean", exp.JSONBContainsTopKey: "boolean", exp.JSONBContainsAnyTopKeys: "boolean",
    exp.JSONBContainsAllTopKeys: "boolean", exp.ArrayContainsAll: "boolean", exp.ArrayContainedBy: "boolean",
    exp.JSONExtract: "jsonb", exp.JSONBExtract: "jsonb", exp.JSONExtractScalar: "text", exp.JSONBExtractScalar: "text",
    exp.Lower: "text", exp.Upper: "text", exp.Substring: "text", exp.Left: "text", exp.Right: "text",
    exp.SplitPart: "text", exp.Replace: "text", exp.Concat: "text", exp.ConcatWs: "text", exp.MD5: "text",
    exp.Trim: "text", exp.GroupConcat: "text",
    exp.Length: WHOLE, exp.StrPosition: WHOLE, exp.Count: WHOLE, exp.Extract: DOUBLE,
    exp.Interval: "interval", exp.CurrentDate: "date", exp.CurrentTimestamp: "timestamptz",
    exp.Localtimestamp: "timestamp",
}  # fmt: skip
_OF_FORMS = {
    "cdp_path": "jsonb", "cdp_path_text": "text", "cdp_text": "text", "cdp_json_text": "text", "cdp_now": "timestamptz",
    "cdp_context": "text", "cdp_divide": DOUBLE, "cdp_divide_whole": WHOLE, "cdp_divide_numeric": NUMERIC,
    "cdp_sum": NUMERIC, "cdp_sum_double": DOUBLE,
    "cdp_average_double": DOUBLE, "cdp_average": NUMERIC, "cdp_matches": "boolean", "cdp_imatches": "boolean",
    "cdp_like": "boolean", "cdp_ilike": "boolean", "cdp_whole_power": WHOLE,
}  # fmt: skip
_BRANCHES = (exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif)
TIMES = ("date", "timestamp", "timestamptz")
_AS_THEIR_ARGUMENT = (
    exp.Paren, exp.Neg, exp.Alias, exp.Abs, exp.Floor, exp.Ceil, exp.Min, exp.Max, exp.Distinct, exp.Filter, exp.Window,
    exp.Order, exp.Ordered, exp.Collate, exp.WithinGroup,
)  # fmt: skip


def kind_of_type(type_: exp.DataType | None) -> str | None:
    """The kind of a type; None when it has none."""
    if type_ is None:
        return None
    if type_.this is exp.DType.ARRAY:
        element = kind_of_type(type_.expressions[0]) if type_.expressions else None
        return f"{element}[]" if element else None
    return _OF_TYPES.get(type_.this)


def kind_of(node: exp.Expr) -> str | None:
    """The kind of a value; None when its tree does not tell."""
    fixed = _FIXED.get(type(node))
    if fixed is not None:
        return fixed
    if isinstance(node, exp.Cast):
        return kind_of_type(node.to)
    if isinstance(node, exp.Column):
        return kind_of_type(node.type)
    if isinstance(node, exp.Literal):
        return LITERAL if node.is_string else NUMERIC if set(node.name) & set(".eE") else WHOLE
    if isinstance(node, exp.Anonymous):
        return _of_call(node)
    if isinstance(node, (exp.Subquery, exp.Select, exp.SetOperation)):
        return _of_query(node)
    if isinstance(node, _AS_THEIR_ARGUMENT):
        return _of_argument(node)
    return _of_calculation(node)


def _of_call(node: exp.Anonymous) -> str | None:
    name = node.name.lower()
    if name in _OF_FORMS:
        return _OF_FORMS[name]
    if name == "cdp_whole":
        return WHOLE
    if name == "cdp_exact":
        return NUMERIC
    own = name.removeprefix("cdp_")
    if own in ARRAYS:
        return ARRAYS[own][2]
    if own in DOUBLE_AGGREGATES or own in ("percentile_cont", "percent_rank", "cume_dist"):
        return DOUBLE
    if own in WINDOW_FUNCTIONS:
        return WHOLE if own in COUNTING else kind_of(node.expressions[0])
    if own in ("array_agg", "jsonb_agg"):
        element = kind_of(node.expressions[0])
        return "jsonb" if own == "jsonb_agg" else f"{element}[]" if element and "[]" not in element else None
    function = FUNCTIONS.get(own)
    if function is None:
        return None
    return kind_of(node.expressions[0]) if function.kind == ARGUMENT else function.kind


def _of_query(node: exp.Expr) -> str | None:
    selects = node.selects if isinstance(node, exp.Query) else []
    return kind_of(selects[0]) if len(selects) == 1 else None


def _of_argument(node: exp.Expr) -> str | None:
    if isinstance(node, exp.WithinGroup):
        return DOUBLE if node.this.name.lower() == "percentile_cont" else kind_of(node.expression.expressions[0])
    this = node.this if isinstance(node.this, exp.Expr) else node.expressions[0]
    return kind_of(this)


def _of_calculation(node: exp.Expr) -> str | None:
    if isinstance(node, _BRANCHES):
        return common_kind([node.this, *node.expressions])
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        return common_kind([*branches, *([node.args["default"]] if node.args.get("default") else [])])
    if isinstance(node, exp.Array):
        element = common_kind(node.expressions)
        return f"{'text' if element == LITERAL else element}[]" if element else None
    if isinstance(node, exp.Bracket):
        of = kind_of(node.this)
        return of.removesuffix("[]") if of and of.endswith("[]") else None
    if isinstance(node, exp.DPipe):
        return _of_join(node)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Mod)):
        return _of_arithmetic(node)
    if isinstance(node, exp.TimestampTrunc):
        of = kind_of(node.this)
        return "timestamptz" if of == "date" else of
    if isinstance(node, exp.AtTimeZone):
        return {"timestamptz": "timestamp", "timestamp": "timestamptz"}.get(kind_of(node.this) or "")
    if isinstance(node, (exp.Sum, exp.Avg)):
        return DOUBLE if kind_of(node.this) == DOUBLE else NUMERIC if kind_of(node.this) in NUMBERS else None
    return None


def common_kind(nodes: Iterable[exp.Expr]) -> str | None:
    """The one kind of several values of which one is taken."""
    kinds = {kind_of(node) for node in nodes} - {NULL}
    if kinds == {LITERAL}:
        return "text"
    kinds -= {LITERAL}
    if kinds and kinds <= set(NUMBERS):
        return max((kind for kind in kinds if kind), key=NUMBERS.index)
    return kinds.pop() if len(kinds) == 1 else None


def _of_join(node: exp.DPipe) -> str | None:
    kinds = {kind_of(node.this), kind_of(node.expression)}
    if "jsonb" in kinds:
        return "jsonb" if kinds <= {"jsonb", LITERAL} else None
    arrays = [kind for kind in kinds if kind and kind.endswith("[]")]
    return arrays[0] if arrays else "text"


def _of_arithmetic(node: exp.Expr) -> str | None:
    left, right = kind_of(node.this), kind_of(node.expression)
    if left in NUMBERS and right in NUMBERS:
        return common_kind([node.this, node.expression])
    if isinstance(node, exp.Mul):
        return "interval" if {left, right} <= {"interval", *NUMBERS} and "interval" in (left, right) else None
    if not isinstance(node, (exp.Add, exp.Sub)):
        return None
    if left in TIMES and right == "interval":
        return "timestamp" if left == "date" else left
    if left == "interval" and right in TIMES and isinstance(node, exp.Add):
        return "timestamp" if right == "date" else right
    if left == "date" and right == WHOLE:
        return "date"
    if isinstance(node, exp.Sub) and left in TIMES and right in TIMES:
        return WHOLE if left == right == "date" else "interval"
    return "interval" if left == right == "interval" else None


_TYPES = {
    "text": "text", WHOLE: "bigint", NUMERIC: "numeric(38, 9)", DOUBLE: "double precision", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz", "interval": "interval", "jsonb": "jsonb",
    "uuid": "uuid",
}  # fmt: skip


def type_of_kind(kind: str | None) -> exp.DataType | None:
    """A type of that kind."""
    if kind is None:
        return None
    name = _TYPES[kind.removesuffix("[]")]
    return exp.DataType.build(name + ("[]" if kind.endswith("[]") else ""), dialect="postgres")

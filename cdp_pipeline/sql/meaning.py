"""What a user's nodes mean on every engine: each that an engine spells or means differently becomes a form.

The nodes are checked before, see `allowed`. An operator that means different things for different kinds of values, and
whose values do not tell their kind, is refused with what to write.
"""

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.aggregates import aggregate_form
from cdp_pipeline.sql.calls import call_form
from cdp_pipeline.sql.clock import is_moving
from cdp_pipeline.sql.kinds import DOUBLE, LITERAL, NULL, NUMERIC, TIMES, WHOLE, kind_of
from cdp_pipeline.sql.operators import operator_form
from cdp_pipeline.sql.regexes import check_pattern
from cdp_pipeline.sql.shown import rewrite_shown, shown

EXACT = exp.DataType.build("numeric(38, 9)", dialect="postgres")
_WHOLE_TYPES = {exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT}


def to_forms(tree: exp.Expr) -> exp.Expr:
    """The tree of an expression with forms in their places; a copy.

    Raises:
        SqlError: an operator's meaning cannot be told.
    """
    return rewrite_shown(tree, _to_form)


def query_to_forms(tree: exp.Query) -> exp.Query:
    """The tree of a query, whose aggregates have forms too; a copy.

    Raises:
        SqlError: an operator's meaning cannot be told.
    """
    rewritten = rewrite_shown(tree, lambda node: aggregate_form(_to_form(node)))
    if not isinstance(rewritten, exp.Query):
        raise TypeError("a query has no form")
    return rewritten


def _to_form(node: exp.Expr) -> exp.Expr:
    """The form of one node: exactly the nodes that an engine spells or means differently."""
    _check_words(node)
    if isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)):
        return _path(node, list(_steps(node.expression)), isinstance(node, exp.JSONExtractScalar))
    if isinstance(node, (exp.JSONBExtract, exp.JSONBExtractScalar)):
        return _path(node, _array_steps(node), isinstance(node, exp.JSONBExtractScalar))
    if isinstance(node, exp.RegexpLike):
        return exp.func("cdp_matches", node.this, _pattern(node))
    if isinstance(node, exp.RegexpILike):
        return exp.func("cdp_imatches", node.this, _pattern(node))
    if isinstance(node, (exp.Like, exp.ILike)):
        like = exp.func("cdp_ilike" if isinstance(node, exp.ILike) else "cdp_like", node.this, node.expression)
        return exp.Not(this=like) if node.args.get("negate") else like
    if isinstance(node, exp.Div):
        return _divide(node)
    if isinstance(node, exp.Cast):
        return _cast(node)
    if isinstance(node, exp.Not) and isinstance(node.this, exp.In):
        return exp.Not(this=exp.paren(node.this, copy=False))  # with NULL among a query's rows this is no anti-join
    if isinstance(node, exp.Anonymous):
        return call_form(node)
    return operator_form(node)


def _check_words(node: exp.Expr) -> None:
    """Refuses 'today' beside a time, which PostgreSQL takes for the day on which the statement is run."""
    if isinstance(node, exp.Case):
        beside = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    else:
        beside = list(node.iter_expressions())
    words = [each for each in beside if isinstance(each, exp.Literal) and each.is_string and is_moving(each.name)]
    if words and any(kind_of(each) in TIMES for each in beside if each is not None):
        raise SqlError(f"`{shown(node)}` has no type that says what {words[0].sql()} is.", "Write: date 'today'.")


def _pattern(node: exp.Expr) -> exp.Expr:
    pattern: exp.Expr = node.expression
    if not isinstance(pattern, exp.Literal):
        raise SqlError(f"`{shown(node)}`: the regular expression must be a literal.")
    check_pattern(pattern.name, taken=False)
    return pattern


def _divide(node: exp.Expr) -> exp.Expr:
    kinds = {kind_of(node.this), kind_of(node.expression)} - {NULL}
    if DOUBLE in kinds:
        return exp.func("cdp_divide", node.this, node.expression)
    if kinds == {WHOLE}:
        return exp.func("cdp_divide_whole", node.this, node.expression)
    if kinds and kinds <= {WHOLE, NUMERIC}:
        sides = (exp.cast(side, EXACT.copy()) for side in (node.this, node.expression))
        return exp.func("cdp_divide_numeric", *sides)
    raise SqlError(
        f"`{shown(node)}` divides, and of what type it is its parts do not tell.",
        "Cast one side to double precision: `a::double precision / nullif(b, 0)`.",
    )


def _cast(node: exp.Cast) -> exp.Expr:
    if node.to.this is exp.DType.DECIMAL and not node.to.expressions:
        return _cast(exp.cast(node.this, EXACT.copy()))
    if node.to.this in exp.DataType.TEXT_TYPES and kind_of(node.this) == "jsonb":
        return exp.func("cdp_json_text", node.this)
    if node.to.this in exp.DataType.TEXT_TYPES and (kind_of(node.this) or "").endswith("[]"):
        raise SqlError(
            f"`{shown(node)}` is the text of an array, which engines write differently.", "Write: to_jsonb(an_array)."
        )
    if node.to.this in _WHOLE_TYPES and _is_text(node.this):
        return exp.func("cdp_whole", node.this, exp.cast(exp.null(), node.to))
    if node.to.this is exp.DType.DECIMAL and _is_text(node.this):
        return exp.func("cdp_exact", node.this, exp.cast(exp.null(), node.to))
    return node


def _is_text(node: exp.Expr) -> bool:
    return kind_of(node) in ("text", LITERAL)


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
    raise SqlError(f"`{shown(path)}` as a key of JSON is calculated.", "Write the key as a literal: payload->>'total'.")


def _array_steps(node: exp.Expr) -> list[exp.Expr]:
    path = node.expression
    if not (isinstance(path, exp.Literal) and path.is_string and path.name[:1] == "{" and path.name[-1:] == "}"):
        raise SqlError(f"`{shown(node)}` needs a literal path.", "Write it like payload #>> '{user,email}'.")
    keys = [key.strip().strip('"') for key in path.name[1:-1].split(",")]
    return [exp.Literal.number(key) if key.isdecimal() else exp.Literal.string(key) for key in keys]


def _path(node: exp.Expr, steps: list[exp.Expr], as_text: bool) -> exp.Expr:
    root = node.this
    while isinstance(root, exp.Paren):
        root = root.this
    return exp.Anonymous(this="cdp_path_text" if as_text else "cdp_path", expressions=[root, *steps])

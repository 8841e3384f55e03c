"""A statement as PostgreSQL wants it: our forms in place, texts bytewise, values as the driver's parameters.

Two things PostgreSQL has no expression for:

- *The value, or NULL where working it out is an error* (`cdp_try`). It becomes a function of the session, made for the
  expression, that catches the error.
- *Calculate this once per row.* PostgreSQL merges a derived table into the query around it and then works out a column
  as often as it is mentioned. `OFFSET 0` keeps a derived table that calculates as it is.
"""

import hashlib
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.sql.forms import apply_forms, rewrite_up
from cdp_pipeline.sql.postgres_forms import SESSION_FUNCTIONS, bytewise

TRY = "cdp_try_this_"  # how the names of functions begin that try an expression
_MARK = "\x01"  # stands in no statement; it keeps a parameter apart from a % that is written
_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR)
_CALCULATIONS = (exp.Anonymous, exp.Case, exp.Array)
_NOT_MERGED = ("group", "distinct", "limit", "offset", "windows")


@dataclass(frozen=True)
class Rendered:
    """A statement's text with `%(name)s` for its values, and the functions that it calls, by name."""

    text: str
    functions: tuple[tuple[str, str], ...]


def render(tree: exp.Expr, *, pretty: bool = False) -> Rendered:
    """Renders a tree that holds our forms; the tree is used up. `pretty` is for people: one clause a line."""
    tree = apply_forms(tree, "postgres")
    tree = rewrite_up(tree, _meaning)
    called = {call.name.lower().removeprefix("pg_temp.") for call in tree.find_all(exp.Anonymous)}
    called |= {"cdp_try_any_time"} if "cdp_try_time" in called else set()
    functions = {name: body for name, body in SESSION_FUNCTIONS.items() if name in called}
    tree = rewrite_up(tree, lambda node: _tried(node, functions) if _is_try(node) else node)
    _fence(tree)
    return Rendered(_text(tree, pretty), tuple(functions.items()))


def _text(tree: exp.Expr, pretty: bool) -> str:
    marked = rewrite_up(tree, lambda node: _mark(node) if isinstance(node, exp.Placeholder) else node)
    pieces = marked.sql("postgres", comments=False, pretty=pretty, copy=False).replace("%", "%%").split(_MARK)
    return "".join(f"%({piece})s" if number % 2 else piece for number, piece in enumerate(pieces))


def _mark(node: exp.Placeholder) -> exp.Expr:
    return exp.Var(this=f"{_MARK}{node.name}{_MARK}")


def _meaning(node: exp.Expr) -> exp.Expr:
    """A node with the meaning that it has on every engine."""
    if isinstance(node, exp.ColumnDef) and node.kind is not None and node.kind.this in _TEXTS:
        collation = exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True))
        node.append("constraints", exp.ColumnConstraint(kind=collation))
    elif (isinstance(node, exp.Cast) and node.to.this in _TEXTS) or isinstance(node, (exp.Concat, exp.ConcatWs)):
        return bytewise(node.copy())
    elif isinstance(node, (exp.Lower, exp.Upper)):
        name = "cdp_lower" if isinstance(node, exp.Lower) else "cdp_upper"
        return exp.Anonymous(this=f"pg_temp.{name}", expressions=[node.this])
    elif isinstance(node, exp.Not) and isinstance(node.this, exp.In) and node.this.args.get("query"):
        return _without_match(node.this)
    elif isinstance(node, exp.Case):
        return bytewise(node.copy()) if _is_text(node) else node
    elif isinstance(node, exp.Extract):
        return exp.cast(node.copy(), "double precision")
    return node


def _without_match(node: exp.In) -> exp.Expr:
    """`x NOT IN (query)` as an anti-join: the former is a scan of the query's rows for each x, once they are many.

    They mean the same where neither x nor the query's column is NULL, as in our own statements; a user's `x IN (query)`
    stands in brackets below its NOT, see `meaning`.
    """
    query = node.args["query"].unnest()
    column = exp.column(query.expressions[0].alias_or_name, table="cdp_in")
    found = exp.select("1").from_(query.copy().subquery("cdp_in")).where(column.eq(node.this.copy()))
    return exp.Not(this=exp.Exists(this=found))


def _is_text(node: exp.Case) -> bool:
    """Whether a CASE gives text for sure: PostgreSQL gives one of literals the collation of the database."""
    results = [branch.args["true"] for branch in node.args["ifs"]]
    results += [node.args["default"]] if node.args.get("default") else []
    given = [result.unnest() for result in results if not isinstance(result, exp.Null)]
    texts = [isinstance(r, exp.Collate) or (isinstance(r, exp.Literal) and r.is_string) for r in given]
    return bool(texts) and all(texts)


def _is_try(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "cdp_try"


def _tried(node: exp.Expr, functions: dict[str, str]) -> exp.Expr:
    """A call of the function that tries an expression; its columns are handed over as one record."""
    value, null = node.expressions
    columns: list[exp.Expr] = []

    def field(inner: exp.Expr) -> exp.Expr:
        if not isinstance(inner, exp.Column):
            return inner
        if inner not in columns:
            columns.append(inner.copy())
        return exp.column(f"f{columns.index(inner) + 1}", table="cdp_row")

    body = rewrite_up(value.copy(), field).sql("postgres")
    name = f"{TRY}{hashlib.sha256(body.encode()).hexdigest()[:24]}"
    functions[name] = (
        "(cdp_row record, cdp_null anyelement) returns anyelement language plpgsql stable as $cdp$ "
        f"begin return {body}; exception when others then return null; end $cdp$"
    )
    row = exp.Anonymous(this="ROW", expressions=columns)
    return exp.Anonymous(this=f"pg_temp.{name}", expressions=[row, null.copy()])


def _fence(tree: exp.Expr) -> None:
    for derived in tree.find_all(exp.Subquery):
        query = derived.this
        if not isinstance(derived.parent, (exp.From, exp.Join)) or not isinstance(query, exp.Select):
            continue
        calculates = any(projection.find(*_CALCULATIONS) for projection in query.expressions)
        if calculates and not any(query.args.get(clause) for clause in _NOT_MERGED):
            query.offset(0, copy=False)

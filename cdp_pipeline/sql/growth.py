"""How much longer a value can become, and a statement: both can double with every few characters that a user writes.

An engine in process bounds the memory of tables, and not that of one value. Ten queries, each of which joins ten times
what the one before it gives, make a text of ten thousand million of its lengths. So what each part of a query can do to
a length is multiplied, and a product that no honest text needs is refused.

A form may mention its arguments several times, and forms stand within forms.
"""

from collections.abc import Iterator

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.functions import FUNCTIONS

_MOST = 100_000
_LARGEST = 20_000  # nodes of a statement's tree, about
_MENTIONS = 4  # of an argument in a form, at the most common
_WITH_FORMS = (exp.Div, exp.Mod, exp.Cast, exp.JSONBContainsTopKey, exp.Any, exp.Extract)
_REPEATED = ("repeat", "lpad", "rpad")
_GATHERED = ("jsonb_build_object", "jsonb_build_array")


def check_growth(tree: exp.Expr) -> None:
    """Refuses SQL that could make a very long value of a short one.

    Raises:
        SqlError: it could, or it would make a very long statement.
    """
    if _size(tree) > _LARGEST:
        raise SqlError("Functions and operators are nested too deeply in each other.", "Calculate in several steps.")
    growth = 1
    for query in [tree, *(node for node in tree.find_all(exp.Select) if node is not tree)]:
        parts = 1
        for node in _own(query):
            parts += _parts(node)
            growth *= _times(node)
        growth *= parts
    if growth > _MOST:
        raise SqlError(
            f"This could make a value {growth:,} times as long as what it reads; at most {_MOST:,} is supported.",
            "Join, repeat and replace less, or in fewer queries one upon the other.",
        )


def _size(node: exp.Expr) -> int:
    """About how many nodes a node becomes, once forms are in their places."""
    below = sum(map(_size, node.iter_expressions()))
    called = FUNCTIONS.get(_called(node))
    return 1 + below * (_MENTIONS if isinstance(node, _WITH_FORMS) or (called and called.form) else 1)


def _own(query: exp.Expr) -> Iterator[exp.Expr]:
    """The nodes of a query that belong to no query within it."""
    yield query
    for child in query.iter_expressions():
        if not isinstance(child, exp.Select):
            yield from _own(child)


def _parts(node: exp.Expr) -> int:
    if isinstance(node, exp.DPipe):
        return 1
    if isinstance(node, (exp.Concat, exp.ConcatWs, exp.Array)) or _called(node) in _GATHERED:
        return len(node.expressions)
    return 0


def _times(node: exp.Expr) -> int:
    name = _called(node)
    if name in _REPEATED:
        return _number(node)
    if isinstance(node, exp.Replace):
        return _length(node.args.get("replacement"))
    return _length(node.expressions[2]) if name == "regexp_replace" else 1


def _called(node: exp.Expr) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def _number(node: exp.Expr) -> int:
    number = node.expressions[1]
    if not isinstance(number, exp.Literal) or not number.name.isdecimal():
        raise SqlError(f"`{node.sql('postgres')[:80]}` needs a whole number.", "Write it out: repeat('*', 3).")
    return max(1, int(number.name))


def _length(node: exp.Expr | None) -> int:
    """How long a replacement is; one that is calculated may be as long as the text itself."""
    return max(1, len(node.name)) if isinstance(node, exp.Literal) else 100

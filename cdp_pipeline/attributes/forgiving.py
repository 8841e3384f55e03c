"""A query of whose casts and divisions each that fails gives NULL: what `on_error: null` means for type custom."""

from dataclasses import replace

from sqlglot import exp

from cdp_pipeline.attributes.attempts import tried
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.queries import Query

# What an engine cannot try by itself: it is worked out over many rows.
_OVER_ROWS = (exp.AggFunc, exp.Window, exp.Query, exp.Star)
_READING = ("cdp_whole", "cdp_exact")  # their second argument says of which type they are
_DOUBLE = exp.DataType.build("double precision")


def forgiving(query: Query) -> Query:
    """The query with each cast and division of a row's values tried by itself."""
    tree = rewrite_up(query.tree.copy(), _attempt)
    assert isinstance(tree, exp.Query)
    return replace(query, tree=tree)


def _attempt(node: exp.Expr) -> exp.Expr:
    type_ = _type_of(node)
    if type_ is None or node.find(*_OVER_ROWS) is not None or _is_tried(node.parent):
        return node
    return tried(node, type_)


def _type_of(node: exp.Expr) -> exp.DataType | None:
    """The type of a cast or a division; None: it is neither."""
    if isinstance(node, exp.Cast):
        return node.to
    if isinstance(node, exp.Anonymous) and node.name.lower() in _READING:
        wanted = node.expressions[1]
        return wanted.to if isinstance(wanted, exp.Cast) else None
    if isinstance(node, exp.Anonymous) and node.name.lower() == "cdp_divide":
        return _DOUBLE
    return None


def _is_tried(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in ("cdp_try", *_READING)

"""A `value` that gives several rows per event, taken apart: the array of each event, and what is read of an element."""

from collections.abc import Callable

from sqlglot import exp

from cdp_pipeline.attributes.plan import ELEMENT
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.expressions import columns_of, is_set_returning
from cdp_pipeline.sql.forms import rewrite_up

# Where PostgreSQL lets no row-giving function stand, for it would not be called for every event.
_NOT_WITHIN = (exp.Case, exp.Coalesce)


def _as_text(element: exp.Column) -> exp.Expr:
    return exp.cast(element, "text")


_FORMS: dict[str, tuple[str, Callable[[exp.Column], exp.Expr]]] = {
    "jsonb_array_elements": ("cdp_elements", lambda element: element),
    "jsonb_array_elements_text": ("cdp_element_texts", _as_text),
    "jsonb_object_keys": ("cdp_keys", _as_text),
}


def split_set_returning(tree: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """Takes apart a parsed expression, of which at most one call gives rows.

    Returns:
        The array of an event, and what the expression makes of one element of it, a column `value`; None when the
        expression gives one row.

    Raises:
        SqlError: several calls give rows, or something but the elements is read outside the one.
    """
    calls = [node for node in tree.walk() if is_set_returning(node)]
    if not calls:
        return None
    call, *others = calls
    if others:
        raise SqlError(f"Both {_name(call)} and {_name(others[0])} give rows.", "Leave one, and write `outer_value`.")
    if call.find_ancestor(*_NOT_WITHIN) is not None:
        raise SqlError(f"{_name(call)} gives rows, and stands within a CASE or coalesce.", "Put it into `outer_value`.")
    form, read = _FORMS[call.name.lower()]
    if len(call.expressions) != 1:
        raise SqlError(f"{_name(call)} takes one value.")
    element = rewrite_up(tree.copy(), lambda node: read(exp.column(ELEMENT)) if is_set_returning(node) else node)
    beside = [column.name for column in columns_of(element) if column.name != ELEMENT]
    if beside:
        raise SqlError(f"`{beside[0]}` stands outside {_name(call)}.", "There, only its elements can be read.")
    return exp.func(form, call.expressions[0].copy()), element


def _name(call: exp.Expr) -> str:
    return f"{call.name.lower()}()"

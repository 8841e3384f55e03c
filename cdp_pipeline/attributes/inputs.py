"""What a ready-made type reads: the rows of `value`, what is read of each, which of them count, and what they weigh.

`value` gives one row per event, or one for each element of an array. Each of its rows is named `value` in
`outer_value`, `outer_filter` and `outer_weight`. The event's own conditions decide which arrays are taken apart at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from sqlglot import exp

from cdp_pipeline.attributes.families import EXACT, family_of, name_of
from cdp_pipeline.attributes.language import read_expression
from cdp_pipeline.attributes.plan import ELEMENT
from cdp_pipeline.attributes.reading import Reading, Scope, filter_conditions, readable
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.expressions import bind_known
from cdp_pipeline.sql.set_returning import split

_OF_JSON = ("cdp_elements", "cdp_element_texts", "cdp_keys")
T = TypeVar("T")


class Attempt(Protocol):
    """How a key of an attribute is read: at once, or so that its mistake is noted and nothing is given."""

    def __call__(self, key: str, read: Callable[[], T], /) -> T | None:
        """Reads the key."""


def at_once(_: str, read: Callable[[], T], /) -> T | None:
    """Lets a mistake through."""
    return read()


@dataclass(frozen=True)
class _Values:
    """The rows that `value` gives: of events, or of the elements of an array, with what it makes of one of them."""

    scope: Scope
    tree: exp.Expr

    def bind(self, text: str) -> exp.Expr:
        """An outer expression over one of these rows, as a tree over `f`."""
        types = {ELEMENT: self.scope.rows.type_of(self.tree)}
        return bind_known(read_expression(text, types), {ELEMENT: self.tree})


def reading_of(attribute: Attribute, events: Scope, attempt: Attempt) -> Reading | None:
    """What the attribute reads of each row; None: a mistake was noted.

    Args:
        attribute: an attribute of a ready-made type.
        events: the events that it reads, or the rows of a meta-attribute.
        attempt: how each key is read.

    Raises:
        SqlError: an expression is not allowed, if it is read at once.
    """
    values = attempt("value", lambda: _values(attribute.value, events))
    weights = _weights(attribute, events, values, attempt)
    if values is None:
        return None
    scope, text = values.scope, attribute.outer_filter
    if text is not None:
        conditions = attempt("outer_filter", lambda: filter_conditions(values.bind(text), scope.rows))
        scope = scope.where(conditions or ())
    weight = scope.column(_product(weights), EXACT) if weights else None
    if attribute.outer_value is None:
        return attempt("value", lambda: Reading(scope, values.tree, attribute.value.strip(), weight))
    outer = attribute.outer_value
    return attempt("outer_value", lambda: Reading(scope, values.bind(outer), outer.strip(), weight))


def _values(text: str, events: Scope) -> _Values:
    parsed = events.rows.parse(text, set_returning=True)
    found = split(parsed)
    if found is None:
        return _Values(events, events.rows.bind(parsed))
    array = events.rows.bind(found[0])
    _check_json(array, events)
    elements = events.rows.elements(events.column(array, events.rows.type_of(array)))
    return _Values(replace(events, rows=elements, conditions=()), elements.bind(found[1]))


def _check_json(array: exp.Expr, events: Scope) -> None:
    """An engine may read JSON in a text, which PostgreSQL does not."""
    if not isinstance(array, exp.Anonymous) or array.name.lower() not in _OF_JSON:
        return
    source = array.expressions[0]
    type_ = events.rows.type_of(source)
    if family_of(type_) != "jsonb":
        raise SqlError(
            f"`{readable(source)}` gives {name_of(type_)}, and only jsonb has elements and keys.",
            "Read a place of the payload with `->`, such as payload->'items'.",
        )


def _weights(attribute: Attribute, events: Scope, values: _Values | None, attempt: Attempt) -> list[exp.Expr]:
    """What a row weighs as an event's and by itself, as trees over `f` of the rows that `value` gives."""
    weights: list[exp.Expr | None] = []
    own, outer = attribute.weight, attribute.outer_weight
    if own is not None:
        of_elements = values is not None and values.scope.rows is not events.rows
        weights.append(attempt("weight", lambda: _event_weight(own, events, of_elements=of_elements)))
    if outer is not None and values is not None:
        weights.append(attempt("outer_weight", lambda: _weight(outer, values.bind(outer), values.scope)))
    return [weight for weight in weights if weight is not None]


def _event_weight(text: str, events: Scope, *, of_elements: bool) -> exp.Expr:
    weight = _weight(text, events.rows.bind(events.rows.parse(text)), events)
    return exp.column(events.column(weight, EXACT).name, table="f") if of_elements else weight


def _weight(text: str, tree: exp.Expr, scope: Scope) -> exp.Expr:
    weight = tree.unnest()
    if isinstance(weight, exp.Neg) and isinstance(weight.this, exp.Literal):
        raise SqlError(f"A weight of {text.strip()} is negative.", "Write 0 or more; 0 makes a value count nothing.")
    return exp.func("cdp_weight", Reading(scope, tree, text.strip()).exact("weight"))


def _product(weights: list[exp.Expr]) -> exp.Expr:
    first, *others = weights
    return exp.cast(exp.Mul(this=first, expression=others[0]), EXACT) if others else first

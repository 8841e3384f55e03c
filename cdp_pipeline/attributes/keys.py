"""Keys of an attribute that mean nothing to its type, or beside each other."""

from collections.abc import Iterator

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError

_WEIGHTS = ("weight", "outer_weight")
_OUTER = ("outer_value", "outer_weight", "outer_filter")
_OF_EVENTS = ("sources", "events", "version")


def misplaced_keys(attribute: Attribute) -> Iterator[tuple[str, SqlError]]:
    """Gives each key that has no place where it stands, with the mistake."""
    for key in (*_OUTER, "weight"):
        if getattr(attribute, key) is None:
            continue
        if attribute.type == "expression" and key in _OUTER:
            yield key, SqlError(f"`{key}` has no meaning for type expression.", "Say it in the expression itself.")
        elif key in _WEIGHTS and attribute.type not in ("most_frequent", "least_frequent"):
            yield (
                key,
                SqlError(
                    f"`{key}` has no meaning for type {attribute.type}.",
                    "It counts in most_frequent and least_frequent.",
                ),
            )
    if attribute.multiple and attribute.type != "list":
        yield (
            "multiple",
            SqlError(f"An attribute of type {attribute.type} has one value.", "Remove it; type list gives all values."),
        )
    for key in _OF_EVENTS:
        if attribute.from_ is not None and getattr(attribute, key):
            yield (
                key,
                SqlError(
                    f"`{key}` tells which events to read, and `from` reads a meta-attribute.",
                    "Remove one of them; `filter` is a condition on the rows of the meta-attribute.",
                ),
            )

"""Keys of an attribute that mean nothing to its type, or beside each other, or are missing."""

from collections.abc import Iterator

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError

_WEIGHTS = ("weight", "outer_weight")
_OUTER = ("outer_value", "outer_weight", "outer_filter")
_OF_EVENTS = ("sources", "events", "version")
_OF_ROWS = (*_OF_EVENTS, "filter", "from_", "weight", *_OUTER)
# The types that read no rows by keys of their own, and what to do instead of writing such a key.
WITHOUT_ROWS = {
    "derived": "Its expression reads other attributes; let those leave out what does not count.",
    "custom": "Say it in the query itself.",
    "identifiers": "Type identifiers lists the entity's identifiers of one type.",
}
_LISTS = ("list", "identifiers")


def misplaced_keys(attribute: Attribute) -> Iterator[tuple[str, SqlError]]:
    """Gives each key that has no place where it stands, or is missing, with the mistake."""
    yield from _value_or_identifier(attribute)
    if attribute.type in WITHOUT_ROWS:
        for key in _OF_ROWS:
            if getattr(attribute, key):
                yield key.rstrip("_"), _meaningless(key, attribute, WITHOUT_ROWS[attribute.type])
    else:
        yield from _keys_of_rows(attribute)
    if attribute.multiple and attribute.type not in ("custom", *_LISTS):
        hint = "Remove it; type list gives all values."
        yield "multiple", SqlError(f"An attribute of type {attribute.type} has one value.", hint)


def _value_or_identifier(attribute: Attribute) -> Iterator[tuple[str, SqlError]]:
    is_list = attribute.type == "identifiers"
    if is_list and attribute.value:
        yield "value", _meaningless("value", attribute, WITHOUT_ROWS["identifiers"])
    elif not is_list and not attribute.value:
        yield "value", SqlError("is missing.", f"Write what type {attribute.type} is to work out.")
    if is_list and attribute.identifier is None:
        yield "identifier", SqlError("is missing.", "Name the type of identifier, one of the kind's `identifiers`.")
    elif not is_list and attribute.identifier is not None:
        yield "identifier", _meaningless("identifier", attribute, "It is for type identifiers.")


def _keys_of_rows(attribute: Attribute) -> Iterator[tuple[str, SqlError]]:
    for key in (*_OUTER, "weight"):
        if getattr(attribute, key) is None:
            continue
        if attribute.type == "expression" and key in _OUTER:
            yield key, _meaningless(key, attribute, "Say it in the expression itself.")
        elif key in _WEIGHTS and attribute.type not in ("most_frequent", "least_frequent"):
            yield key, _meaningless(key, attribute, "It counts in most_frequent and least_frequent.")
    for key in _OF_EVENTS:
        if attribute.from_ is not None and getattr(attribute, key):
            yield (
                key,
                SqlError(
                    f"`{key}` tells which events to read, and `from` reads a meta-attribute.",
                    "Remove one of them; `filter` is a condition on the rows of the meta-attribute.",
                ),
            )


def _meaningless(key: str, attribute: Attribute, hint: str) -> SqlError:
    return SqlError(f"`{key.rstrip('_')}` has no meaning for type {attribute.type}.", hint)

"""What pydantic found, in plain words: what is wrong, what was found, and what would be accepted."""

import re
from dataclasses import dataclass
from typing import Any, get_args

from pydantic_core import ErrorDetails

from cdp_pipeline.config.fields import REFUSED, one_of, shorten
from cdp_pipeline.config.keys import accepted_keys, as_section, did_you_mean, items_of, type_at
from cdp_pipeline.config.model import Project
from cdp_pipeline.config.tree import Loc, Node

# pydantic's types of mistake, and what it wanted to see.
_WANTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping of names",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
# Says that a default was not worked out, because of another mistake.
_NO_MISTAKE = "default_factory_not_called"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake at a place in the tree; without a message, a place that another mistake makes useless."""

    loc: Loc
    message: str | None
    hint: str | None = None


def translate(error: ErrorDetails, root: Node, model: Any = Project) -> Mistake | None:
    """Return what pydantic found as a mistake in the user's words, or None if it is none of its own.

    Args:
        error: what pydantic found.
        root: the tree in which it was found.
        model: the type of the whole tree.
    """
    loc = error["loc"]
    kind = error["type"]
    if kind == _NO_MISTAKE:
        return None
    parent = as_section(type_at(loc[:-1], model))
    if loc and parent is not None and loc[-1] in parent.not_written:
        # The name of a section is its key one level up.
        loc = loc[:-1]
    node = root.at(loc)
    if kind == REFUSED:
        return Mistake(loc, error["ctx"]["message"], error["ctx"]["hint"])
    if kind == "missing":
        return Mistake(loc, "is missing.", f"It is needed: {_describe(loc, model)}")
    if kind in _WANTED:
        wanted = "a text, a list of texts or '*'" if _takes_names(kind, loc, model) else _WANTED[kind]
        return Mistake(loc, f"must be {wanted}, and {_found(node)}.", _accepted(kind, loc, node, model))
    if kind == "literal_error":
        return _wrong_word(loc, node, error, model)
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = "at least {ge:g}" if kind == "greater_than_equal" else "at most {le:g}"
        return Mistake(loc, f"must be {bound.format(**error['ctx'])}, and {_found(node)}.", _describe(loc, model))
    return Mistake(loc, f"is not accepted: {error['msg']}.", _describe(loc, model))


def _describe(loc: Loc, model: Any) -> str:
    """Return what the models say about a key, or nothing."""
    section = as_section(type_at(loc[:-1], model))
    field = None if section is None or not loc else accepted_keys(section).get(str(loc[-1]))
    return "" if field is None else str(field.description)


def _takes_names(kind: str, loc: Loc, model: Any) -> bool:
    return kind == "string_type" and items_of(type_at(loc, model)) is not None


def _found(node: Node | None) -> str:
    content = None if node is None else node.content
    if node is None or content is None:
        return "there is nothing"
    if isinstance(content, dict | list):
        return f"this is a {'mapping' if isinstance(content, dict) else 'list'}"
    if isinstance(content, str):
        return f"{shorten(content)} is a text"
    if isinstance(content, bool):
        return f"YAML reads {node.text} as {'true' if content else 'false'}"
    return f"this is the {'number' if isinstance(content, int | float) else 'date'} {shorten(node.text, quote=False)}"


def _accepted(kind: str, loc: Loc, node: Node | None, model: Any) -> str:
    """Return what to write instead of a value of the wrong type."""
    content = None if node is None else node.content
    annotation = type_at(loc, model)
    section = as_section(annotation)
    if section is not None:
        return f"Write key: value lines; accepted keys are {', '.join(accepted_keys(section))}."
    if kind == "list_type":
        files = " or {files: a/pattern/*.yaml}" if as_section(items_of(annotation)) is not None else ""
        return f"Write items as - lines or [a, b]{files}."
    if kind == "string_type" and isinstance(content, dict | list):
        return "Put the text in quotes if it begins with { or [, which are YAML's own."
    if kind == "string_type" and node is not None and content is not None:
        return f"Put it in quotes: '{node.text}'."
    if kind == "bool_type" and isinstance(content, str) and content in ("true", "false"):
        return "Write it without quotes."
    if kind in ("int_type", "float_type") and isinstance(content, str) and re.fullmatch(r"[\d.]+", content):
        return "Write it without quotes."
    return _describe(loc, model)


def _wrong_word(loc: Loc, node: Node | None, error: ErrorDetails, model: Any) -> Mistake:
    """Refuse a word that is not among the accepted ones."""
    annotation = type_at(loc, model)
    accepted = [str(word) for word in get_args(annotation)]
    if node is None or not isinstance(node.content, str):
        return Mistake(loc, f"must be {one_of(accepted)}, and {_found(node)}.")
    meant = did_you_mean(node.content.lower(), accepted)
    hint = f"Accepted: {', '.join(accepted)}."
    return Mistake(
        loc,
        f"{shorten(node.content)} is not accepted here.",
        hint if meant is None else f"Did you mean {meant}? {hint}",
    )

"""Which keys a project file may have, and where: read from the models, so that there is one list of them."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from cdp_pipeline.config.fields import NullIsAValue, shorten
from cdp_pipeline.config.model import Project
from cdp_pipeline.config.not_yet import find_not_yet
from cdp_pipeline.config.section import Section
from cdp_pipeline.config.tree import Findings, Loc, Node

# Keys that must be text to make sense of a mistake: anything else looks like the rest of an SQL expression.
_KEY = re.compile(r"[\w-]+")


def accepted_keys(section: type[Section]) -> dict[str, FieldInfo]:
    """Return the keys that a user may write in a section, with what the model knows of each."""
    return {
        str(field.validation_alias or name): field
        for name, field in section.model_fields.items()
        if name not in section.not_written
    }


def as_section(annotation: Any) -> type[Section] | None:
    """Return the section that a type is, or None if it is another type."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def items_of(annotation: Any) -> Any:
    """Return the type of what a list holds, or the values of a mapping of names; None for other types."""
    return get_args(annotation)[-1] if get_origin(annotation) in (list, dict) else None


def type_at(loc: Loc, annotation: Any = Project) -> Any:
    """Return the type that the models have at a place of a project, or of a tree of another type; None: none."""
    for part in loc:
        section = as_section(annotation)
        if section is None:
            annotation = items_of(annotation)
        else:
            field = accepted_keys(section).get(str(part))
            annotation = None if field is None else field.annotation
    return annotation


def did_you_mean(word: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted word that somebody probably meant."""
    return next(iter(difflib.get_close_matches(word, list(accepted), n=1)), None)


def check_keys(node: Node, findings: Findings, annotation: Any = Project, key: str = "") -> None:
    """Report and drop every key that is unknown or not built yet, here and below.

    A key without a value is the same as a key that was left out, where it may be left out and null is no value of it.

    Args:
        node: the value to check.
        findings: where to report.
        annotation: the type that the models have for it.
        key: its path, with `*` for names and `[]` for places in lists.
    """
    section = as_section(annotation)
    if section is not None and isinstance(node.content, dict):
        _check_section(node, section, findings, key)
    elif items_of(annotation) is not None:
        for part, child in node.children():
            below = f"{key}[]" if isinstance(part, int) else f"{key}.*"
            check_keys(child, findings, items_of(annotation), below)
    node.sweep()


def _check_section(node: Node, section: type[Section], findings: Findings, key: str) -> None:
    accepted = accepted_keys(section)
    below = {name: f"{key}.{name}" if key else str(name) for name, _ in node.children()}
    later = {name: find_not_yet(below[name], child.content) for name, child in node.children()}
    for name, child in node.children():
        row, field = later[name], accepted.get(str(name))
        if row is not None:
            findings.report(child, row.message, row.instead)
            findings.drop(child)
        elif field is None:
            _report_unknown(node, str(name), child, accepted, findings)
        elif child.content is None and not field.is_required() and not _null_is_a_value(field):
            child.gone = True
        else:
            check_keys(child, findings, field.annotation, below[name])


def _null_is_a_value(field: FieldInfo) -> bool:
    return any(isinstance(each, NullIsAValue) for each in field.metadata)


def _report_unknown(node: Node, name: str, child: Node, accepted: Iterable[str], findings: Findings) -> None:
    meant = did_you_mean(name, accepted)
    hint = f"Accepted are {', '.join(accepted)}."
    if meant is not None:
        hint = f"Did you mean {meant}? {hint}"
        if node.child(meant) is None:
            # What was meant is there, only misspelt: it is not missing too.
            findings.dropped.add(f"{node.path}.{meant}" if node.path else meant)
    elif not _KEY.fullmatch(name):
        hint = f"If it belongs to an SQL expression, put the whole expression in double quotes. {hint}"
    findings.report(child, f"{shorten(name)} is not a key that is known here.", hint)
    findings.drop(child)

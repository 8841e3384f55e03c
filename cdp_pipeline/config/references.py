"""What must hold between the values of a project: names that exist, names that differ, keys that need each other.

A name is looked up among all names that the user declared, even if the declaration itself had a mistake and is gone:
what refers to it is then taken out without a second error.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cdp_pipeline.config.fields import shorten
from cdp_pipeline.config.keys import did_you_mean
from cdp_pipeline.config.messages import Mistake
from cdp_pipeline.config.model import Entity, IdentityMap, Project, Source
from cdp_pipeline.config.tree import Findings, Loc, Node, join

_DAY = "{day}"
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


@dataclass(slots=True)
class Declared:
    """The names that a user declared, with or without mistakes.

    Attributes:
        sources: the names under `sources`.
        identifiers: for each kind, its types of identifier.
        events_name_sources: whether an event may name a source of its own, by an expression `event.source`.
        open: paths of lists and mappings that may declare more names than could be read.
    """

    sources: set[str] = field(default_factory=set)
    identifiers: dict[str, set[str]] = field(default_factory=dict)
    events_name_sources: bool = False
    open: set[str] = field(default_factory=set)


def declared_in(root: Node, findings: Findings) -> Declared:
    """Collect the declared names, before anything but unknown keys was taken out."""
    declared = Declared()
    declared.open = set(findings.dropped)
    sources = _child(root, "sources", declared)
    for name, source in sources.children():
        declared.sources.add(str(name))
        event = source.child("event")
        named = None if event is None else event.child("source")
        # An event that could not be read may well name its source.
        if named is not None or event is None or not isinstance(event.content, dict):
            declared.events_name_sources = True
    for kind, entity in _child(root, "entities", declared).children():
        types = declared.identifiers.setdefault(str(kind), set())
        identifiers = _child(entity, "identifiers", declared)
        for _, identifier in identifiers.children():
            type_node = identifier.child("type")
            if type_node is not None and isinstance(type_node.content, str):
                types.add(type_node.content)
            else:
                declared.open.add(identifiers.path)
    return declared


def _child(parent: Node, key: str, declared: Declared) -> Node:
    """Return the node at a key; an empty one, if there is none with anything inside."""
    node = parent.child(key)
    if node is None or not isinstance(node.content, dict | list):
        empty = Node(join(parent.path, (key,)), parent.file, parent.line, {})
        if node is not None:
            declared.open.add(empty.path)
        return empty
    return node


def find_mistakes(project: Project, declared: Declared) -> Iterator[Mistake]:
    """Yield what does not hold between the values of a project that are right by themselves."""
    if project.end is not None and project.end < project.start:
        yield Mistake(
            ("end",),
            f"{project.end} is before start, {project.start}.",
            "Write a later day, or leave it out to go on up to today.",
        )
    yield from _check_schemas(project)
    for source in project.sources.values():
        yield from _check_source(source, declared)
    for entity in project.entities.values():
        yield from _check_identifiers(project, entity, declared)
        yield from _check_bridges(entity, declared)
        yield from _check_stitching(project, entity, declared)
        yield from _check_identity_maps(entity, declared)
        yield from _check_attributes(project, entity, declared)


def _check_schemas(project: Project) -> Iterator[Mistake]:
    """Two kinds may not share a schema, for their tables have the same names."""
    taken = {project.schema_name: "the shared tables"}
    for kind, entity in project.entities.items():
        owner = taken.setdefault(entity.schema_name, f"the entity kind {kind}")
        if owner != f"the entity kind {kind}":
            yield Mistake(
                ("entities", kind, "schema"),
                f"{entity.schema_name} is the schema of {owner} already.",
                "Give each its own name by the key `schema`; left out, it is the kind's name.",
            )


def _check_source(source: Source, declared: Declared) -> Iterator[Mistake]:
    """A source reads files or a table, and knows one way to the day of arrival."""
    loc: Loc = ("sources", source.name)
    if (source.files is None) == (source.table is None):
        misspelt = any(join("", (*loc, key)) in declared.open for key in ("files", "table"))
        what = "neither files nor a table" if source.files is None else "both files and a table"
        yield Mistake(
            loc,
            None if misspelt else f"has {what}.",
            "Write one of them: `files` for landing files, `table` for a table.",
        )
    elif source.files is not None:
        yield from _check_files(source, source.files, loc)
    elif source.arrived_at is None:
        yield Mistake(
            (*loc, "arrived_at"), "is missing.", "A table needs it: an expression for the time at which a row arrived."
        )
    yield from _check_mode(source, loc, declared)


def _check_mode(source: Source, loc: Loc, declared: Declared) -> Iterator[Mistake]:
    """A mirror knows its rows by their ids; only there a row can say that it is deleted."""
    if source.deleted is not None and not source.is_mirror:
        # A mode that could not be read was reported, and may have been mirror.
        misspelt = join("", (*loc, "mode")) in declared.open
        yield Mistake(
            (*loc, "deleted"),
            None if misspelt else "is for mirrors, and this source appends: an event that has landed stays.",
            "Write `mode: mirror` beside it, by which a later row of an id replaces the earlier one, or remove it.",
        )
    if source.is_mirror and (source.event.id is None or source.event.id.strip().lower() == "none"):
        misspelt = join("", (*loc, "event", "id")) in declared.open
        written = "event", *(() if source.event.id is None else ("id",))
        yield Mistake(
            (*loc, *written),
            None if misspelt else "gives rows no id by which a later one could replace an earlier one.",
            "Write the expression for it under `event.id`, or remove `mode: mirror`.",
        )


def _check_files(source: Source, files: str, loc: Loc) -> Iterator[Mistake]:
    days = files.count(_DAY)
    others = [name for name in _PLACEHOLDER.findall(files) if name != _DAY]
    path = _mistake_in_path(files)
    if path is not None:
        accepted = f"Write a path below the project, such as landing/web/{_DAY}/*; * stands for any text, **/ for any "
        yield Mistake((*loc, "files"), path, accepted + "folders.")
    elif others:
        yield Mistake(
            (*loc, "files"),
            f"{others[0]} stands for nothing.",
            f"Only {_DAY} does, for the day of arrival; list alternatives as sources of their own.",
        )
    elif days > 1:
        yield Mistake((*loc, "files"), f"has {_DAY} {days} times.", "Write it once; other places can be *.")
    elif days == 0 and source.arrived_at is None:
        yield Mistake(
            (*loc, "files"),
            "does not say on which day a file arrived.",
            f"Write {_DAY} where the day stands (landing/web/{_DAY}/*), or an expression for it under `arrived_at`.",
        )
    elif days == 1 and source.arrived_at is not None:
        yield Mistake(
            (*loc, "arrived_at"),
            f"gives the day of arrival, and so does {_DAY} in `files`.",
            f"Remove one: `arrived_at`, or {_DAY}.",
        )


def _mistake_in_path(files: str) -> str | None:
    """What makes a pattern one that finds nothing, or that no system understands."""
    parts = PurePosixPath(files).parts
    if files.startswith("/") or not parts:
        return "is an absolute path." if parts else "names no file."
    if ".." in parts:
        return "leaves the project by `..`."
    hidden = next((part for part in parts if part.startswith(".")), None)
    if hidden is not None:
        return f"names what is hidden, {shorten(hidden)}, and that is never read."
    if parts[-1] == "**" or any("**" in part and part != "**" for part in parts):
        return "has `**` where it is not a folder of its own."
    return None


def _check_identifiers(project: Project, entity: Entity, declared: Declared) -> Iterator[Mistake]:
    loc: Loc = ("entities", entity.kind, "identifiers")
    if not entity.identifiers:
        # Where some were declared, they had mistakes of their own.
        known = declared.identifiers.get(entity.kind) or _is_open(declared, loc)
        yield Mistake(loc, None if known else "is empty.", "An entity needs one type of identifier at least.")
    yield from _check_distinct(project, loc, "type", [identifier.type for identifier in entity.identifiers])


def _check_distinct(project: Project, loc: Loc, key: str, names: list[str]) -> Iterator[Mistake]:
    """No two items of a list have the same name."""
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if first.setdefault(name, place) != place:
            taken = project.locations[join("", (*loc, first[name]))]
            yield Mistake(
                (*loc, place, key),
                f"{shorten(name)} stands in the list already, at {taken.file}:{taken.line}.",
                "Rename one of the two or remove it.",
            )


def _check_bridges(entity: Entity, declared: Declared) -> Iterator[Mistake]:
    """Some type of identifier proves that two people are one, or else all of it is in vain."""
    loc: Loc = ("entities", entity.kind, "identifiers")
    types = {identifier.type for identifier in entity.identifiers}
    if not types or any(identifier.bridge for identifier in entity.identifiers):
        return
    # One that could not be read may be a bridge.
    if not _is_open(declared, loc) and declared.identifiers.get(entity.kind, set()) <= types:
        yield Mistake(
            (*loc, 0, "bridge"),
            "is false, as it is for every other type: nothing could ever be joined.",
            "Leave it out (true) where a value proves that two people are one, such as for an e-mail; false is for "
            "what people share, such as devices.",
        )


def _check_stitching(project: Project, entity: Entity, declared: Declared) -> Iterator[Mistake]:
    sources_open = _is_open(declared, ("sources",))
    for place, rule in enumerate(entity.stitching):
        loc: Loc = ("entities", entity.kind, "stitching", place)
        yield from _check_type((*loc, "identifier"), rule.identifier, entity, declared)
        for source in rule.source:
            if source not in project.sources:
                known = sources_open or source in declared.sources or f"sources.{source}" in declared.open
                yield _unknown_name((*loc, "source"), source, "source", declared.sources, known=known)


def _check_type(loc: Loc, name: str, entity: Entity, declared: Declared) -> Iterator[Mistake]:
    """A type of identifier is one of the kind's."""
    if name not in [identifier.type for identifier in entity.identifiers]:
        all_types = declared.identifiers.get(entity.kind, set())
        known = name in all_types or _is_open(declared, ("entities", entity.kind, "identifiers"))
        yield _unknown_name(loc, name, "identifier", all_types, known=known)


def _check_identity_maps(entity: Entity, declared: Declared) -> Iterator[Mistake]:
    for place, identity_map in enumerate(entity.identity_maps):
        loc: Loc = ("entities", entity.kind, "identity_maps", place)
        yield from _check_type((*loc, "primary", "type"), identity_map.primary.type, entity, declared)
        for identifier_type in identity_map.persons:
            yield from _check_type((*loc, "persons", identifier_type), identifier_type, entity, declared)
        if not identity_map.persons:
            yield Mistake(
                (*loc, "persons"),
                "is empty.",
                "Name the column for one type of identifier at least, such as {email: email}.",
            )
        yield from _check_columns(loc, identity_map)


def _check_columns(loc: Loc, identity_map: IdentityMap) -> Iterator[Mistake]:
    """A column of a map says one thing: whom a row is about, whom it names, when it changed, or that it is deleted."""
    taken = {identity_map.primary.column: "primary.column"}
    for identifier_type, column in identity_map.persons.items():
        if column in taken:
            yield Mistake(
                (*loc, "persons", identifier_type),
                f"{shorten(column)} is `primary.column` already, so that it says nothing about who that is.",
                f"Name the column that holds the person's {identifier_type}.",
            )
    taken = {column: f"persons.{name}" for name, column in identity_map.persons.items()} | taken
    for key, what in (("updated_at", "the time of a row's last change"), ("deleted", "whether a row is deleted")):
        column = getattr(identity_map, key)
        if column is not None and taken.setdefault(column, key) != key:
            message = f"{shorten(column)} is `{taken[column]}` already."
            yield Mistake((*loc, key), message, f"Name the column that holds {what}, or leave the key out.")


def _check_attributes(project: Project, entity: Entity, declared: Declared) -> Iterator[Mistake]:
    loc: Loc = ("entities", entity.kind, "attributes")
    yield from _check_distinct(project, loc, "id", [attribute.id for attribute in entity.attributes])
    if declared.events_name_sources or _is_open(declared, ("sources",)):
        return
    for place, attribute in enumerate(entity.attributes):
        for source in attribute.sources:
            if source not in declared.sources and f"sources.{source}" not in declared.open:
                yield _unknown_name((*loc, place, "sources"), source, "source", declared.sources, known=False)


def _unknown_name(loc: Loc, name: str, what: str, names: Iterable[str], *, known: bool) -> Mistake:
    """Refuse a name that nobody declared; one that only had a mistake of its own is refused without a word."""
    if known:
        return Mistake(loc, None)
    accepted = sorted(names)
    meant = did_you_mean(name, accepted)
    hint = f"Declared are {', '.join(accepted)}." if accepted else "None is declared."
    message = (
        f"{shorten(name)} is no {what} of this project." if what == "source" else f"{shorten(name)} is not declared."
    )
    return Mistake(loc, message, hint if meant is None else f"Did you mean {meant}? {hint}")


def _is_open(declared: Declared, loc: Loc) -> bool:
    """Tell whether a list or mapping may declare more names than could be read."""
    path = re.escape(join("", loc))
    return any(re.fullmatch(rf"{path}(\[\d+\])?", name) for name in declared.open)

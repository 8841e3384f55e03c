"""Reads a project: `project.yaml`, and the files that its long lists are kept in.

1. YAML is read into a tree whose values know their file and line, and `{files: …}` lists are read into it.
2. References to the environment are filled in, in the warehouse only.
3. Keys that are unknown or not built yet are reported and taken out.
4. What is left becomes a `Project`. What pydantic or `references` find wrong is reported and its list item, source or
   key taken out, and this again, until the rest is right. So one reading finds all mistakes, and later rooms can look
   for theirs in what was understood.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cdp_pipeline.config.environment import fill_in
from cdp_pipeline.config.fields import shorten
from cdp_pipeline.config.keys import check_keys
from cdp_pipeline.config.messages import Mistake, translate
from cdp_pipeline.config.model import Project
from cdp_pipeline.config.references import Declared, declared_in, find_mistakes
from cdp_pipeline.config.tree import Findings, Loc, Node, Scalar
from cdp_pipeline.config.yaml_tree import read_yaml
from cdp_pipeline.errors import ProjectError, ProjectErrors

PROJECT_FILE = Path("project.yaml")
# The lists of an entity kind that may be kept in files of their own.
LISTS = ("identifiers", "stitching", "identity_maps", "attributes")
# What stands for a missing key that a project cannot be without, so that the rest of it can be checked.
_STOPGAPS: dict[str, Scalar] = {"name": "project", "warehouse": "duckdb:///warehouse.duckdb", "start": "0001-01-01"}


def load_project(folder: Path | str, environ: Mapping[str, str] | None = None) -> Project:
    """Return the project in a folder.

    Args:
        folder: where `project.yaml` stands.
        environ: the environment variables that `warehouse` may name; left out, those of the process.

    Raises:
        ProjectErrors: with every mistake of the project.
    """
    project, errors = read_project(folder, environ)
    if project is None or errors:
        raise ProjectErrors(errors)
    return project


def read_project(
    folder: Path | str, environ: Mapping[str, str] | None = None
) -> tuple[Project | None, list[ProjectError]]:
    """Return as much of a project as could be understood, and every mistake in it.

    With mistakes, the project is good for finding further ones and for nothing else: it lacks whatever was wrong, and
    its name, start and warehouse may be stopgaps. Without a readable mapping in `project.yaml` there is none.
    """
    findings = Findings()
    folder = Path(folder).absolute()
    root = _read_tree(folder, findings)
    if root is None:
        return None, findings.errors
    warehouse = root.child("warehouse")
    as_written = "" if warehouse is None or not isinstance(warehouse.content, str) else warehouse.content
    if warehouse is not None:
        fill_in(warehouse, folder, os.environ if environ is None else environ, findings)
    check_keys(root, findings)
    declared = declared_in(root, findings)
    project = _build(root, folder, as_written, findings, declared)
    return project, ProjectErrors(findings.errors).errors


def _read_tree(folder: Path, findings: Findings) -> Node | None:
    """Read the project's files into one tree; None if there is no mapping in `project.yaml`, which was reported."""
    place = Node("", PROJECT_FILE, 0, None)
    document = read_yaml(folder / PROJECT_FILE, place, findings)
    root = None if document is None else document.read()
    if root is None:
        return None
    if not isinstance(root.content, dict):
        findings.report(root, "is not a project: it must be a mapping.", "Write key: value lines, such as name: shop.")
        return None
    entities = root.child("entities")
    for _, entity in entities.children() if entities is not None else ():
        for name in LISTS:
            node = entity.child(name)
            if node is not None and isinstance(node.content, dict) and "files" in node.content:
                _read_list(node, folder, findings)
    return root


def _read_list(node: Node, folder: Path, findings: Findings) -> None:
    """Put the items of the files that a pattern names, in the order of their names, in place of the pattern."""
    pattern = node.child("files")
    others = [name for name, _ in node.children() if name != "files"]
    items: list[Node] = []
    unread = False
    if pattern is not None:
        for file in _find_files(pattern, folder, findings):
            document = read_yaml(folder / file, Node(node.path, file, 1, None), findings)
            if document is None:
                unread = True
            else:
                items += document.read_items(node.path, len(items))
    if others:
        findings.report(
            node, f"has {others[0]} beside `files`.", "A list in files of its own has nothing but {files: …}."
        )
    node.content = items
    if unread or not items:
        # It may declare more names than were found, so that a name that is missing is no mistake.
        findings.dropped.add(node.path)


def _find_files(pattern: Node, folder: Path, findings: Findings) -> list[Path]:
    """Return the files that a pattern names, relative to the project's folder."""
    hint = "Write a pattern that starts at the project's folder, such as attributes/*.yaml."
    if not isinstance(pattern.content, str):
        findings.report(pattern, "is not a text.", hint)
        return []
    try:
        found = sorted(path.relative_to(folder) for path in folder.glob(pattern.content) if path.is_file())
    except (ValueError, NotImplementedError, OSError) as error:
        findings.report(pattern, f"{shorten(pattern.content)} is not a pattern of files: {error}.", hint)
        return []
    if not found:
        findings.report(pattern, f"{shorten(pattern.content)} matches no file.", hint)
    return found


def _build(root: Node, folder: Path, as_written: str, findings: Findings, declared: Declared) -> Project:
    """Return the project, without what is wrong with it."""
    while True:
        project, mistakes = _validate(root, folder, as_written)
        if project is not None:
            mistakes = list(find_mistakes(project, declared))
            if not mistakes:
                return project
        for mistake in mistakes:
            node, rest = root.find(mistake.loc)
            if mistake.message is not None:
                findings.report(node, mistake.message, mistake.hint, rest=rest)
        for mistake in mistakes:
            _take_out(root, mistake.loc, findings)
        root.sweep()


def _validate(root: Node, folder: Path, as_written: str) -> tuple[Project | None, list[Mistake]]:
    """Return the project of a tree, or what pydantic finds wrong with it."""
    data = _named(root)
    data |= {"folder": folder, "warehouse_as_written": as_written, "locations": root.locations()}
    try:
        return Project.model_validate(data, by_alias=True, by_name=False), []
    except ValidationError as error:
        found = [translate(each, root) for each in error.errors(include_url=False)]
        return None, [mistake for mistake in found if mistake is not None]


def _named(root: Node) -> dict[str, Any]:
    """Return the values of a tree, with sources and entities given the names that are their keys."""
    data: Any = root.plain()
    for section, key in (("sources", "name"), ("entities", "kind")):
        members = data.get(section)
        for name, member in members.items() if isinstance(members, dict) else ():
            if isinstance(member, dict):
                member[key] = name
    return dict(data)


def _take_out(root: Node, loc: Loc, findings: Findings) -> None:
    """Mark as gone what a mistake spoils: the item of a list, the source, or the key itself.

    An item is taken out whole, because a rule without its mistaken `source` would mean all sources.
    """
    match loc:
        case ("sources", _, *_):
            spoilt = loc[:2]
        case ("entities", _, _, int(), *_):
            spoilt = loc[:4]
        case ("entities", _, *_):
            spoilt = loc[:3]
        case _:
            spoilt = loc[:1]
    node, rest = root.find(spoilt)
    if rest and isinstance(root.content, dict) and node is root:
        key = str(rest[0])
        root.content[key] = Node(key, root.file, root.line, _STOPGAPS[key])
    else:
        findings.drop(node)

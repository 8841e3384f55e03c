"""The project as the user wrote it: a tree in which every value knows its path, file and line, and the mistakes in it.

Mistakes are found in stages (YAML, keys, types, references). What is wrong is reported once and taken out of the tree,
so that the next stage sees only what was understood; `Findings.dropped` remembers what was taken out, so that its
absence is not reported as a second mistake.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cdp_pipeline.config.model import Location
from cdp_pipeline.errors import ProjectError

# The way to a value: keys and places in lists.
Loc = tuple[str | int, ...]
Scalar = str | int | float | bool | date | None


@dataclass(slots=True)
class Node:
    """One value as the user wrote it.

    Attributes:
        path: the way to it as messages write it, such as `entities.customer.stitching[2].value`.
        file: its file, relative to the project's folder.
        line: the line of its key, or of the value itself in a list.
        content: the scalar, or the nodes inside.
        text: what stands in the file, if it is a scalar.
        gone: whether the next `sweep` takes it out.
    """

    path: str
    file: Path
    line: int
    content: "Scalar | dict[str, Node] | list[Node]"
    text: str = ""
    gone: bool = False

    def children(self) -> "Iterator[tuple[str | int, Node]]":
        """Yield the nodes inside with their keys or places."""
        if isinstance(self.content, dict):
            yield from self.content.items()
        elif isinstance(self.content, list):
            yield from enumerate(self.content)

    def child(self, part: str | int) -> "Node | None":
        """Return the node at a key or place, if there is one."""
        return next((node for key, node in self.children() if key == part), None)

    def find(self, loc: Loc) -> "tuple[Node, Loc]":
        """Return the deepest node on the way, and the rest of the way."""
        node = self
        for depth, part in enumerate(loc):
            below = node.child(part)
            if below is None:
                return node, loc[depth:]
            node = below
        return node, ()

    def at(self, loc: Loc) -> "Node | None":
        """Return the node at the end of the way, if there is one."""
        node, rest = self.find(loc)
        return None if rest else node

    def plain(self) -> object:
        """Return the value without places, as mappings, lists and scalars."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def sweep(self) -> None:
        """Take out every node inside that is marked as gone."""
        if isinstance(self.content, dict):
            self.content = {key: node for key, node in self.content.items() if not node.gone}
        elif isinstance(self.content, list):
            self.content = [node for node in self.content if not node.gone]
        for _, node in self.children():
            node.sweep()

    def locations(self, path: str = "") -> dict[str, Location]:
        """Return the place of every node by its path in the tree as it is now."""
        found = {path: Location(self.file, self.line, self.path)}
        for part, node in self.children():
            found |= node.locations(join(path, (part,)))
        return found


def join(path: str, loc: Loc) -> str:
    """Return a path with a further way behind it, as messages write it."""
    for part in loc:
        path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else part
    return path


@dataclass(slots=True)
class Findings:
    """What is wrong with a project.

    Attributes:
        errors: the mistakes, as users read them.
        dropped: the paths, as the user counts, of what was taken out or is known to be misspelt.
    """

    errors: list[ProjectError] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)

    def report(self, node: Node, message: str, hint: str | None = None, *, rest: Loc = ()) -> None:
        """Report a mistake at a node, or at a way below it that nobody wrote, unless it is known to be gone."""
        path = join(node.path, rest)
        if path not in self.dropped:
            self.errors.append(ProjectError(path, message, file=node.file, line=node.line, hint=hint or None))

    def drop(self, node: Node) -> None:
        """Mark a node as gone."""
        node.gone = True
        self.dropped.add(node.path)

"""YAML text, read into a tree that keeps the file and line of every value.

YAML's own types are kept, for a number or a date where a text belongs is a mistake that the user should see. What YAML
reads in a way that nobody means (a key written twice, `payload #>> '{a}'` cut at its ` #`) is a mistake too. There are
bounds on depth and size, because a few lines of aliases can stand for more than a computer holds.
"""

import math
import re
from datetime import date
from pathlib import Path
from typing import Final

import yaml
from yaml.constructor import SafeConstructor

from cdp_pipeline.config.fields import shorten
from cdp_pipeline.config.tree import Findings, Node, Scalar, join

# libyaml's parser is ten times as fast as Python's: 0.03 s instead of 0.3 s for 1,000 attributes.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 50
_MAX_VALUES = 100_000
# What ends a line for YAML 1.1, and so for every line number.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_TAG = "tag:yaml.org,2002:"
# `=` and `<<` are special to YAML 1.1 and texts to everybody else.
_TEXT_TAGS = (f"{_TAG}str", f"{_TAG}value", f"{_TAG}merge")
_SCALAR_TAGS = tuple(f"{_TAG}{name}" for name in ("int", "float", "bool", "null", "timestamp"))
_QUOTE = "Put an SQL expression in double quotes if it holds a quote, a colon, a #, or a bracket or brace in front."


class _TooLargeError(Exception):
    """A document stands for more values than anybody writes."""


class Document:
    """A YAML file whose syntax is right, not yet read into a tree."""

    def __init__(self, root: yaml.Node, file: Path, text: str, findings: Findings) -> None:
        self.root = root
        self._file = file
        self._lines = _LINE_BREAK.split(text)
        self._findings = findings
        self._constructor = SafeConstructor()
        self._values_left = _MAX_VALUES
        # The YAML nodes around the one at hand, by identity: an alias to one of them is a circle.
        self._around: list[int] = []

    def read(self) -> Node | None:
        """Read the whole document as a project; None if it could not be read, which was reported."""
        return next(iter(self._read_all("", [("", self.root)])), None)

    def read_items(self, path: str, first: int) -> list[Node]:
        """Read the document as items of the list at a path, from a place on: a list, or a single item."""
        items = self.root.value if isinstance(self.root, yaml.SequenceNode) else [self.root]
        return self._read_all(path, [(join(path, (place,)), item) for place, item in enumerate(items, first)])

    def _read_all(self, path: str, items: list[tuple[str, yaml.Node]]) -> list[Node]:
        try:
            read = [self._read(item, item_path, self.line(item)) for item_path, item in items]
        except _TooLargeError:
            place = Node(path, self._file, self.line(self.root), None)
            self._findings.report(place, f"holds more than {_MAX_VALUES:,} values, those of aliases among them.")
            self._findings.drop(place)
            return []
        return [node for node in read if node is not None]

    def line(self, node: yaml.Node) -> int:
        """Return the line of a YAML node, the first being 1."""
        return int(node.start_mark.line) + 1

    def _read(self, source: yaml.Node, path: str, line: int) -> Node | None:
        node = Node(path, self._file, line, None)
        self._values_left -= 1
        if self._values_left < 0:
            raise _TooLargeError
        problem = self._refusal(source)
        if problem is not None:
            self._findings.report(node, problem)
            self._findings.drop(node)
            return None
        if isinstance(source, yaml.ScalarNode):
            return self._read_scalar(source, node)
        self._around.append(id(source))
        if isinstance(source, yaml.MappingNode):
            node.content = self._read_mapping(source, node)
        else:
            read = [self._read(item, join(path, (i,)), self.line(item)) for i, item in enumerate(source.value)]
            node.content = [item for item in read if item is not None]
        self._around.pop()
        return node

    def _refusal(self, source: yaml.Node) -> str | None:
        """Say why a YAML node cannot be read at all, or nothing."""
        if id(source) in self._around:
            return "is an alias of something that it stands in itself; write the values out."
        if len(self._around) >= _MAX_DEPTH:
            return f"is nested more than {_MAX_DEPTH} levels deep."
        if not isinstance(source, yaml.ScalarNode) and source.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            return f"has the YAML tag {shorten(source.tag)}, which means nothing here; remove it."
        return None

    def _read_mapping(self, source: yaml.MappingNode, parent: Node) -> dict[str, Node]:
        content: dict[str, Node] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in source.value:
            line = self.line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                place = Node(parent.path, self._file, line, None)
                self._findings.report(place, "has a list or a mapping for a key.", f"A key is a word. {_QUOTE}")
                continue
            key = key_node.value
            if not key.isprintable():
                place = Node(parent.path, self._file, line, None)
                self._findings.report(place, "has a key with a character that cannot be shown.", "Write a plain word.")
                continue
            if key in first_lines:
                place = Node(join(parent.path, (key,)), self._file, line, None)
                first = f"the first time on line {first_lines[key]}"
                self._findings.report(place, f"is written a second time, {first}.", "Keep one of the two.")
                continue
            first_lines[key] = line
            node = self._read(value_node, join(parent.path, (key,)), line)
            if node is not None:
                content[key] = node
        return content

    def _read_scalar(self, source: yaml.ScalarNode, node: Node) -> Node | None:
        node.text = source.value
        try:
            node.content = self._scalar(source)
        except ValueError as error:
            self._findings.report(node, f"{shorten(source.value)} cannot be read: {error}.", "Put a text in quotes.")
            self._findings.drop(node)
            return None
        comment = self._comment_behind(source)
        # `#>>` and `#-` are operators of PostgreSQL; `#----` is a ruled line.
        if comment.startswith(("#>", "#-")) and not comment.startswith("#--"):
            self._findings.report(node, f"is cut before {shorten(comment)}, for YAML takes ` #` for a comment.", _QUOTE)
            self._findings.drop(node)
            return None
        return node

    def _scalar(self, source: yaml.ScalarNode) -> Scalar:
        """Return the value of a scalar.

        Raises:
            ValueError: if it cannot be read, stored, or means nothing here.
        """
        if source.tag in _TEXT_TAGS:
            if not _is_storable(source.value):
                raise ValueError("it has a character that cannot be stored")
            return str(source.value)
        if source.tag not in _SCALAR_TAGS or source.style:
            raise ValueError(f"the YAML tag {shorten(source.tag.removeprefix(_TAG))} means nothing here; remove it")
        try:
            value = self._constructor.construct_object(source)
        except (ValueError, OverflowError, KeyError, AttributeError, TypeError):
            # It looks like a date or a number and is none, such as 2026-13-01.
            return str(source.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("it is no finite number")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError("it is beyond 64 bits")
        return value if value is None or isinstance(value, str | int | float | date) else str(source.value)

    def _comment_behind(self, source: yaml.ScalarNode) -> str:
        """Return the comment on the line on which a text without quotes ends, or nothing."""
        mark = source.end_mark
        rest = "" if source.style or mark.line >= len(self._lines) else self._lines[mark.line][mark.column :]
        return rest.strip() if rest[:1].isspace() and rest.lstrip().startswith("#") else ""


def read_yaml(path: Path, place: Node, findings: Findings) -> Document | None:
    """Read a YAML file as far as its syntax; None if that is wrong, which was reported.

    Args:
        path: the file.
        place: what the file is the value of; its file and line are replaced by those of the mistake.
        findings: where to report.
    """
    file = place.file
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        findings.report(Node(place.path, file, line, None), "is not UTF-8 text.", "Save the file as UTF-8.")
        return None
    except FileNotFoundError:
        findings.report(place, f"is not there: {path.parent} has no such file.", "Is it the folder that you mean?")
        return None
    except OSError as error:
        findings.report(place, f"cannot be read: {error.strerror}.")
        return None
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line, message, hint = _explain(error, text)
        findings.report(Node(place.path, file, line, None), message, hint)
        return None
    if root is None:
        findings.report(Node(place.path, file, 1, None), "is empty: there is no value in the file.")
        return None
    return Document(root, file, text, findings)


def _explain(error: Exception, text: str) -> tuple[int, str, str]:
    """Return the line of a mistake in YAML's syntax, the mistake in words, and what helps."""
    lines = _LINE_BREAK.split(text)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        number = min(error.problem_mark.line + 1, len(lines))
        indent = lines[number - 1][: len(lines[number - 1]) - len(lines[number - 1].lstrip())]
        if "\t" in indent:
            return number, "is not YAML: the line begins with a tab.", "Indent with spaces."
        hint = "Quote a value that begins with @, ` or %." if "character" in str(error.problem) else _QUOTE
        begin = None if error.context_mark is None else error.context_mark.line + 1
        where = "" if begin in (None, number) else f", in what begins on line {begin}"
        return number, f"is not YAML: {error.problem}{where}.", hint
    if isinstance(error, yaml.reader.ReaderError):
        # Not `error.position`, which counts bytes or characters, depending on the parser.
        odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
        number = 1 if odd is None else len(_LINE_BREAK.split(text[: odd.start()]))
        return number, "is not YAML: it has a control character.", "Remove the character, or write it as an escape."
    if isinstance(error, RecursionError):
        return 1, f"is nested more than {_MAX_DEPTH} levels deep.", ""
    return 1, "is not YAML: it has an escape of a character that does not exist.", _QUOTE


def _is_storable(text: str) -> bool:
    """Tell whether a text can be stored: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)

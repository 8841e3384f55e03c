"""The one value of a project that may come from outside its files: the warehouse, whose URL may hold a password.

`${NAME}` stands for an environment variable and `${file:path}` for what a file holds, such as a mounted secret. What
came from outside is never shown, not even in an error.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cdp_pipeline.config.tree import Findings, Node

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = "file:"
_ACCEPTED = "Write ${NAME} for an environment variable, or ${file:path} for what a file holds."


class _UnknownError(Exception):
    """A reference that stands for nothing; the message says why."""


def fill_in(node: Node, folder: Path, environ: Mapping[str, str], findings: Findings) -> None:
    """Replace the references in a text by what they stand for; one that stands for nothing is reported and dropped."""
    template = node.content
    if not isinstance(template, str):
        return
    filled = []
    end = 0
    for reference in _REFERENCE.finditer(template):
        filled.append(template[end : reference.start()])
        end = reference.end()
        try:
            filled.append(_look_up(reference.group(1), folder, environ))
        except _UnknownError as problem:
            findings.report(node, str(problem), _ACCEPTED)
            node.gone = True
    if "${" in template[end:]:
        findings.report(node, "has ${ without the } that ends it.", _ACCEPTED)
        node.gone = True
    node.content = "".join([*filled, template[end:]])
    if node.gone:
        findings.drop(node)


def _look_up(name: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return what a reference stands for.

    Raises:
        _UnknownError: if it stands for nothing.
    """
    if name.startswith(_FILE):
        path = folder / name.removeprefix(_FILE).strip()
        if not path.is_file():
            raise _UnknownError(f"${{{name}}} names no file. The path starts at the project's folder.")
        try:
            return path.read_bytes().decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _UnknownError(f"${{{name}}} is a file that is not UTF-8 text.") from None
        except OSError as error:
            raise _UnknownError(f"${{{name}}} cannot be read: {error.strerror}.") from error
    if not _VARIABLE.fullmatch(name):
        raise _UnknownError(f"${{{name}}} is not the name of an environment variable.")
    if name not in environ:
        raise _UnknownError(f"${{{name}}} stands for an environment variable that is not set.")
    return environ[name]

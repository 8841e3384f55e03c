"""Keys and values that the contract knows and this release does not.

They are refused by name, so that nobody takes them for misspelt, and never accepted, so that nobody believes that they
work. A release that brings one deletes its row here.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotYet:
    """A key that this release does not have yet, or one that does not take some values yet.

    Attributes:
        key: its path; `*` stands for any name and `[]` for any place in a list.
        instead: what to do, and what holds without it.
        values: the values that are not there yet, as a regular expression; None: the key itself.
        what: what to call it; left out, the key.
    """

    key: str
    instead: str
    values: str | None = None
    what: str = ""

    @property
    def message(self) -> str:
        """The sentence that refuses it."""
        what = self.what or f"`{self.key.rpartition('.')[2]}`"
        return f"{what} is part of a later release; this one does not have it yet."


_IDENTIFIER = "entities.*.identifiers[]."

NOT_YET = (
    NotYet(
        _IDENTIFIER + "store",
        "Remove it, or write plain: values are kept as they are.",
        values=r"(?!plain$).*",
        what="Storing values other than plain",
    ),
)


def find_not_yet(key: str, value: object) -> NotYet | None:
    """Return the row about a key with this value, if this release does not have it yet."""
    for row in NOT_YET:
        if row.key == key and (
            row.values is None or (isinstance(value, str) and re.fullmatch(row.values, value, re.DOTALL))
        ):
            return row
    return None

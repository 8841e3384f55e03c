"""What a table is: where it stands, what one row of it means, its columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

CDP = "cdp"
KIND = "kind"


@dataclass(frozen=True)
class Column:
    """A column: its name, its PostgreSQL type, what it means."""

    name: str
    type: str
    meaning: str = ""
    public: bool = True


@dataclass(frozen=True)
class Table:
    """A table: where it stands, what one row means, its columns in order.

    Attributes:
        scope: `cdp` or `kind`.
        name: its name.
        row_means: what one row is.
        public: whether users may rely on it.
        daily: whether its rows belong to a day of arrival; a server keeps them apart by it.
        indexes: the columns by which a server finds a few of its rows, `a, b` for two at once.
        rising: the columns whose values rise from page to page, by which it finds the newest pages.
        secret: whether nobody but who writes it may read it, where a server can tell them apart.
        columns: its columns.
    """

    scope: str
    name: str
    row_means: str
    public: bool = True
    daily: bool = False
    indexes: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()
    secret: bool = False
    columns: tuple[Column, ...] = ()

    def having(self, columns: str) -> "Table":
        """The table with its columns, written as lines of `name type: meaning`."""
        return replace(self, columns=_columns(columns))

    @property
    def placeholder(self) -> str:
        """The name under which statements mention the table, such as `kind.entity_map`."""
        return f"{self.scope}.{self.name}"

    def public_columns(self) -> Iterator[Column]:
        """The columns that users may rely on."""
        return (column for column in self.columns if column.public)


def _columns(text: str) -> tuple[Column, ...]:
    """Reads `name type: meaning` lines; a name that starts with `+` is a helper column."""
    columns = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        definition, _, meaning = line.partition(":")
        name, _, type_name = definition.partition(" ")
        columns.append(Column(name.lstrip("+"), type_name.strip(), meaning.strip(), not name.startswith("+")))
    return tuple(columns)

"""Named SQL statements, kept whole in `.sql` files beside the stage that runs them.

A file holds statements in PostgreSQL's dialect, each under a line `-- name: what_it_does`. Tables are mentioned by
their placeholders (`cdp.customer_events`, `kind.entity_map`) and aliased; scalar values are `:named` and reach the
engine as parameters of the driver, never as text; what depends on the project (a list of columns, a condition) is a
`:named` place too, bound to a tree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import sqlglot
from sqlglot import exp

from cdp_pipeline.sql.bare import bare

KEPT_TEXTS = 4000  # rendered texts that a process keeps; trees may name days, and a service never ends
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Statement:
    """A statement with its name.

    Attributes:
        name: what it does; logs and errors show it.
        template: the tree as written, with placeholders; never changed in place.
        schemas: the real schemas behind `cdp` and `kind`.
        trees: what stands in the place of some `:names`.
        cached: whether the name, what it was built for, the schemas and the trees say all about it, so that its text
            need be rendered only once.
        built_for: what tells it from others of its name.
    """

    name: str
    template: exp.Expr = field(repr=False, compare=False)
    schemas: tuple[tuple[str, str], ...] = ()
    trees: Mapping[str, exp.Expr] = field(default_factory=dict, repr=False, compare=False)
    cached: bool = True
    built_for: tuple[object, ...] = ()

    def bind(self, schemas: Mapping[str, str], **trees: exp.Expr) -> "Statement":
        """Puts real schemas in the place of `cdp` and `kind`, and trees in the place of `:names`."""
        both = {**self.trees, **trees}
        return Statement(self.name, self.template, tuple(schemas.items()), both, self.cached, self.built_for)

    @property
    def key(self) -> tuple[object, ...]:
        """What two statements of the same text have in common, where it is `cached`."""
        trees = tuple((name, tree.sql("postgres")) for name, tree in sorted(self.trees.items()))
        return self.name, self.built_for, self.schemas, trees

    @property
    def tree(self) -> exp.Expr:
        """The tree with everything in its place; a copy."""
        return _replace(self.template, dict(self.schemas), self.trees)


def _replace(tree: exp.Expr, schemas: Mapping[str, str], trees: Mapping[str, exp.Expr]) -> exp.Expr:
    tree = tree.copy()
    for place in list(tree.find_all(exp.Placeholder)):
        if place.name in trees:
            place.replace(trees[place.name].copy())
    for table in list(tree.find_all(exp.Table)):
        if table.db in schemas:
            table.set("db", exp.to_identifier(schemas[table.db], quoted=True))
    return tree


class Statements:
    """The statements of one `.sql` file, parsed when first asked for."""

    def __init__(self, package: str, file: str) -> None:
        self._package = package
        self._file = file

    def __getitem__(self, name: str) -> Statement:
        """The statement of that name.

        Raises:
            KeyError: the file has no statement of that name.
        """
        return _load(self._package, self._file)[name]

    def text(self) -> str:
        """The whole file."""
        return files(self._package).joinpath(self._file).read_text(encoding="utf-8")

    def names(self) -> list[str]:
        """The names of all statements, in the order of the file."""
        return list(_load(self._package, self._file))


@cache
def _load(package: str, file: str) -> dict[str, Statement]:
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))[1:]
    prefix = file.removesuffix(".sql")
    return {
        name: Statement(f"{prefix}.{name}", bare(sqlglot.parse_one(text, read="postgres")))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def statement(name: str, text: str) -> Statement:
    """A statement written in Python, for one that depends on the project too much to stand in a file."""
    return Statement(name, bare(sqlglot.parse_one(text, read="postgres")), cached=False)


def from_tree(name: str, tree: exp.Expr) -> Statement:
    """A statement that was built as a tree."""
    return Statement(name, tree, cached=False)


def stands_in(value: str, columns: str, table: str) -> exp.Expr:
    """The condition that a value, or a tuple of values, stands in a temporary table."""
    query = exp.select(*columns.split(", ")).distinct().from_(table)
    return exp.In(this=exp.maybe_parse(value, dialect="postgres"), query=exp.Subquery(this=query))

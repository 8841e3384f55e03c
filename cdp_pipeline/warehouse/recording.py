"""A warehouse that holds nothing, in memory, and notes the statements that run on it, as an engine is given them.

The statements run in process, whichever engine they are noted for, so that a project's SQL can be written out without a
server.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlglot import exp
from typing_extensions import override

from cdp_pipeline.sql.forms import apply_forms
from cdp_pipeline.sql.postgres import render
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.warehouse.duckdb import DuckDBConnection

DIALECTS = {"duckdb": "duckdb", "postgresql": "postgres"}


@dataclass(frozen=True)
class Noted:
    """A statement: its name, its text for an engine, the tables that it reads and writes, by schema and name."""

    name: str
    text: str
    reads: frozenset[str]
    writes: frozenset[str]


def note(statement: Statement, engine: str) -> Noted:
    """A statement as an engine is given it, its values by name; functions that it needs of the session go before it."""
    tree = statement.tree
    found = {id(table): f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db}
    writes_one = isinstance(tree, exp.DML | exp.Create | exp.Drop | exp.Alter | exp.Merge)
    target = tree.find(exp.Table) if writes_one else None  # it stands first, above all that is read
    writes = {found[id(target)]} if id(target) in found else set()
    reads = {name for table, name in found.items() if table != id(target)}
    return Noted(statement.name, _text(statement, DIALECTS[engine]), frozenset(reads), frozenset(writes))


def _text(statement: Statement, dialect: str) -> str:
    if dialect != "postgres":
        return apply_forms(statement.tree, dialect).sql(dialect, pretty=True, comments=False)
    rendered = render(statement.tree, pretty=True)
    functions = [f"create or replace function pg_temp.{name} {body};\n" for name, body in rendered.functions]
    return "".join((*functions, rendered.text))


class RecordingConnection(DuckDBConnection):
    """The warehouse, with what was noted so far, in order."""

    def __init__(self, engine: str) -> None:
        """Takes the engine for which statements are noted: duckdb or postgresql."""
        super().__init__(Path(":memory:"))
        self._engine = engine
        self.noted: list[Noted] = []

    @override
    def render(self, statement: Statement) -> str:
        return render(statement.tree).text if self._engine == "postgresql" else super().render(statement)

    @override
    def prepare(self, statement: Statement) -> str:
        self.noted.append(note(statement, self._engine))
        return super().render(statement)

    @override
    def describe(self, statement: Statement) -> list[tuple[str, str]]:
        return self.describe_text(super().render(statement))  # asks for types and does nothing


class _ForAServer(RecordingConnection):
    json_is_text: ClassVar[bool] = False


@contextmanager
def recording_connection(engine: str) -> Iterator[RecordingConnection]:
    """A new one for the block."""
    with closing((RecordingConnection if engine == "duckdb" else _ForAServer)(engine)) as connection:
        yield connection

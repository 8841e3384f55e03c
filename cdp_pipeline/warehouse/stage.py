"""A stage's work in one transaction: what is due, its number, its figures, its invariants.

The warehouse counts its transactions in `cdp.sequence`. A stage remembers in `cdp.stages` the number at which it last
read its inputs (`cursor`), last changed its output (`changed_in`) and last wrote all of it anew (`rebuilt_in`). So what
is due follows from numbers alone, and a process killed anywhere leaves a stage either done or due.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from functools import cached_property
from typing import Any

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.errors import InvariantError, PublicationHeld
from cdp_pipeline.sql.statements import Statement, Statements, from_tree
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection, Row, Schemas

SQL = Statements(__package__, "stage.sql")


class Due(Enum):
    """What a stage has to do: nothing, take in what changed, or calculate all of it again."""

    NOTHING = "nothing"
    CHANGES = "changes"
    ALL = "all"


@dataclass(frozen=True)
class Run:
    """The run that works: its id, what now() means in it, when it began (UTC).

    A rehearsal works for `cdp plan`: nothing of it stays, and so nothing holds its result back.
    """

    run: str
    as_of: datetime
    started_at: datetime
    rehearsal: bool = False


@dataclass(frozen=True)
class StageSpec:
    """A stage: its asset, whose changes it follows, and the part of the project that it works by.

    Attributes:
        asset: the asset, such as `customer/entity_map`.
        kind: the entity kind; None for what all kinds share.
        schemas: the real schemas behind the placeholders `cdp` and `kind`.
        inputs: the assets whose changes make it due.
        definition: a hash of what it works by; another one makes all of it due.
        marks: a query that counts rows which somebody marked by hand to be done again; if a table that it reads is not
            there, all is due.
        in_parts: whether the stage itself finds out what another definition makes due of it, which is seldom all.
        has_aged: tells whether something of it is due because time has passed.
        look: of a stage that follows tables of the user's, which no stage writes: tells whether there is anything new
            in them. Then that alone says whether the stage is due; the stage itself finds out what has changed.
    """

    asset: str
    kind: str | None
    schemas: Schemas
    inputs: tuple[str, ...] = ()
    definition: str = ""
    marks: Statement | None = None
    invariants: tuple[str, ...] = ()
    look: Callable[[Connection], bool] | None = None
    in_parts: bool = False
    has_aged: Callable[[Connection], bool] | None = None


@dataclass
class Facts:
    """What a stage did: its figures, its invariants (each a number of rows that must be 0), its figures per day.

    The day None stands for rows that do not say a readable day of arrival.
    """

    asset: str
    kind: str | None
    due: Due
    metrics: dict[str, float] = field(default_factory=dict)
    invariants: dict[str, int] = field(default_factory=dict)
    days: dict[date | None, dict[str, int]] = field(default_factory=dict)
    total: int | None = None


class Work:
    """What a stage works with while its transaction is open."""

    def __init__(self, connection: Connection, spec: StageSpec, run: Run, facts: Facts, since: int) -> None:
        self.connection = connection
        self.spec = spec
        self.current_run = run
        self.facts = facts
        self.since = since
        self.now = datetime.now(UTC)
        self.numbered = False
        self._if_it_fails: list[tuple[Statement, dict[str, Any]]] = []
        self._temporary: list[str] = []

    @property
    def due(self) -> Due:
        """What there is to do."""
        return self.facts.due

    @cached_property
    def number(self) -> int:
        """The number of this transaction; asking for it says that the stage changes something."""
        self.run(SQL["next_number"])
        self.numbered = True
        return int(self.scalar(SQL["last_number"]))

    def run(self, statement: Statement, trees: Mapping[str, exp.Expr] | None = None, **values: Any) -> int:
        """Runs a statement in the stage's schemas and returns how many rows it wrote.

        A temporary table that it makes is dropped at the stage's end.
        """
        made = statement.template
        if isinstance(made, exp.Create) and made.find(exp.TemporaryProperty):
            self._temporary += [table.name for table in made.this.find_all(exp.Table)]
        return self.connection.run(statement.bind(self.spec.schemas, **(trees or {})), **values)

    def fetch(self, statement: Statement, trees: Mapping[str, exp.Expr] | None = None, **values: Any) -> list[Row]:
        """Runs a query in the stage's schemas and returns all its rows."""
        return self.connection.fetch(statement.bind(self.spec.schemas, **(trees or {})), **values)

    def fetch_arrow(self, statement: Statement, **values: Any) -> pa.Table:
        """Runs a query in the stage's schemas and returns all its rows as an Arrow table."""
        return self.connection.fetch_arrow(statement.bind(self.spec.schemas), **values)

    def scalar(self, statement: Statement, **values: Any) -> Any:
        """The one value of a query."""
        return self.fetch(statement, **values)[0][0]

    def drop_temporary(self) -> None:
        """Drops the temporary tables that the stage made so far."""
        self.connection.drop_temporary(self._temporary)
        self._temporary.clear()

    def record_if_it_fails(self, statement: Statement, **values: Any) -> None:
        """Runs a statement in a transaction of its own, if this one is rolled back by an error that a stage raises."""
        self._if_it_fails.append((statement, values))

    def record_failure(self) -> None:
        """Runs what was asked for in case of failure."""
        for statement, values in self._if_it_fails:
            self.run(statement, **values)

    def measure(self, **metrics: float) -> None:
        """Notes figures of this run."""
        self.facts.metrics.update(metrics)

    def last_total(self) -> int | None:
        """What `facts.total` was when the stage last changed its output; None where it has counted nothing yet."""
        rows = self.fetch(SQL["last_total"], stage=self.spec.asset)
        return rows[0][0] if rows else None

    def keep_view(self, view: Table, statement: Statement) -> None:
        """Makes a view if it is not there, or was made by another statement; its comment tells which made it.

        To replace one, an engine may wait for its readers, so a rehearsal leaves one that has the right columns.
        """
        schema = self.spec.schemas[view.scope]
        text = self.connection.render(statement.bind(self.spec.schemas))
        comment = f"Made by cdp, statement {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if self.connection.comment_of(schema, view.name) == comment:
            return
        there = self.connection.columns_of(schema, view.name) or []
        if self.current_run.rehearsal and [name for name, _ in there] == [column.name for column in view.columns]:
            return
        self.run(statement)
        said = exp.Comment(
            this=exp.table_(view.name, db=schema, quoted=True), kind="VIEW", expression=exp.Literal.string(comment)
        )
        self.run(from_tree(f"comment.{view.name}", said))

    def must_be_empty(self, name: str, statement: Statement, **values: Any) -> None:
        """Takes an invariant: the number of rows that break it."""
        self.facts.invariants[name] = int(self.scalar(statement, **values))


def what_is_due(connection: Connection, spec: StageSpec) -> tuple[Due, int]:
    """What a stage has to do, and the number up to which it has read its inputs."""
    if spec.look is not None:
        return (Due.CHANGES if spec.look(connection) else Due.NOTHING), 0
    states = {asset: row for asset, *row in connection.fetch(SQL["states"].bind(spec.schemas))}
    if spec.asset not in states:
        return Due.ALL, 0
    cursor, _, _, definition = states[spec.asset]
    inputs = [states[asset] for asset in spec.inputs if asset in states]
    is_another = definition != spec.definition
    if (is_another and not spec.in_parts) or any(rebuilt_in > cursor for _, _, rebuilt_in, _ in inputs):
        return Due.ALL, 0
    if is_another or any(changed_in > cursor for _, changed_in, _, _ in inputs):
        return Due.CHANGES, cursor
    if spec.marks is not None:
        marks = spec.marks.bind(spec.schemas)
        if not _has_tables(connection, marks):
            return Due.ALL, 0
        if connection.fetch(marks)[0][0]:
            return Due.CHANGES, cursor
    if spec.has_aged is not None and spec.has_aged(connection):
        return Due.CHANGES, cursor
    return Due.NOTHING, cursor


def _has_tables(connection: Connection, statement: Statement) -> bool:
    """Whether everything that a query reads is there; somebody may have dropped the output of a stage."""
    mentioned = statement.tree.find_all(exp.Table)
    return all(connection.columns_of(table.db, table.name) is not None for table in mentioned)


@contextmanager
def stage(connection: Connection, spec: StageSpec, run: Run, *, full: bool = False) -> Iterator[Work]:
    """Opens a stage's transaction; at the end of the block takes its invariants' verdict, notes its state and commits.

    Args:
        connection: where the stage works.
        spec: the stage.
        run: the run that works.
        full: calculate all of it again, whatever is due.

    Raises:
        InvariantError: the result breaks an invariant; it was rolled back, and what was seen is in `cdp.metrics`.
    """
    work: Work | None = None
    try:
        with connection.transaction():
            # Within the transaction: between runs that lost their connection another one may have worked.
            due, since = (Due.ALL, 0) if full else what_is_due(connection, spec)
            work = Work(connection, spec, run, Facts(spec.asset, spec.kind, due), since)
            yield work
            work.drop_temporary()
            if work.numbered:
                _close(work)
    except (InvariantError, PublicationHeld):
        if work is not None:
            with connection.transaction():
                work.record_failure()
                _record(work)
        raise


def _close(work: Work) -> None:
    facts = work.facts
    if any(facts.invariants.values()):
        raise InvariantError(facts.asset, facts.invariants)
    facts.metrics["seconds"] = (datetime.now(UTC) - work.now).total_seconds()
    values: dict[str, Any] = {"stage": facts.asset, "number": work.number, "definition": work.spec.definition}
    work.run(SQL["note_state"], **values, total=facts.total, everything=facts.due is Due.ALL)
    _record(work)


def _record(work: Work) -> None:
    figures = dict(work.facts.metrics) | {f"broken {name}": n for name, n in work.facts.invariants.items() if n}
    values: dict[str, Any] = {
        "run": work.current_run.run,
        "stage": work.facts.asset,
        "entity": work.facts.kind or "",
        "metrics": list(figures),
        "figures": [float(value) for value in figures.values()],
    }
    work.run(SQL["record_metrics"], **values, measured_at=work.now)

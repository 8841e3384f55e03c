"""Every error that the project raises on purpose.

CdpError                     the root; `transient` says whether trying again can help
├── ProjectError             one mistake in a project: file, line, path, what would be accepted
├── ProjectErrors            all mistakes of a project at once
├── UsageError               the command was asked for something that cannot be
│   └── ContradictoryDecisions  decisions of operators that cannot all hold
├── SqlError                 a user's expression that is unsafe or not understood
├── InputError               landing files or tables that a run cannot read
├── HealthError              a health check could not run, which says nothing about the data
└── WarehouseError           the warehouse refused a statement or cannot be reached
    ├── WarehouseBusy        another process holds the writer's lock (transient)
    ├── WarehouseInterrupted the connection broke, or the server asks for another try (transient)
    ├── StatementStopped     a statement took longer than it may, and was stopped
    ├── SchemaNotOurs        a schema of that name exists and was not made by this project
    ├── InvariantError       a stage's result broke an invariant; nothing was published
    └── PublicationHeld      the publication gate held a map back; nothing was published
"""

from collections.abc import Mapping, Sequence
from pathlib import Path


class CdpError(Exception):
    """Something that went wrong and that a user can act on."""

    transient: bool = False


class ProjectError(CdpError):
    """One mistake in a project, with its place and a way out."""

    def __init__(
        self, path: str, message: str, *, file: Path | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        self.path = path
        self.message = message
        self.file = file
        self.line = line
        self.hint = hint
        super().__init__(path, message)

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        path = f"{self.path}: " if self.path else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{place}{path}{self.message}{hint}"


class ProjectErrors(CdpError):
    """All mistakes of a project, in the order of their places."""

    def __init__(self, errors: Sequence[ProjectError]) -> None:
        self.errors = sorted(errors, key=lambda error: (str(error.file), error.line or 0, error.path))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class UsageError(CdpError):
    """The command was asked for something that cannot be; the message says what can."""


class ContradictoryDecisions(UsageError):
    """Two identifiers are decided to be two, and one by a chain of other decisions.

    Attributes:
        kind: the kind of entity.
        same: the decisions of the chain, in words.
        different: the decision that it runs across, in words.
        undo: for each of them that is written, the command that withdraws it.
    """

    def __init__(self, kind: str, same: Sequence[str], different: str, undo: Sequence[str]) -> None:
        self.kind = kind
        self.same = list(same)
        self.different = different
        self.undo = list(undo)
        lines = "".join(f"\n  {decision}" for decision in (*same, different))
        commands = "".join(f"\n  {command}" for command in undo)
        super().__init__(
            f"Decisions about {kind} contradict each other, for who is the same as a third is the same:{lines}\n"
            f"Nothing was changed. Withdraw one, with:{commands}"
        )


class SqlError(CdpError):
    """A user's expression that is no expression, is unsafe, or means different things on different engines."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message} {hint}")


class InputError(CdpError):
    """Landing files or tables that a run cannot read as a whole."""


class HealthError(CdpError):
    """A health check could not run, which says nothing about the data."""


class WarehouseError(CdpError):
    """The warehouse refused a statement or cannot be reached."""

    def __init__(self, message: str, *, statement: str | None = None) -> None:
        self.statement = statement
        super().__init__(message)


class WarehouseBusy(WarehouseError):
    """Another process holds the writer's lock."""

    transient = True


class WarehouseInterrupted(WarehouseError):
    """The connection broke, or the server asks for another try; the transaction was rolled back."""

    transient = True


class StatementStopped(WarehouseError):
    """A statement took longer than it may, and was stopped.

    Attributes:
        seconds: how long it may take.
    """

    def __init__(self, name: str, seconds: float, *, statement: str | None = None) -> None:
        self.seconds = seconds
        super().__init__(
            f"{name}: stopped, because it took longer than {seconds:,g} seconds. It may join rows with each other that "
            "have nothing in common, or read far more than it needs.",
            statement=statement,
        )


class SchemaNotOurs(WarehouseError):
    """A schema of that name exists and this project did not make it."""


class InvariantError(WarehouseError):
    """A stage's result broke an invariant, so that its transaction was rolled back.

    Attributes:
        stage: the stage, such as `customer/entity_map`.
        broken: for each broken invariant the number of rows that break it.
        checked: every invariant of the stage with its number, the broken ones among them.
    """

    def __init__(self, stage: str, checked: Mapping[str, int]) -> None:
        self.stage = stage
        self.checked = dict(checked)
        self.broken = {name: count for name, count in checked.items() if count}
        counts = ", ".join(f"{name}: {count:,} rows" for name, count in self.broken.items())
        super().__init__(
            f"{stage} was not published, because its result breaks an invariant ({counts}). The warehouse is as it was "
            "before. Somebody may have changed its tables by hand; `cdp run --full` calculates them again."
        )


class PublicationHeld(WarehouseError):
    """The publication gate held a map back, which would merge or grow more people than the project allows in one run.

    Attributes:
        kind: the kind of entity.
        run: the run whose result it is.
        entities: how many entities were published.
        merged: how many of them would have been merged into others.
        growth: the most identifiers that one of them would have gained.
        responsible: the values that would have joined most of them, each with how many.
    """

    def __init__(
        self, kind: str, run: str, *, entities: int, merged: int, growth: int, responsible: Mapping[str, int], said: str
    ) -> None:
        self.kind = kind
        self.run = run
        self.entities = entities
        self.merged = merged
        self.growth = growth
        self.responsible = dict(responsible)
        super().__init__(said)

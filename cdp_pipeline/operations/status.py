"""Where the work stands: what lies there to be landed, what is due, what waits in queues, who holds the warehouse."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from cdp_pipeline.attributes.profiles import profiles_spec
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.pipeline import landing_due, stages_due
from cdp_pipeline.operations.session import open_for_reading
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.tables import ERASURES, PROFILES
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.lock import Holder, WarehouseHeld, not_waiting
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "status.sql")
NO_DAY = "several days"  # what is pending of a file whose rows say their own day


@dataclass(frozen=True)
class LastRun:
    """The last run; `seconds` is None while it works. Times are UTC."""

    run: str
    status: str
    started_at: datetime
    seconds: float | None
    days: str


@dataclass(frozen=True)
class Cursor:
    """How far a stage has read, and when its output last changed, in numbers of transactions."""

    stage: str
    cursor: int
    changed_in: int


@dataclass(frozen=True)
class Status:
    """Where the work stands. If another process holds the warehouse, and it cannot be read meanwhile, only `holder`.

    Attributes:
        holder: who holds the writer's lock; None: nobody.
        readable: whether the rest could be looked at.
        pending: how many files, or days of source tables, wait to be landed, by day of arrival.
        waiting: files of days that have not come yet.
        vanished: files that lie there no more; their events stay until their day is replaced.
        due: the assets that have something to do.
        queues: by kind, what waits in its queues.
        unfinished_erasures: erasures that were broken off; the next session finishes them.
    """

    holder: Holder | None
    readable: bool = False
    last_run: LastRun | None = None
    pending: dict[str, int] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    cursors: list[Cursor] = field(default_factory=list)
    unfinished_erasures: int = 0


def read_status(project: Project) -> Status:
    """Looks at the landing folder and the warehouse, and waits for nobody.

    Raises:
        WarehouseError: the warehouse cannot be opened, or no run has made its tables yet.
    """
    try:
        with open_for_reading(project, "cdp status", not_waiting) as connection:
            return _look(connection, project)
    except WarehouseHeld as held:
        return Status(held.holder)


def _look(connection: Connection, project: Project) -> Status:
    schemas = {"cdp": project.schema_name}
    now = datetime.now(UTC)
    plan = landing_due(connection, project, Run(str(uuid4()), now, now))
    runs = connection.fetch(SQL["last_run"].bind(schemas))
    return Status(
        holder=connection.holder(),
        readable=True,
        last_run=LastRun(*runs[0]) if runs else None,
        pending=dict(Counter(str(reading.day or NO_DAY) for reading in plan.readings)),
        waiting=list(plan.waiting),
        vanished=list(plan.vanished),
        due=stages_due(connection, project),
        queues={kind: _queues(connection, project, kind) for kind in project.entities},
        cursors=[Cursor(*row) for row in connection.fetch(SQL["cursors"].bind(schemas))],
        unfinished_erasures=_erasures(connection, schemas),
    )


def _queues(connection: Connection, project: Project, kind: str) -> dict[str, int]:
    schemas = schemas_of(project, kind)
    names = ("touched_identifiers", "dirty_entities", "events_marked", "events_left_by_a_replay")
    queues = dict(zip(names, map(int, connection.fetch(SQL["queues"].bind(schemas))[0]), strict=True))
    if connection.columns_of(schemas["kind"], PROFILES.name) is not None:
        marks = profiles_spec(project, kind).marks
        assert marks is not None, "profiles can be marked by hand"
        queues["profiles_marked"] = int(connection.fetch(marks.bind(schemas))[0][0])
    return queues


def _erasures(connection: Connection, schemas: Mapping[str, str]) -> int:
    if connection.columns_of(schemas["cdp"], ERASURES.name) is None:
        return 0  # made by a release that had none
    return int(connection.fetch(SQL["unfinished_erasures"].bind(schemas))[0][0])

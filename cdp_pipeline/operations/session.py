"""A run's time with the warehouse: it takes the writer's lock, opens the warehouse, and leaves a row in `cdp.runs`.

Everything that works on a warehouse does so in a session, whoever starts it: Dagster's resource, the command, a test.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ProjectErrors, PublicationHeld, WarehouseError
from cdp_pipeline.events.clock import as_of_now
from cdp_pipeline.identity.identity_maps import missing_columns
from cdp_pipeline.operations.finish_erasure import finish_erasures
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.lock import Claim, Holder
from cdp_pipeline.warehouse.opening import hold_warehouse, peek_into_warehouse, read_warehouse
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "runs.sql")
Waiting = Callable[[Holder | None], None]


class Session:
    """An open warehouse that is ours alone.

    Attributes:
        connection: the warehouse, with all schemas and tables made.
        project: the project.
    """

    def __init__(self, connection: Connection, project: Project, run: str, *, rehearsal: bool = False) -> None:
        self.connection = connection
        self.project = project
        self.run_id = run
        self._rehearsal = rehearsal
        self._started_at = datetime.now(UTC)

    @property
    def run(self) -> Run:
        """The run, with what now() means in it at this moment: the clock, or the end of the last landed day."""
        as_of = as_of_now(self.connection, self.project, self._started_at)
        return Run(self.run_id, as_of, self._started_at, self._rehearsal)

    @property
    def _schemas(self) -> dict[str, str]:
        return {"cdp": self.project.schema_name}

    def is_unfinished(self) -> bool:
        """Whether the last run did not come to its end, so that there is something left to do."""
        rows = self.connection.fetch(SQL["last_status"].bind(self._schemas))
        return bool(rows) and rows[0][0] != "done"

    def start(self, days: str) -> None:
        """Notes that the run began, and that whatever run died before it has failed."""
        values = {"run": self.run_id, "as_of": self.run.as_of, "started_at": self._started_at, "days": days}
        with self.connection.transaction():
            self.connection.run(SQL["fail_dead_runs"].bind(self._schemas))
            self.connection.run(
                SQL["start_run"].bind(self._schemas),
                **values,
                project_hash=self.project.project_hash,
                pid=os.getpid(),
            )

    def end(self, status: str) -> None:
        """Notes how the run ended: done or failed."""
        seconds = (datetime.now(UTC) - self._started_at).total_seconds()
        values = {"run": self.run_id, "status": status, "seconds": seconds, "as_of": self.run.as_of}
        with self.connection.transaction():
            self.connection.run(SQL["end_run"].bind(self._schemas), **values)


def refuse_missing_columns(connection: Connection, project: Project) -> None:
    """Holds the identity maps of a project against the tables of the warehouse.

    Raises:
        ProjectErrors: a map names a table or a column that is not there.
    """
    mistakes = missing_columns(connection, project)
    if mistakes:
        raise ProjectErrors(mistakes)


def look_at_maps(project: Project, reader: str) -> bool | None:
    """The same, if the warehouse can be opened at once.

    Returns:
        Whether it could be looked at; None: the project has no identity map.

    Raises:
        ProjectErrors: a map names a table or a column that is not there.
    """
    if not any(entity.identity_maps for entity in project.entities.values()):
        return None
    with peek_into_warehouse(project.warehouse, project.folder, project.schema_name, reader) as connection:
        if connection is not None:
            refuse_missing_columns(connection, project)
        return connection is not None


@contextmanager
def open_for_reading(project: Project, reader: str, waiting: Waiting) -> Iterator[Connection]:
    """Opens the warehouse to look something up; only an engine that one process at a time can open makes it wait.

    Args:
        project: the project.
        reader: who reads, as others see it.
        waiting: told who holds the lock, when there is to wait.

    Raises:
        WarehouseError: the warehouse cannot be opened, or no run has made its tables yet.
    """
    claim = Claim(project.schema_name, "", reader, waiting)
    with read_warehouse(project.warehouse, project.folder, claim) as connection:
        schemas = [project.schema_name, *(entity.schema_name for entity in project.entities.values())]
        missing = [schema for schema in schemas if not connection.has_schema(schema)]
        if missing:
            raise _nothing_there(missing[0])
        yield connection


@contextmanager
def open_session(project: Project, run: str, waiting: Waiting, *, job: str = "") -> Iterator[Session]:
    """Takes the lock, opens the warehouse, makes what is not there yet, and finishes erasures that were broken off.

    Args:
        project: the project.
        run: the run's id, which a waiter sees.
        waiting: told who holds the lock, when somebody does.
        job: the job that the run is of, which a server's list of sessions shows.

    Raises:
        WarehouseBusy: a process that does not know the lock has the file open.
        WarehouseError: the warehouse cannot be opened.
        SchemaNotOurs: a schema of ours would take the place of somebody else's.
    """
    with hold_warehouse(project.warehouse, project.folder, Claim(project.schema_name, job, run, waiting)) as connection:
        _set_up(connection, project)
        session = Session(connection, project, run)
        with suppress(PublicationHeld):  # whoever runs the map hears of it, and may let it through
            finish_erasures(connection, project, session.run)
        yield session


@contextmanager
def open_rehearsal(project: Project, run: str, waiting: Waiting, *, job: str = "") -> Iterator[Session]:
    """Opens the warehouse as `open_session` does, for work of which nothing stays: no row, no table, no trace of a run.

    Args:
        project: the project.
        run: the run's id, which a waiter sees.
        waiting: told who holds the lock, when somebody does.
        job: the job that the run is of, which a server's list of sessions shows.

    Raises:
        WarehouseBusy: a process that does not know the lock has the file open.
        WarehouseError: the warehouse cannot be opened, or no run has made its tables yet.
        SchemaNotOurs: a schema of ours would take the place of somebody else's.
    """
    with hold_warehouse(project.warehouse, project.folder, Claim(project.schema_name, job, run, waiting)) as connection:
        if not connection.has_schema(project.schema_name):
            raise _nothing_there(project.schema_name)
        with connection.rehearsal():
            _set_up(connection, project)
            yield Session(connection, project, run, rehearsal=True)


def _set_up(connection: Connection, project: Project) -> None:
    kinds = [entity.schema_name for entity in project.entities.values()]
    connection.set_up(project.name, project.schema_name, kinds)


def _nothing_there(schema: str) -> WarehouseError:
    return WarehouseError(f"The warehouse has no schema `{schema}` yet. Run `cdp run` first.")

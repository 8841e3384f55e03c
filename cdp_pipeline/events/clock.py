"""What now() means in a project: the clock, or the end of the last day that has landed."""

from datetime import UTC, datetime, time, timedelta

from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "customer_events.sql")


def as_of_now(connection: Connection, project: Project, clock: datetime | None = None) -> datetime:
    """The time as of which a run that begins now calculates, UTC.

    Args:
        connection: the warehouse, set up.
        project: the project.
        clock: what the clock says; None: it is read.
    """
    clock = clock or datetime.now(UTC)
    if project.as_of == "arrival":
        last = connection.fetch(SQL["last_arrival"].bind({"cdp": project.schema_name}))[0][0]
        if last is not None:
            return datetime.combine(last + timedelta(days=1), time(), UTC)
    return clock

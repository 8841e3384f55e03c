"""The stage `cdp/event_counts`: how many events of each source, type and version arrived on each day.

The day is that of ARRIVAL, because a landed day is closed and only a landing changes it. So only days are counted again
in which events came, went or changed, and those that somebody marked by hand.
"""

from cdp_pipeline.config.model import Project
from cdp_pipeline.events.customer_events import ASSET as EVENTS
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, stage

SQL = Statements(__package__, "event_counts.sql")


def event_counts_spec(project: Project) -> StageSpec:
    """The stage that counts events."""
    return StageSpec("cdp/event_counts", None, {"cdp": project.schema_name}, (EVENTS,), "", SQL["marks"])


def count_events(connection: Connection, project: Project, run: Run, *, full: bool = False) -> Facts:
    """Counts the events of the days that changed, or of all days.

    Args:
        connection: the warehouse.
        project: the project.
        run: the run that works.
        full: count all days again.
    """
    with stage(connection, event_counts_spec(project), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        if work.due is Due.ALL:
            work.run(SQL["all_days"])
        else:
            work.run(SQL["changed_days"], since=work.since)
        work.run(SQL["forget"])
        rows = work.run(SQL["count"], now=work.now)
        work.measure(days_counted=work.scalar(SQL["figures"]), rows_written=rows)
        _ = work.number
    return work.facts

"""How sensors and schedules ask for the main run, and what makes them wait.

The main run lands whatever is new, of whichever day and source, so one request is enough for all that came since the
last one. It is filed under the newest day concerned; its tags name all of them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from cdp_pipeline.automation.jobs import RUN_ALL, landing_config
from cdp_pipeline.automation.resource import RUN_TAG, WAREHOUSE_TAG, fail_dead_runs
from cdp_pipeline.config.model import Project

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_SECONDS_TO_BEGIN = 600  # in which a run that was started opens the warehouse or waits for it


def last_day_at(project: Project, moment: datetime) -> date:
    """The last day of arrival at a moment: the project's end, or the moment's day (UTC)."""
    today = moment.astimezone(UTC).date()
    return min(project.end, today) if project.end else today


def main_run(
    project: Project, run_key: str | None, day: date, tags: Mapping[str, str] | None = None
) -> dg.RunRequest | None:
    """A request for the main run, filed under a day or the nearest one that the project has; None: it has none yet."""
    last = last_day_at(project, datetime.now(UTC))
    if last < project.start:
        return None
    filed = max(project.start, min(day, last))
    config = landing_config(replace_days=False)
    return dg.RunRequest(run_key, run_config=config, tags=tags, job_name=RUN_ALL, partition_key=filed.isoformat())


def runs_under_way(instance: dg.DagsterInstance, project: Project, **wanted: Any) -> list[dg.DagsterRun]:
    """The runs on a project's warehouse that wait or work; those whose process is gone are marked as failed first.

    A run that was started long ago and never came to open the warehouse is taken for dead: nobody waits for it.

    Args:
        instance: where the runs are kept.
        project: the project.
        wanted: which runs, as arguments of Dagster's RunsFilter.
    """
    fail_dead_runs(instance, project.warehouse_name)
    long_ago = datetime.now(UTC) - timedelta(seconds=_SECONDS_TO_BEGIN)
    records = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED, **wanted))
    return [
        record.dagster_run
        for record in records
        if record.dagster_run.tags.get(WAREHOUSE_TAG, project.warehouse_name) == project.warehouse_name
        and (_is_alive(record.dagster_run) or record.update_timestamp > long_ago)
    ]


def _is_alive(run: dg.DagsterRun) -> bool:
    return run.status is dg.DagsterRunStatus.QUEUED or run.tags.get(RUN_TAG) == run.run_id

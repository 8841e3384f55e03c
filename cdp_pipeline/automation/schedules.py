"""When the main run starts by itself, and by when profiles must have been brought up to date.

The run takes in what no sensor sees: tables on DuckDB, rows that were committed late, files that were there before a
sensor was turned on. It also tries again what failed.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.automation.again import REFRESH_CONTEXT
from cdp_pipeline.automation.jobs import RUN_ALL
from cdp_pipeline.automation.requests import last_day_at, main_run
from cdp_pipeline.config.cron import longest_gap
from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.assets import table_key

NAME = "scheduled_run"
CONTEXT = "scheduled_context"
GRACE = timedelta(hours=1)  # a run that waits, or takes longer than the one before


def build_schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """The schedules of a project that has some; on until somebody turns them off in Dagster's UI."""
    schedules = []
    if project.automation.run is not None:
        schedules.append(_main_run(project, project.automation.run))
    if project.automation.context is not None and any(entity.context for entity in project.entities.values()):
        schedules.append(_context(project, project.automation.context))
    return schedules


def _context(project: Project, cron: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=CONTEXT,
        job_name=REFRESH_CONTEXT,
        cron_schedule=cron,
        execution_timezone="UTC",
        description=f"Works out the context values of {project.name} again, whatever their age.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _main_run(project: Project, cron: str) -> dg.ScheduleDefinition:
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        found = main_run(project, None, last_day_at(project, datetime.now(UTC)))
        return found or dg.SkipReason(f"The project starts on {project.start}.")

    return dg.ScheduleDefinition(
        name=NAME,
        job_name=RUN_ALL,
        cron_schedule=cron,
        execution_fn=request,
        execution_timezone="UTC",
        description="Starts the main run, which brings up to date all that is not.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def expecting_profiles(project: Project, spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset with a policy, if it is a kind's profiles: they are late an hour after a scheduled run was due."""
    profiles = {table_key(tables.PROFILES, kind) for kind in project.entities}
    if project.automation.run is None or spec.key not in profiles:
        return spec
    latest = longest_gap(project.automation.run) + GRACE
    return spec.replace_attributes(freshness_policy=dg.FreshnessPolicy.time_window(fail_window=latest))

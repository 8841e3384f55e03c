"""Looks for changes of the entity map that no run has replayed, and requests the job `replay` for them.

A main run replays what it changed by itself. What is left are maps that were materialized alone, and runs that failed
after their map was published. How far map and replay have come is read from what the runs told Dagster, never from the
warehouse; the run key is the change up to which is to be replayed.
"""

from typing import Any

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.automation.jobs import REBUILD, REPLAY, RUN_ALL
from cdp_pipeline.automation.requests import runs_under_way
from cdp_pipeline.config.model import Project
from cdp_pipeline.identity.assets import TO_CHANGE
from cdp_pipeline.warehouse.assets import table_key

NAME = "replay_changes"


def replay_sensor(project: Project) -> dg.SensorDefinition:
    """The sensor of a project that has kinds of entity; on until somebody turns it off in Dagster's UI."""

    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        changed = _changes_to_replay(context.instance, project)
        if not changed:
            return dg.SkipReason("Every change of the entity map that a run told has been replayed.")
        under_way = _who_replays(context.instance, project, {run for _, run in changed.values()})
        if under_way is not None:
            return dg.SkipReason(f"Changes are to be replayed; {under_way} is under way.")
        up_to = ",".join(f"{kind}:{change}" for kind, (change, _) in changed.items())
        return dg.RunRequest(up_to, job_name=REPLAY)

    return dg.SensorDefinition(
        name=NAME,
        job_name=REPLAY,
        evaluation_fn=look,
        minimum_interval_seconds=project.automation.replay.every,
        description="Requests the job replay when an entity map has changed and no run has replayed that yet.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _changes_to_replay(instance: dg.DagsterInstance, project: Project) -> dict[str, tuple[int, str]]:
    """For each kind whose map is ahead of its events, the last change of the map and the run that told it."""
    found = {}
    for kind in project.entities:
        change, run = _told(instance, table_key(tables.ENTITY_MAP, kind))
        if change > _told(instance, table_key(tables.STITCHED_EVENTS, kind))[0]:
            found[kind] = change, run
    return found


def _told(instance: dg.DagsterInstance, key: dg.AssetKey) -> tuple[int, str]:
    """The change up to which an asset had come when it was last materialized, and by which run; 0: nobody told."""
    record = instance.get_latest_materialization_event(key)
    materialization = None if record is None else record.asset_materialization
    if record is None or materialization is None or TO_CHANGE not in materialization.metadata:
        return 0, ""
    value = materialization.metadata[TO_CHANGE].value
    return (value if isinstance(value, int) else 0), record.run_id


def _who_replays(instance: dg.DagsterInstance, project: Project, makers: set[str]) -> str | None:
    """Which run will replay the changes or is doing so: any main run or replay, and who made them may go on to it."""
    wanted: list[dict[str, Any]] = [{"job_name": job} for job in (REPLAY, RUN_ALL, REBUILD)]
    for filters in (*wanted, {"run_ids": sorted(makers)}):
        for run in runs_under_way(instance, project, **filters):
            return f"run {run.run_id} of {run.job_name}"
    return None

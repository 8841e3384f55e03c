"""Evaluates sensors as the daemon does, and puts runs into an instance that are at some point of their life."""

import os
import time
from pathlib import Path
from uuid import uuid4

import dagster as dg

from cdp_pipeline.automation.resource import PROCESS_TAG, run_tags
from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions


def tick(
    project: Project, instance: dg.DagsterInstance, name: str, cursor: str | None = None
) -> tuple[list[dg.RunRequest], str, str | None]:
    """Evaluate a sensor as a daemon that has just been started; return requests, the reason for none, and the cursor.

    The definitions are made anew, so that the cursor is all that is left of earlier ticks.
    """
    definitions = build_definitions(project)
    sensor = definitions.resolve_sensor_def(name)
    with dg.build_sensor_context(instance, cursor, definitions=definitions, sensor_name=name) as context:
        told = sensor.evaluate_tick(context)
    return list(told.run_requests or ()), told.skip_message or "", told.cursor


def age(folder: Path, seconds: float = 60) -> None:
    """Make every file that was written just now look as if it was left alone for a while."""
    moment = time.time()
    for file in folder.glob("landing/**/*"):
        if file.is_file() and moment - file.stat().st_mtime < seconds / 2:
            os.utime(file, (moment - seconds, moment - seconds))


def put_run(
    instance: dg.DagsterInstance,
    project: Project,
    job: str,
    status: dg.DagsterRunStatus,
    *,
    sensor: str = "",
    dead: bool = False,
) -> str:
    """Put a run into the instance: one of this process, or of one that is gone; before it begins it is of none yet."""
    run_id = str(uuid4())
    tags = {"dagster/sensor_name": sensor} if sensor else {}
    if status is dg.DagsterRunStatus.STARTED:
        tags |= run_tags(project, run_id)
    if dead:
        tags |= {PROCESS_TAG: "1:1"}
    instance.add_run(dg.DagsterRun(job, run_id, status=status, tags=tags))
    return run_id

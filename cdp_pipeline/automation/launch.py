"""The one place that starts Dagster runs from outside Dagster.

A run that `cdp` starts is a run of the same jobs, in this process, recorded in the same instance as those of the UI and
the daemon. Without DAGSTER_HOME the instance is `<project>/.dagster`.
"""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from uuid import uuid4

import dagster as dg

from cdp_pipeline.automation.jobs import RUN_ALL, accepting_config, full_config, landing_config
from cdp_pipeline.automation.resource import run_tags, telling
from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.landing import Days

StepListener = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Launched:
    """A run that has ended: its id, whether it succeeded, what failed and why, the checks that did not pass."""

    run: str
    success: bool
    failures: dict[str, str]
    failed_checks: list[str]


def open_instance(project: Project) -> dg.DagsterInstance:
    """Dagster's instance: that of DAGSTER_HOME, else the project's own, which is made if it is not there.

    Raises:
        UsageError: DAGSTER_HOME names no folder.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        if not Path(named).is_absolute() or not Path(named).is_dir():
            raise UsageError(
                f"DAGSTER_HOME must be the absolute path of a folder that is there, and is {named}. Make the folder, "
                f"or unset DAGSTER_HOME: runs are then kept in {project.folder / '.dagster'}."
            )
        return dg.DagsterInstance.get()
    home = project.folder / ".dagster"
    home.mkdir(exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        with as_file(files(__package__).joinpath("dagster.yaml")) as packaged:
            shutil.copyfile(packaged, settings)
    return dg.DagsterInstance.from_config(str(home))


def launch(
    project: Project,
    *,
    days: Days,
    replace_days: bool,
    full: bool,
    accept_merge: str = "",
    listener: StepListener,
    tell: Callable[[str], None],
) -> Launched:
    """Runs the job to its end.

    Args:
        project: the project.
        days: the days of arrival that the run is filed under.
        replace_days: replace those days with what lies there now; if not, land all that is new and changed.
        full: calculate again all that comes after `customer_events`.
        accept_merge: the run whose map the publication gate held back and which is let through; empty: none.
        listener: told which step begins, how many are done and how many there are.
        tell: told what a person should know at once.
    """
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    run_id = str(uuid4())
    job = build_definitions(project).resolve_job_def(RUN_ALL)
    tags = {
        "dagster/asset_partition_range_start": days.first.isoformat(),
        "dagster/asset_partition_range_end": days.last.isoformat(),
        **run_tags(project, run_id),
    }
    config = landing_config(replace_days=replace_days)
    for asked in (
        full_config(project) if full else {},
        accepting_config(project, accept_merge) if accept_merge else {},
    ):
        for step, more in asked.get("ops", {}).items():
            config["ops"].setdefault(step, {"config": {}})["config"].update(more["config"])
    config["loggers"] = {"console": {"config": {"log_level": "CRITICAL"}}}
    with open_instance(project) as instance, telling(tell):
        instance.add_event_listener(run_id, _StepCounter(listener, len(job.nodes)))
        result = job.execute_in_process(
            run_config=config, instance=instance, tags=tags, raise_on_error=False, run_id=run_id
        )
    failed = [event for event in result.all_events if event.is_step_failure]
    # Where no step failed, the run did: the warehouse could not be opened, perhaps.
    failed = failed or [event for event in result.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE]
    failures = {event.step_key or "The run": _cause(event.event_specific_data) for event in failed}
    checks = [
        f"{evaluation.asset_key.to_user_string()} {evaluation.check_name}"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    ]
    return Launched(run_id, result.success, failures, checks)


class _StepCounter:
    """Tells a listener about steps that begin and end."""

    def __init__(self, listener: StepListener, steps: int) -> None:
        self._listener = listener
        self._steps = steps
        self._done = 0

    def __call__(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        if event.event_type in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            self._done += 1
        elif event.event_type is not dg.DagsterEventType.STEP_START:
            return
        self._listener(event.step_key, self._done, self._steps)


def _cause(data: object) -> str:
    """Why a step failed, in the words of the error that was raised first."""
    error = getattr(data, "error", None)
    if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
        return "It was interrupted. The next run does what it left; nothing is half written."
    failure = getattr(data, "user_failure_data", None)
    if failure is not None and failure.description:
        return str(failure.description)
    while error is not None and error.cause is not None:
        error = error.cause
    return "" if error is None else str(error.message).strip()

"""The warehouse as Dagster's resource: a run holds the writer's lock from its start to its end.

The lock is taken before the first step and freed after the last; the kernel frees it when the process dies. A run that
waits says who holds it. Whoever gets the lock marks as failed those of Dagster's runs whose process is gone, so that
the UI shows no run that will never end.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import dagster as dg

from cdp_pipeline.automation.again import is_dry_run
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.session import Session, open_rehearsal, open_session
from cdp_pipeline.warehouse.lock import Holder

PLAN = "plan"  # the job whose runs only rehearse
PROCESS_TAG = "cdp/process"
HOST_TAG = "cdp/host"
RUN_TAG = "cdp/run"
WAREHOUSE_TAG = "cdp/warehouse"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_tell: ContextVar[Callable[[str], None] | None] = ContextVar("cdp_tell", default=None)


@contextmanager
def telling(tell: Callable[[str], None]) -> Iterator[None]:
    """Says to `tell` as well what a run within the block has to say at once: that it waits, and for whom."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def run_tags(project: Project, run: str) -> dict[str, str]:
    """What marks a run of this process on the project's warehouse."""
    return {
        RUN_TAG: run,
        PROCESS_TAG: process_mark(os.getpid()) or "",
        HOST_TAG: socket.gethostname(),
        WAREHOUSE_TAG: project.warehouse_name,
    }


def process_mark(pid: int) -> str | None:
    """A process as `pid:start`, so that another one with the same number is told apart; None when there is none."""
    try:
        # `pid (name, which may hold anything) state … start …`; a zombie is dead, though nobody has asked how it ended.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return None if stat[0] in "ZX" else f"{pid}:{stat[19]}"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return f"{pid}:"


def fail_dead_runs(instance: dg.DagsterInstance, warehouse: str) -> list[str]:
    """Marks as failed the unfinished runs on a warehouse whose process is gone, and returns their ids.

    Only this host's processes can be looked at; a run on another host is left to Dagster's own run monitoring. A run
    that has not begun may bear the tags of the one that it tries again.
    """
    filters = dg.RunsFilter(statuses=_UNFINISHED, tags={WAREHOUSE_TAG: warehouse, HOST_TAG: socket.gethostname()})
    dead = []
    for run in instance.get_runs(filters=filters):
        mark = run.tags.get(PROCESS_TAG, "0:")
        if run.tags.get(RUN_TAG) == run.run_id and process_mark(int(mark.split(":")[0])) != mark:
            message = "The process that ran it is gone. The next run does what it left; nothing is half written."
            instance.report_run_failed(run, message)
            dead.append(run.run_id)
    return dead


def warehouse_resource(project: Project) -> dg.ResourceDefinition:
    """The resource `warehouse` of a project."""

    @dg.resource(description="The warehouse, with the writer's lock held for the whole run.")
    @contextmanager
    def warehouse(context: dg.InitResourceContext) -> Iterator[Session]:
        run, instance, log = context.run, context.instance, context.log
        if run is None or instance is None or log is None:
            raise dg.DagsterInvariantViolationError("The warehouse is opened by runs only.")
        instance.add_run_tags(run.run_id, run_tags(project, run.run_id))

        def waiting(holder: Holder | None) -> None:
            message = f"Waiting for the warehouse, which is held by {holder or 'another process'}."
            log.info(message)
            tell = _tell.get()
            if tell is not None:
                tell(message)

        rehearses = run.job_name == PLAN or is_dry_run(run.job_name, run.run_config)
        opened = open_rehearsal if rehearses else open_session
        with opened(project, run.run_id, waiting, job=run.job_name) as session:
            for dead in fail_dead_runs(instance, project.warehouse_name):
                log.warning("Run %s died without a word; it is marked as failed.", dead)
            if rehearses:
                yield session
                return
            session.start(_days(run))
            try:
                yield session
            finally:
                session.end("failed" if _has_failures(instance, run.run_id) else "done")

    return warehouse


def _days(run: dg.DagsterRun) -> str:
    """The days that were asked for; a run that lands what is new is only filed under its partition."""
    config: Any = run.run_config
    if not config.get("ops", {}).get("customer_events", {}).get("config", {}).get("replace_days", True):
        return ""
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    return f"{first}..{last}" if first else ""


def _has_failures(instance: dg.DagsterInstance, run_id: str) -> bool:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1)
    return bool(records.records)

"""Runs of the command that are none of Dagster's: they hold the writer's lock and leave a row in `cdp.runs`."""

from collections.abc import Callable
from time import monotonic
from uuid import uuid4

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.operations.again import RUNNING, Report
from cdp_pipeline.operations.session import Session, open_rehearsal, open_session
from cdp_pipeline.progress import Listener, listening
from cdp_pipeline.warehouse.lock import Holder


class _RunningError(CdpError):
    """Another process holds the warehouse."""


def work_alone(
    project: Project,
    what: str,
    work: Callable[[Session], Report],
    *,
    dry_run: bool,
    waiting: Callable[[Holder | None], None] | None,
    listener: Listener,
) -> Report:
    """Does a piece of work with the writer's lock held; of a dry run nothing stays.

    Args:
        project: the project.
        what: the verb.
        work: what to do.
        dry_run: take all of it back.
        waiting: told who holds the warehouse, when there is to wait; None: do not wait, the report says it was skipped.
        listener: told how far the work is.
    """

    def skip(holder: Holder | None) -> None:
        raise _RunningError(str(holder))

    run, begun = str(uuid4()), monotonic()
    opened = (open_rehearsal if dry_run else open_session)(project, run, waiting or skip, job=what)
    try:
        with opened as session, listening(listener):
            return work(session) if dry_run else _recorded(session, work)
    except _RunningError:
        return Report(what, dry_run, RUNNING, monotonic() - begun, [])


def _recorded(session: Session, work: Callable[[Session], Report]) -> Report:
    session.start("")
    try:
        report = work(session)
    except BaseException:
        session.end("failed")
        raise
    session.end("done")
    return report

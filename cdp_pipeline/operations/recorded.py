"""Runs of the command that are none of Dagster's: they hold the writer's lock and leave a row in `cdp.runs`."""

from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.session import Session, open_rehearsal, open_session
from cdp_pipeline.progress import Listener, listening
from cdp_pipeline.warehouse.lock import Holder

Result = TypeVar("Result")


def work_alone(
    project: Project,
    what: str,
    work: Callable[[Session], Result],
    *,
    dry_run: bool,
    waiting: Callable[[Holder | None], None],
    listener: Listener,
) -> Result:
    """Does a piece of work with the writer's lock held; of a dry run nothing stays.

    Args:
        project: the project.
        what: the verb.
        work: what to do.
        dry_run: take all of it back.
        waiting: told who holds the warehouse, when there is to wait; it may raise.
        listener: told how far the work is.
    """
    opened = (open_rehearsal if dry_run else open_session)(project, str(uuid4()), waiting, job=what)
    with opened as session, listening(listener):
        return work(session) if dry_run else _recorded(session, work)


def _recorded(session: Session, work: Callable[[Session], Result]) -> Result:
    session.start("")
    try:
        result = work(session)
    except BaseException:
        session.end("failed")
        raise
    session.end("done")
    return result

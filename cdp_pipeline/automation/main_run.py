"""The main run, as the command starts it: look whether there is anything to do; if so, run Dagster's job; tell.

Looking is done without Dagster, so that a run with nothing new ends at once and leaves no trace.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.landing import Days, last_day
from cdp_pipeline.identity.gate import must_be_held
from cdp_pipeline.operations.pipeline import landing_due, stages_due
from cdp_pipeline.operations.session import open_for_reading, open_session, refuse_missing_columns
from cdp_pipeline.operations.summary import (
    Journey,
    KindSummary,
    LandedDay,
    example_journey,
    kind_summaries,
    landed_days,
    rejection_reasons,
)
from cdp_pipeline.progress import Listener, listening
from cdp_pipeline.warehouse.lock import Holder

Tell = Callable[[str], None]


@dataclass(frozen=True)
class RunReport:
    """What a run did and what the warehouse holds after it.

    Attributes:
        run: the run's id in Dagster; None when there was nothing to do and no run was launched.
        failures: for each step that failed, why.
        failed_checks: the checks that did not pass.
        notes: what a person should know: vanished files, days that have not come yet.
        landed: landed rows by source and day of arrival.
    """

    run: str | None
    success: bool
    failures: dict[str, str] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    landed: list[LandedDay] = field(default_factory=list)
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    kinds: list[KindSummary] = field(default_factory=list)
    journey: Journey | None = None


def run_main(
    project: Project,
    first: date | None,
    last: date | None,
    *,
    full: bool,
    accept_merge: str = "",
    listener: Listener,
    tell: Tell,
) -> RunReport:
    """Runs what is due.

    Args:
        project: the project.
        first: the first day to replace; None: land what is new and changed.
        last: the last day to replace, included.
        full: calculate again all that comes after `customer_events`.
        accept_merge: the run whose map the publication gate held back and which is let through now; empty: none.
        listener: told how far the work is.
        tell: told what a person should know at once.

    Raises:
        UsageError: the days are no range, or lie outside the project; or no map of the run `accept_merge` is held back.
        ProjectErrors: an identity map names a table or a column that is not there.
    """
    days = _days(project, first, last)
    notes: list[str] = []

    def waiting(holder: Holder | None) -> None:
        tell(f"Waiting for the warehouse, which is held by {holder or 'another process'}.")

    with open_session(project, "cdp run", waiting) as session:
        if accept_merge:
            must_be_held(session.connection, project, accept_merge)
        refuse_missing_columns(session.connection, project)
        plan = landing_due(session.connection, project, session.run)
        notes += [f"{place} lies there no more; its events stay until its day is replaced." for place in plan.vanished]
        notes += [f"{place} is of a day that has not come yet, and waits." for place in plan.waiting]
        final = last_day(project, session.run)
        if final < project.start:  # no day to file a run under
            notes.append(f"The project starts on {project.start}; until then there is nothing to do.")
            return RunReport(None, True, notes=notes)
        due = stages_due(session.connection, project)
        newest = max((reading.day for reading in plan.readings if reading.day), default=final)
        if not (plan.readings or due or days or full or session.is_unfinished()):
            return RunReport(None, True, notes=notes, kinds=kind_summaries(session.connection, project))
    from cdp_pipeline.automation.launch import launch

    filed = days or Days(newest, newest)
    with listening(listener):
        launched = launch(
            project,
            days=filed,
            replace_days=days is not None,
            full=full,
            accept_merge=accept_merge,
            listener=listener,
            tell=tell,
        )
    with open_for_reading(project, "cdp run", waiting) as connection:
        return RunReport(
            launched.run,
            launched.success,
            launched.failures,
            launched.failed_checks,
            notes,
            landed_days(connection, project),
            rejection_reasons(connection, project),
            kind_summaries(connection, project),
            example_journey(connection, project, next(iter(project.entities))) if project.entities else None,
        )


def _days(project: Project, first: date | None, last: date | None) -> Days | None:
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise UsageError("--from and --to go together: the first and the last day to replace, both included.")
    if first > last:
        raise UsageError(f"--from {first} lies after --to {last}.")
    today = datetime.now(UTC).date()
    end = today if project.end is None else min(project.end, today)
    if first < project.start or last > end:
        raise UsageError(
            f"The project's days of arrival go from {project.start} to {end}{' (today)' * (end == today)}."
        )
    return Days(first, last)

"""Counting again on purpose: the tables of counts, whose figures a small run may leave as they are."""

from dataclasses import dataclass

from cdp_pipeline.attributes.counts import count_attributes
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.event_counts import count_events
from cdp_pipeline.operations.session import Session
from cdp_pipeline.warehouse.stage import Facts

WHAT = ("events", "attributes")


@dataclass(frozen=True)
class Recount:
    """What was counted again: by asset its figures, such as days or attributes counted."""

    dry_run: bool
    counted: dict[str, dict[str, float]]


def checked_what(asked: str | None) -> tuple[str, ...]:
    """What is to be counted: events, attributes, or both.

    Raises:
        UsageError: it is neither.
    """
    if asked is not None and asked not in WHAT:
        raise UsageError(f"`{asked}` is not counted. There is: {', '.join(WHAT)}.")
    return WHAT if asked is None else (asked,)


def refresh_counts(session: Session, what: tuple[str, ...], *, dry_run: bool) -> Recount:
    """Counts again, all of what was asked for.

    Args:
        session: a session, or a rehearsal for a dry run.
        what: of `checked_what`.
        dry_run: whether the session is a rehearsal.
    """
    project, connection, run = session.project, session.connection, session.run
    done: list[Facts] = []
    if "events" in what:
        done.append(count_events(connection, project, run, full=True))
    if "attributes" in what:
        done += [count_attributes(connection, project, kind, run, full=True) for kind in project.entities]
    return Recount(dry_run, {facts.asset: facts.metrics for facts in done})

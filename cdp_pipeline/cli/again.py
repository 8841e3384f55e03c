"""The verbs that have something done again on purpose: `replay`, `restitch`, `recalculate`, `refresh-context`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, DryRun, Everybody, Keys, Names, ProjectFolder

if TYPE_CHECKING:
    from cdp_pipeline.operations.again import Report
    from cdp_pipeline.operations.session import Session


def replay(dry_run: DryRun = False, project: ProjectFolder = HERE, as_json: AsJson = False) -> None:
    """Move past events to whoever they turned out to belong to; a run does so by itself."""
    from cdp_pipeline.operations import again

    _again(project, "replay", lambda session: again.replay(session, dry_run=dry_run), dry_run, as_json, wait=False)


def restitch(
    names: Names = None, everybody: Everybody = False, dry_run: DryRun = False, project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Work out again who is who: of the people named and all whom links tie to them, or of all."""
    from cdp_pipeline.operations import again

    def work(session: "Session") -> "Report":
        return again.restitch(session, names or (), everybody=everybody, dry_run=dry_run)

    _again(project, "restitch", work, dry_run, as_json)


def recalculate(
    names: Names = None, everybody: Everybody = False, dry_run: DryRun = False, project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Calculate attributes again: of the people named, or of all."""
    from cdp_pipeline.operations import again

    def work(session: "Session") -> "Report":
        return again.recalculate(session, names or (), everybody=everybody, dry_run=dry_run)

    _again(project, "recalculate", work, dry_run, as_json)


def refresh_context(
    keys: Keys = None, dry_run: DryRun = False, project: ProjectFolder = HERE, as_json: AsJson = False
) -> None:
    """Work out context values again, and the attributes that read those which changed."""
    from cdp_pipeline.operations import again

    def work(session: "Session") -> "Report":
        return again.refresh_context(session, keys or (), dry_run=dry_run)

    _again(project, "refresh_context", work, dry_run, as_json)


def _again(
    project: Path, what: str, work: "Callable[[Session], Report]", dry_run: bool, as_json: bool, *, wait: bool = True
) -> None:
    from cdp_pipeline.operations.again import RUNNING, Report
    from cdp_pipeline.operations.recorded import work_alone
    from cdp_pipeline.terminal.again import show_report
    from cdp_pipeline.validation import load_valid_project
    from cdp_pipeline.warehouse.lock import WarehouseHeld, not_waiting

    checked = load_valid_project(project)
    waiting = terminal.tell_waiting if wait else not_waiting
    try:
        with terminal.progress(as_json) as listener:
            report = work_alone(checked, what, work, dry_run=dry_run, waiting=waiting, listener=listener)
    except WarehouseHeld:
        report = Report(what, dry_run, RUNNING, 0.0, [])
    show_report(report, as_json)

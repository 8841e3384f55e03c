"""The verb `cdp refresh-counts`."""

from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, DryRun, ProjectFolder

What = Annotated[str | None, typer.Option("--what", metavar="WHAT", help="events or attributes.", show_default="both")]


def refresh_counts(
    what: What = None, dry_run: DryRun = False, project: ProjectFolder = HERE, as_json: AsJson = False
) -> None:
    """Count events and attributes again; a run does so only where much has changed."""
    from cdp_pipeline.operations.recorded import work_alone
    from cdp_pipeline.operations.refresh_counts import checked_what
    from cdp_pipeline.operations.refresh_counts import refresh_counts as count_again
    from cdp_pipeline.terminal.counts import show_recount
    from cdp_pipeline.validation import load_valid_project

    asked = checked_what(what)
    checked = load_valid_project(project)
    with terminal.progress(as_json) as listener:
        done = work_alone(
            checked,
            "refresh-counts",
            lambda session: count_again(session, asked, dry_run=dry_run),
            dry_run=dry_run,
            waiting=terminal.tell_waiting,
            listener=listener,
        )
    show_recount(done, as_json)

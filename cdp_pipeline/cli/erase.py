"""The verb `cdp erase`."""

from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, By, ProjectFolder
from cdp_pipeline.errors import UsageError

Who = Annotated[
    str | None, typer.Argument(metavar="A", help="A person, by an identifier, [KIND/]TYPE:VALUE, or entity_id:UUID.")
]
OnlyIdentifier = Annotated[
    bool, typer.Option("--identifier", help="Only this identifier, with every event that carries it.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Preview = Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")]
Receipts = Annotated[bool, typer.Option("--receipts", help="List the receipts instead, and check their chain.")]
Reason = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, in words that name nobody; it is kept.")]


def erase(  # noqa: PLR0913 - a verb's options
    who: Who = None, only_identifier: OnlyIdentifier = False, why: Reason = "", by: By = "", yes: Yes = False,
    dry_run: Preview = False, receipts: Receipts = False, project: ProjectFolder = HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Erase a person, or one identifier, from every table, for good; later runs and rebuilds keep them out."""
    from cdp_pipeline.operations import erase as erasing
    from cdp_pipeline.operations.receipts import broken_receipts, list_receipts
    from cdp_pipeline.operations.recorded import work_alone
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal import erasure as shown
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    if receipts:
        with open_for_reading(checked, "cdp erase", terminal.tell_waiting) as connection:
            listed = list_receipts(connection, checked)
        broken = broken_receipts(listed)
        shown.show_receipts(listed, broken, as_json)
        raise typer.Exit(1 if broken else 0)
    if who is None:
        raise UsageError("Name whom to erase, such as email:ann@x.org, or ask for --receipts.")
    if not dry_run and not (by and why):
        raise UsageError("An erasure needs --why and --by: its receipt says who asked for it, and why.")
    with terminal.progress(True) as listener:
        preview = work_alone(
            checked,
            "erase",
            lambda session: erasing.preview_erasure(session, who, only_identifier=only_identifier),
            dry_run=True,
            waiting=terminal.tell_waiting,
            listener=listener,
        )
    if dry_run or not as_json:
        shown.show_preview(preview, as_json)
    if dry_run:
        return
    if as_json and not yes:
        raise UsageError("With --json nobody can be asked: look at it with --dry-run, then say --yes.")
    if not yes:
        typer.confirm("Erase all of this, for good?", abort=True)
    with terminal.progress(as_json) as listener:
        done = work_alone(
            checked,
            "erase",
            lambda session: erasing.erase(session, who, only_identifier=only_identifier, by=by, why=why),
            dry_run=False,
            waiting=terminal.tell_waiting,
            listener=listener,
        )
    shown.show_erasure(done, as_json)

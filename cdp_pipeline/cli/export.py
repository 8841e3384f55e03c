"""The verbs `cdp export …`: what the warehouse holds, as files for others."""

from pathlib import Path
from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, ProjectFolder

export = typer.Typer(
    help="Write profiles, or what changed in them, into a file for others. It holds personal data as it is.",
    no_args_is_help=True,
)
Kind = Annotated[str | None, typer.Argument(metavar="[KIND]", help="The kind of entity, where there are several.")]
To = Annotated[str, typer.Option("--to", metavar="FORMAT", help="parquet, csv or json (an object a line).")]
Output = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="Where to; `-`: a file named after it in the current folder.")
]
NAMED_AFTER_IT = Path("-")


@export.command("profiles")
def export_profiles(
    kind: Kind = None, to: To = "parquet", output: Output = NAMED_AFTER_IT, project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write all profiles of a kind of entity, in the order of their ids."""
    from cdp_pipeline.operations import export as exporting
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal.export import show_exported
    from cdp_pipeline.validation import load_valid_project

    format_ = exporting.read_format(to)
    checked = load_valid_project(project)
    asked = exporting.kind_of(checked, kind)
    with open_for_reading(checked, "cdp export", terminal.tell_waiting) as connection:
        done = exporting.export_profiles(connection, checked, asked, format_, output)
    show_exported(done, as_json)


@export.command("changes")
def export_changes(
    kind: Kind = None,
    since: Annotated[
        int, typer.Option("--since", metavar="CURSOR", help="What the last reading returned; 0: from the beginning.")
    ] = 0,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="json (an object a line).")] = "json",
    output: Output = NAMED_AFTER_IT,
    project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write what changed in the profiles since a cursor: each entity once, as upsert, merge or delete."""
    from cdp_pipeline.errors import UsageError
    from cdp_pipeline.operations import export as exporting
    from cdp_pipeline.operations.change_feed import export_changes as write_changes
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal.export import show_changes
    from cdp_pipeline.validation import load_valid_project

    if exporting.read_format(to) is not exporting.Format.JSON:
        raise UsageError("Changes are written as json only: an upsert and a delete have no columns in common.")
    checked = load_valid_project(project)
    asked = exporting.kind_of(checked, kind)
    with open_for_reading(checked, "cdp export", terminal.tell_waiting) as connection:
        done = write_changes(connection, checked, asked, since, output)
    show_changes(done, as_json)

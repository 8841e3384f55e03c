"""The verb `cdp lineage`."""

from typing import Annotated

import typer

from cdp_pipeline.cli.options import HERE, AsJson, ProjectFolder


def lineage(
    attribute: Annotated[str, typer.Argument(metavar="ATTRIBUTE", help="Its id.")],
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="The kind of entity, where several have it.")
    ] = None,
    project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what an attribute reads, down to the events, and who reads it."""
    from cdp_pipeline.operations.lineage import lineage_of
    from cdp_pipeline.terminal.lineage import show_lineage
    from cdp_pipeline.validation import load_valid_project

    show_lineage(lineage_of(load_valid_project(project), attribute, kind), as_json)

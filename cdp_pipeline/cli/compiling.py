"""The verb `cdp compile`."""

from pathlib import Path
from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, ProjectFolder


def compile_(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder, new or made by this verb.")],
    engine: Annotated[
        str | None, typer.Option("--engine", help="duckdb or postgresql.", show_default="the project's")
    ] = None,
    project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write every statement of the project as its engine is given it, in order, a file a stage; no server is asked."""
    from cdp_pipeline.operations.compile import compile_project, engine_of, write_compiled
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    chosen = engine_of(checked, engine)
    done = write_compiled(compile_project(checked, chosen), chosen, to)
    if as_json:
        terminal.print_json(done)
        return
    terminal.say(f"Wrote {done.statements:,} statements in {len(done.files)} files for {done.engine} to {done.folder}.")

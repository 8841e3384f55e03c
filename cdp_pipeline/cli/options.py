"""Options that several verbs of the command share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

ProjectFolder = Annotated[
    Path,
    typer.Option("--project", envvar="CDP_PROJECT", help="The project's folder.", show_default="the current folder"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
FirstDay = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="Replace the days of arrival from this one …"),
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="… to this one, both included.")
]
First = Annotated[str, typer.Argument(metavar="A", help="An identifier, [KIND/]TYPE:VALUE, such as email:ann@x.org.")]
Second = Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind of entity.")]
SecondOrNone = Annotated[
    str | None, typer.Argument(metavar="B", help="Another one: only the links between both. Left out: all of A's.")
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, in words; needed to decide, not to take back.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", envvar=["USER", "LOGNAME"], help="Who decides.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take the decision back; nothing older comes back.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="A…", help="People, by an identifier each, [KIND/]TYPE:VALUE.")
]
Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY…", help="Context values, [KIND/]KEY; none: all.")]
Everybody = Annotated[bool, typer.Option("--all", help="Everybody, instead of those named.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Work it out, tell, and take all of it back.")]
HERE = Path()

"""The verbs `cdp decide …`, of which `cdp unstitch` is one by itself too."""

from pathlib import Path
from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.options import HERE, AsJson, By, First, ProjectFolder, Second, SecondOrNone, Undo, Why

decide = typer.Typer(
    help="Decide who is who, where events do not tell or tell it wrong. The next `cdp run` takes it in; decisions "
    "outlive every run and rebuild until they are taken back.",
    no_args_is_help=True,
)


@decide.command("same")
def decide_same(
    one: First, other: Second, why: Why = "", by: By = "", undo: Undo = False, project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A and B are one, whatever limits say."""
    _settle(project, "same", [one, other], why=why, by=by, undo=undo, as_json=as_json)


@decide.command("different")
def decide_different(
    one: First, other: Second, why: Why = "", by: By = "", undo: Undo = False, project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A and B are two, whatever links say."""
    _settle(project, "different", [one, other], why=why, by=by, undo=undo, as_json=as_json)


@decide.command("quarantine")
def decide_quarantine(
    one: First, why: Why = "", by: By = "", undo: Undo = False, project: ProjectFolder = HERE, as_json: AsJson = False
) -> None:
    """A is nobody's and joins nobody, however few links it has."""
    _settle(project, "quarantine", [one], why=why, by=by, undo=undo, as_json=as_json)


@decide.command("release")
def decide_release(
    one: First, why: Why = "", by: By = "", undo: Undo = False, project: ProjectFolder = HERE, as_json: AsJson = False
) -> None:
    """A is an ordinary identifier, however many links it has."""
    _settle(project, "release", [one], why=why, by=by, undo=undo, as_json=as_json)


@decide.command("unstitch")
def decide_unstitch(
    one: First, other: SecondOrNone = None, why: Why = "", by: By = "", undo: Undo = False,
    project: ProjectFolder = HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take A's links out of use, or only those with B."""
    names = [one] if other is None else [one, other]
    _settle(project, "unstitch", names, why=why, by=by, undo=undo, as_json=as_json)


@decide.command("list")
def decide_list(
    everything: Annotated[bool, typer.Option("--all", help="Those too that were replaced or taken back.")] = False,
    project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show the decisions in force, with who decided and why."""
    from cdp_pipeline.operations.decisions import list_decisions
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal.decisions import show_decisions
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    with open_for_reading(checked, "cdp decide list", terminal.tell_waiting) as connection:
        found = list_decisions(connection, checked, everything=everything)
    show_decisions(found, everything, as_json)


def _settle(project: Path, verdict: str, names: list[str], *, why: str, by: str, undo: bool, as_json: bool) -> None:
    from cdp_pipeline.operations.decisions import settle
    from cdp_pipeline.operations.session import open_session
    from cdp_pipeline.terminal.decisions import show_answer
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    with open_session(checked, "cdp decide", terminal.tell_waiting) as session:
        answer = settle(session.connection, checked, verdict, names, by=by, why=why, undo=undo)
    show_answer(answer, as_json)

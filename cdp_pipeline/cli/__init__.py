"""The `cdp` command: thin. It reads options, calls one function, and shows what came back.

Exit codes: 0 done, 1 failed, 2 wrong project or usage. With `--json` the answer is one JSON document on standard
output; progress and complaints go to standard error. Slow imports happen inside the verbs that need them.
"""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cdp_pipeline import terminal
from cdp_pipeline.cli.again import recalculate, refresh_context, replay, restitch
from cdp_pipeline.cli.compiling import compile_
from cdp_pipeline.cli.counts import refresh_counts
from cdp_pipeline.cli.decide import decide, decide_unstitch
from cdp_pipeline.cli.erase import erase
from cdp_pipeline.cli.explain_value import explain_value
from cdp_pipeline.cli.export import export
from cdp_pipeline.cli.lineage import lineage
from cdp_pipeline.cli.options import HERE, AsJson, FirstDay, LastDay, ProjectFolder
from cdp_pipeline.errors import CdpError, ProjectErrors, UsageError

app = typer.Typer(
    help="Who is who in a company's events, and what is known about each person, inside the company's own database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="The folder to make.")], as_json: AsJson = False) -> None:
    """Make a small project with a handful of events, ready to run."""
    from cdp_pipeline.starter import write_starter

    files = write_starter(folder)
    terminal.show_made(folder, files, as_json)


@app.command()
def schema(as_json: AsJson = True) -> None:
    """Print the JSON schema of project.yaml, for editors; always in JSON."""
    from cdp_pipeline.config.schema import project_schema

    terminal.print_json(project_schema())


@app.command()
def validate(project: ProjectFolder = HERE, as_json: AsJson = False) -> None:
    """Check a project; all of its mistakes at once, each with file, line and path."""
    from cdp_pipeline.operations.session import look_at_maps
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    terminal.show_valid(checked, as_json, maps_checked=look_at_maps(checked, "cdp validate"))


@app.command("demo-data")
def demo_data(
    project: ProjectFolder = HERE,
    people: Annotated[int, typer.Option(min=1, help="How many people.")] = 500,
    events: Annotated[int | None, typer.Option(min=1, help="About how many events, instead of --people.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How many days, from the project's start.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing when they are there already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the landing files of the example shop, and beside them who really did each event."""
    from cdp_pipeline.config.loader import load_project
    from cdp_pipeline.starter import write_demo_data

    with terminal.progress(as_json) as listener:
        facts = write_demo_data(
            load_project(project), people, events, days, seed, if_missing=if_missing, progress=listener
        )
    terminal.show_demo(facts, as_json)


@app.command()
def run(
    project: ProjectFolder = HERE,
    first: FirstDay = None,
    last: LastDay = None,
    full: Annotated[
        bool, typer.Option("--full", help="Calculate again all that comes after customer_events; ids are kept.")
    ] = False,
    accept_merge: Annotated[
        str,
        typer.Option(
            metavar="RUN", help="Let through, once, exactly the map that the publication gate held back in that run."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Land what is new and changed (or replace the days --from … --to) and bring every table up to date."""
    from cdp_pipeline.automation.main_run import run_main
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    with terminal.progress(as_json) as listener:
        report = run_main(
            checked,
            _day(first),
            _day(last),
            full=full,
            accept_merge=accept_merge,
            listener=listener,
            tell=terminal.tell,
        )
    terminal.show_run(report, as_json)
    if not report.success:
        raise typer.Exit(1)


@app.command()
def plan(project: ProjectFolder = HERE, as_json: AsJson = False) -> None:
    """Tell what the edited project would change in what is published, without changing anything."""
    from cdp_pipeline.operations.plan import plan_changes
    from cdp_pipeline.operations.session import open_rehearsal
    from cdp_pipeline.progress import listening
    from cdp_pipeline.terminal.plan import show_plan
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    with (
        terminal.progress(as_json) as listener,
        listening(listener),
        open_rehearsal(checked, "cdp plan", terminal.tell_waiting) as session,
    ):
        report = plan_changes(session)
    show_plan(report, as_json)


@app.command()
def verify(project: ProjectFolder = HERE, as_json: AsJson = False) -> None:
    """Compare what is published, row by row, with what a rebuild gives, without changing anything."""
    from cdp_pipeline.operations.session import open_rehearsal
    from cdp_pipeline.operations.verify import verify as verify_all
    from cdp_pipeline.progress import listening
    from cdp_pipeline.terminal.verify import show_verdict
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    with (
        terminal.progress(as_json) as listener,
        listening(listener),
        open_rehearsal(checked, "cdp verify", terminal.tell_waiting) as session,
    ):
        report = verify_all(session)
    show_verdict(report, as_json)
    if not report.same:
        raise typer.Exit(1)


@app.command("test")
def run_tests(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Parts of tests' names or files; none: all.")
    ] = None,
    project: ProjectFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Run the project's own tests, tests/*.yaml, each in a warehouse of its own."""
    from cdp_pipeline.operations.scenarios import run_scenarios, summed_up
    from cdp_pipeline.terminal.explanation import say_why
    from cdp_pipeline.terminal.scenarios import show_report, show_result
    from cdp_pipeline.validation import load_valid_project

    results = []
    for result in run_scenarios(load_valid_project(project), names or (), explain=say_why):
        show_result(result, as_json)
        results.append(result)
    report = summed_up(results)
    show_report(report, as_json)
    if report.failed:
        raise typer.Exit(1)


@app.command()
def profile(
    identifier: Annotated[str, typer.Argument(metavar="[KIND/]TYPE:VALUE", help="Such as email:ann@example.org.")],
    project: ProjectFolder = HERE,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="Whose it was at a day's beginning or a time (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who somebody is: identifiers, attributes, last events; or who it was at a time of the past."""
    from cdp_pipeline.operations.history import find_as_of, read_moment
    from cdp_pipeline.operations.profile import find_profile
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal import history
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    moment = None if as_of is None else read_moment(as_of)
    with open_for_reading(checked, "cdp profile", terminal.tell_waiting) as connection:
        if moment is not None:
            history.show_as_of(find_as_of(connection, checked, identifier, moment), as_json)
        else:
            terminal.show_profile(find_profile(connection, checked, identifier), as_json)


@app.command()
def explain(
    first: Annotated[
        str, typer.Argument(metavar="[KIND/]TYPE:VALUE", help="Such as email:ann@example.org; or the word `attribute`.")
    ],
    second: Annotated[
        str | None, typer.Argument(metavar="[[KIND/]TYPE:VALUE]", help="Another one: why are they one, or not?")
    ] = None,
    attribute: Annotated[
        str | None, typer.Argument(metavar="[ATTRIBUTE]", help="After `attribute TYPE:VALUE`: why has it its value?")
    ] = None,
    project: ProjectFolder = HERE,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Draw it too, in a file that needs nothing else."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show why an identifier is whose it is; why two are one person, or are not; or what made an attribute's value."""
    from cdp_pipeline.operations.explain_pair import explain_one_or_two
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal import explanation, explanation_html
    from cdp_pipeline.validation import load_valid_project

    checked = load_valid_project(project)
    if first == "attribute" or attribute is not None:
        explain_value(checked, first, second, attribute, as_json)
        return
    if html is not None:
        explanation_html.need_drawing()
    with open_for_reading(checked, "cdp explain", terminal.tell_waiting) as connection:
        found = explain_one_or_two(connection, checked, first, second)
    if html is not None:
        explanation_html.write_html(found, checked.name, html)
    explanation.show_explanation(found, as_json, html)


@app.command()
def status(project: ProjectFolder = HERE, as_json: AsJson = False) -> None:
    """Tell what is to be landed and what is due, what waits in queues, and who holds the warehouse."""
    from cdp_pipeline.operations.status import read_status
    from cdp_pipeline.terminal.status import show_status
    from cdp_pipeline.validation import load_valid_project

    show_status(read_status(load_valid_project(project)), as_json)


app.add_typer(decide, name="decide")
app.add_typer(export, name="export")
app.command("compile")(compile_)
app.command("refresh-counts")(refresh_counts)
app.command("refresh-context")(refresh_context)
for verb in (decide_unstitch, replay, restitch, recalculate, erase, lineage):
    app.command(verb.__name__.removeprefix("decide_"))(verb)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def main() -> None:
    """Runs the command; whatever a user can act on is told in a sentence, without a traceback."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except (ProjectErrors, UsageError) as error:
        terminal.complain(error, as_json)
        sys.exit(2)
    except CdpError as error:
        terminal.complain(error, as_json)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

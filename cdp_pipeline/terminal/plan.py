"""How `cdp plan` tells what the edited project would change."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from cdp_pipeline.operations.plan import KindPlan, PlanReport
from cdp_pipeline.operations.plan_words import (
    attribute_in_words,
    columns_of,
    entity_in_words,
    figures_of,
    notes_of,
    shown_as_it_is,
    stages_of,
)
from cdp_pipeline.terminal import _out, _table, print_json


def show_plan(report: PlanReport, as_json: bool) -> None:
    """What a run of the edited project would change."""
    if as_json:
        print_json(report)
        return
    out = _out()
    for note in notes_of(report):
        out.print(f"[yellow]Note:[/] {escape(note)}")
    for plan in report.kinds:
        if not plan.changes_nothing:
            _show_kind(out, plan)
        elif plan.stages:
            out.print(f"[bold]{plan.kind}[/]: stages would be done, with the same result.")
            _show_stages(out, plan)
    if report.changes_nothing:
        out.print("[green]Nothing would change:[/] what is published is what the project says.")
    else:
        out.print("Nothing was changed. `cdp run` does it.")


def _show_kind(out: Console, plan: KindPlan) -> None:
    out.print(f"[bold]{plan.kind}[/]")
    _show_stages(out, plan)
    _show_table(out, "What would change", ("", ">now", ">then", "of these"), figures_of(plan))
    for reason in plan.gate.reasons:
        out.print(f"[red]The publication gate would hold it back:[/] {escape(reason)}")
    _show_values(out, plan)
    for line in columns_of(plan):
        out.print(f"  {line}")
    attributes = [attribute_in_words(each, name_person=True) for each in plan.profiles.attributes]
    columns = ("attribute", ">profiles", ">sum now", ">sum then", "largest change")
    _show_table(out, "Attributes that would change", columns, attributes)


def _show_stages(out: Console, plan: KindPlan) -> None:
    for line in stages_of(plan):
        out.print(f"  {escape(line)}")


def _show_values(out: Console, plan: KindPlan) -> None:
    told = (
        ("Values that would join several people", "people", plan.responsible),
        ("Values that would go into quarantine", "people", plan.quarantine.values_entered),
    )
    for title, counted, values in told:
        _show_table(
            out, title, ("value", f">{counted}"), [(shown_as_it_is(each), f"{each.count:,}") for each in values]
        )
    if plan.quarantine.values_released:
        released = ", ".join(map(shown_as_it_is, plan.quarantine.values_released))
        out.print(f"  Values that would leave quarantine: {escape(released)}")
    people = [entity_in_words(entity, shown_as_it_is) for entity in plan.biggest]
    columns = (">identifiers", ">now", ">people in it", "some of its identifiers")
    _show_table(out, "The biggest people that were not there like that", columns, people)


def _show_table(out: Console, title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """A table, if it has rows; the name of a column of figures begins with `>`."""
    if not rows:
        return
    # Not the table's own title, which is broken where the table is narrow.
    out.print(title, style="italic")
    table = _table("")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)

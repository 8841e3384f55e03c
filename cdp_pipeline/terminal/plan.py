"""How `cdp plan` tells what the edited project would change."""

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
    table = _table("What would change")
    for name in ("", "now", "then", "of these"):
        table.add_column(name, justify="right" if name in ("now", "then") else "left")
    for line in figures_of(plan):
        table.add_row(*line)
    out.print(table)
    for reason in plan.gate.reasons:
        out.print(f"[red]The publication gate would hold it back:[/] {escape(reason)}")
    _show_values(out, plan)
    for columns in columns_of(plan):
        out.print(f"  {columns}")
    if plan.profiles.attributes:
        table = _table("Attributes that would change")
        for name in ("attribute", "profiles", "sum now", "sum then", "largest change"):
            table.add_column(name, justify="left" if name in ("attribute", "largest change") else "right")
        for attribute in plan.profiles.attributes:
            table.add_row(*map(escape, attribute_in_words(attribute, name_person=True)))
        out.print(table)


def _show_stages(out: Console, plan: KindPlan) -> None:
    for line in stages_of(plan):
        out.print(f"  {escape(line)}")


def _show_values(out: Console, plan: KindPlan) -> None:
    told = (
        ("Values that would join several people", "people", plan.responsible),
        ("Values that would go into quarantine", "people", plan.quarantine.values_entered),
    )
    for title, counted, values in told:
        if values:
            table = _table(title)
            table.add_column("value")
            table.add_column(counted, justify="right")
            for value in values:
                table.add_row(escape(shown_as_it_is(value)), f"{value.count:,}")
            out.print(table)
    if plan.quarantine.values_released:
        released = ", ".join(map(shown_as_it_is, plan.quarantine.values_released))
        out.print(f"  Values that would leave quarantine: {escape(released)}")
    if plan.biggest:
        table = _table("The biggest people that were not there like that")
        for name in ("identifiers", "now", "people in it", "some of its identifiers"):
            table.add_column(name, justify="left" if name.startswith("some") else "right")
        for entity in plan.biggest:
            table.add_row(*map(escape, entity_in_words(entity, shown_as_it_is)))
        out.print(table)

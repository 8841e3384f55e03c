"""What was done again on purpose, as it is shown."""

from typing import TYPE_CHECKING

from cdp_pipeline.terminal import _out, _table, print_json

if TYPE_CHECKING:
    from cdp_pipeline.operations.again import Report

_SKIPPED = {
    "running": "Another process holds the warehouse and does it in its turn.",
    "nothing_changed": "The map has not changed since the last replay.",
    "no_context": "The project has no context values.",
}


def show_report(report: "Report", as_json: bool) -> None:
    """The figures of each kind of entity, or why nothing was done."""
    if as_json:
        print_json(report)
        return
    out = _out()
    if report.skipped is not None:
        out.print(f"[bold]Skipped:[/] {report.skipped}. {_SKIPPED[report.skipped]}")
        return
    verb = "What it would do" if report.dry_run else "Done"
    table = _table(f"{verb}: {report.what}, {report.seconds:.1f} seconds")
    is_context = report.what == "refresh-context"
    moved = ("identifiers moved", "events moved", "entities touched")
    first = ("context values", "of them changed") if is_context else moved
    for name in ("kind", *first, "profiles calculated", "profiles changed"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for each in report.kinds:
        identities = (each.identities, each.events, each.entities)
        counts = (each.context_values, each.context_changed) if is_context else identities
        table.add_row(each.kind, *(f"{count:,}" for count in (*counts, each.profiles, each.profiles_changed)))
    out.print(table)
    if report.dry_run:
        out.print("Nothing was changed.")

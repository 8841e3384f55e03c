"""How `cdp verify` tells whether what is published is what a rebuild gives."""

from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape

from cdp_pipeline.operations.verify import KindVerdict, VerifyReport
from cdp_pipeline.operations.verify_rows import Difference
from cdp_pipeline.terminal import _out, _plainly, _table, print_json


def show_verdict(report: VerifyReport, as_json: bool) -> None:
    """What was compared and what differs."""
    if as_json:
        print_json(report)
        return
    out = _out()
    for note in report.notes:
        out.print(f"[yellow]Note:[/] {_plainly(note)}")
    for kind in report.kinds:
        _show_kind(out, kind)
    if report.same:
        out.print("[green]The same:[/] what is published is exactly what a rebuild gives.")
    else:
        out.print(
            "[red]Not the same.[/] Somebody changed a table by hand, perhaps, or there is a fault of ours; nothing was "
            "changed. `cdp run --full` publishes what a rebuild gives."
        )


def _show_kind(out: Console, verdict: KindVerdict) -> None:
    table = _table(verdict.kind)
    for name in ("table", "rows compared", "differ"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for each in verdict.tables:
        table.add_row(each.table, f"{each.rows:,}", f"{each.differing:,}")
    out.print(table)
    for each in verdict.tables:
        if each.columns:
            out.print(f"  {each.table}: a rebuild gives other columns: {escape(each.columns)}")
        for difference in each.differences:
            _show_difference(out, each.table, difference)
        if each.differing > len(each.differences) and not each.columns:
            out.print(f"  {each.table}: … and {each.differing - len(each.differences):,} more")


def _show_difference(out: Console, table: str, difference: Difference) -> None:
    key = ", ".join(f"{name} {_named(value, difference)}" for name, value in difference.key.items())
    out.print(f"  {table}, {_plainly(key)}")
    columns = difference.columns
    for title, rows in (("published", difference.published), ("a rebuild gives", difference.rebuilt)):
        told = [", ".join(f"{name} {_named(row[name], difference)}" for name in columns) for row in rows]
        for line in told or ["no such row"]:
            out.print(f"    {title}: {_plainly(line)}")


def _named(value: Any, difference: Difference) -> str:
    if isinstance(value, UUID) and str(value) in difference.names:
        return f"{difference.names[str(value)]} ({value})"
    return "NULL" if value is None else str(value)

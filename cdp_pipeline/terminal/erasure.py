"""What is erased, and the receipts, as they are shown."""

import json
from typing import TYPE_CHECKING

from rich.markup import escape

from cdp_pipeline.terminal import _out, _table, _time, print_json

if TYPE_CHECKING:
    from cdp_pipeline.operations.erase import ErasedIdentifier, Erasure, Preview
    from cdp_pipeline.operations.receipts import Receipt


def show_preview(preview: "Preview", as_json: bool) -> None:
    """What would go, and what stays."""
    if as_json:
        print_json(preview)
        return
    out = _out()
    what = f"the {preview.kind} {preview.entity_id}" if preview.scope == "person" else "one identifier"
    out.print(f"[bold]To be erased:[/] {what}", highlight=False)
    out.print(f"  events       {preview.events:,}{_of_others(preview)}", highlight=False)
    out.print(f"  other rows   {preview.rejected_rows:,} that landed and are no events", highlight=False)
    out.print(f"  identifiers  {_names(preview.erased)}", highlight=False)
    if preview.shared:
        out.print(f"  stays        {_names(preview.shared)}: others have that too", highlight=False)
    out.print("Later runs, replays and rebuilds keep them out. The landing files are yours and stay as they are.")


def show_erasure(erasure: "Erasure", as_json: bool) -> None:
    """The receipt, and where the values still stand."""
    if as_json:
        print_json({"receipt": erasure.receipt, "still_found": erasure.still_found})
        return
    out, receipt = _out(), erasure.receipt
    rows = ", ".join(f"{count:,} of {table}" for table, count in json.loads(receipt.removed).items() if count)
    out.print(f"[bold]Erased.[/] Receipt {receipt.erasure_id}, {receipt.receipt_hash}", highlight=False)
    out.print(f"Rows that went: {escape(rows)}", highlight=False)
    if not erasure.still_found:
        out.print("No table holds any of the erased values.")
    for place, count in erasure.still_found.items():
        out.print(f"[yellow]Note:[/] {escape(place)} still has one of the values in {count:,} rows.", highlight=False)


def show_receipts(receipts: "list[Receipt]", broken: list[int], as_json: bool) -> None:
    """All receipts, and whether each is what it was."""
    if as_json:
        print_json({"receipts": receipts, "broken": broken})
        return
    out = _out()
    if not receipts:
        out.print("Nobody was ever erased.")
        return
    table = _table("Receipts of erasures")
    for name in ("number", "kind", "what", "entity_id", "by", "why", "at", "state"):
        table.add_column(name, justify="right" if name == "number" else "left")
    for each in receipts:
        state = "broken" if each.erasure_id in broken else "unfinished" if each.finished_at is None else "verified"
        person = "" if each.entity_id is None else str(each.entity_id)
        cells = [str(each.erasure_id), each.kind, each.scope, person, each.by, each.why, _time(each.erased_at), state]
        table.add_row(*(escape(cell) for cell in cells))
    out.print(table)


def _of_others(preview: "Preview") -> str:
    if not preview.events_of_others:
        return ""
    return f", {preview.events_of_others:,} of them of others or of nobody, that carry one of the identifiers"


def _names(identifiers: "list[ErasedIdentifier]") -> str:
    return escape(", ".join(f"{each.type}:{each.value}" for each in identifiers)) or "none"

"""What made an attribute's value, as it is shown."""

from typing import TYPE_CHECKING

from cdp_pipeline.terminal import _out, _plainly, _table, _time, print_json, say

if TYPE_CHECKING:
    from cdp_pipeline.operations.explain_attribute import AttributeExplanation


def show_attribute(found: "AttributeExplanation", as_json: bool) -> None:
    """The value, the definition as it is written, and the events that count."""
    if as_json:
        print_json(found)
        return
    when = "not calculated yet" if found.calculated is None else f"calculated {_time(found.calculated)}"
    say(f"{found.attribute} of {found.kind} {found.entity_id}: {found.value or 'no value'} ({when})")
    say(f"Definition {found.version}:")
    for key, written in found.definition.items():
        say(f"  {key}: {written}")
    for read in found.reads:
        say(f"Reads {read.kind.replace('_', ' ')} {read.id}{'' if read.value is None else f': {read.value}'}")
    if not found.events and not found.counted:
        return
    say(f"{found.counted:,} events count, of which {len(found.events):,} are shown; * marks what made the value.")
    table = _table("")
    for name in ("", "time", "source", "type", "id", "value"):
        table.add_column(name)
    for event in found.events:
        mark = "*" if event.wins else ""
        told = (event.source, event.type, event.id, event.value or "")
        table.add_row(mark, _time(event.time), *map(_plainly, told))
    _out().print(table)

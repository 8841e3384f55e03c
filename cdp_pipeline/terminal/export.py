"""What was exported, as it is shown."""

from typing import TYPE_CHECKING

from cdp_pipeline.terminal import print_json, say

if TYPE_CHECKING:
    from cdp_pipeline.operations.change_feed import Changes
    from cdp_pipeline.operations.export import Exported


def show_exported(done: "Exported", as_json: bool) -> None:
    """How many profiles were written, and where."""
    if as_json:
        print_json(done)
        return
    say(f"Wrote {done.rows:,} {done.kind} profiles to {done.file} ({done.format}).")


def show_changes(done: "Changes", as_json: bool) -> None:
    """How many changes of which sort were written, where, and the cursor of the next reading."""
    if as_json:
        print_json(done)
        return
    counts = ", ".join(f"{count:,} {op}" for op, count in done.ops.items()) or "no changes"
    say(f"Wrote {counts} of {done.kind} profiles to {done.file}.")
    say(f"What comes after: cdp export changes {done.kind} --since {done.cursor}")

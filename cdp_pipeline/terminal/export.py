"""What was exported, as it is shown."""

from typing import TYPE_CHECKING

from cdp_pipeline.terminal import print_json, say

if TYPE_CHECKING:
    from cdp_pipeline.operations.export import Exported


def show_exported(done: "Exported", as_json: bool) -> None:
    """How many profiles were written, and where."""
    if as_json:
        print_json(done)
        return
    say(f"Wrote {done.rows:,} {done.kind} profiles to {done.file} ({done.format}).")

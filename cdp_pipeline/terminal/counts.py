"""What was counted again, as it is shown."""

from typing import TYPE_CHECKING

from cdp_pipeline.terminal import print_json, say

if TYPE_CHECKING:
    from cdp_pipeline.operations.refresh_counts import Recount


def show_recount(done: "Recount", as_json: bool) -> None:
    """A line for each table of counts."""
    if as_json:
        print_json(done)
        return
    for asset, figures in done.counted.items():
        told = (f"{figure.replace('_', ' ')} {count:,.0f}" for figure, count in figures.items() if figure != "seconds")
        say(f"{asset}: {', '.join(told)}")
    if done.dry_run:
        say("Nothing was changed.")

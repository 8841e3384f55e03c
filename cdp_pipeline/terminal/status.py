"""Where the work stands, as it is shown."""

from typing import TYPE_CHECKING

from rich.markup import escape

from cdp_pipeline.terminal import _out, _time, print_json

if TYPE_CHECKING:
    from cdp_pipeline.operations.status import LastRun, Status

SHOWN = 7  # days that are named one by one


def show_status(status: "Status", as_json: bool) -> None:
    """Who holds the warehouse, the last run, what is pending and due, and what waits in queues."""
    if as_json:
        print_json(status)
        return
    out = _out()
    out.print(f"[bold]Warehouse[/] held by {status.holder or 'nobody'}", highlight=False)
    if not status.readable:
        out.print("It cannot be read meanwhile; ask again when that one is done.")
        return
    out.print(f"[bold]Last run[/]  {_run(status.last_run)}", highlight=False)
    out.print(f"[bold]To land[/]   {_pending(status.pending)}", highlight=False)
    for words, places in (("waits for its day", status.waiting), ("lies there no more", status.vanished)):
        for place in places:
            out.print(f"          {escape(place)} {words}", highlight=False)
    out.print(f"[bold]Due[/]       {escape(', '.join(status.due)) or 'nothing'}", highlight=False)
    for kind, queues in status.queues.items():
        waits = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in queues.items() if count)
        out.print(f"[bold]Queues[/]    {kind}: {waits or 'empty'}", highlight=False)
    if status.unfinished_erasures:
        out.print(f"[bold]Erasures[/]  {status.unfinished_erasures} were broken off; the next run finishes them.")
    cursors = ", ".join(f"{each.stage} {each.cursor}" for each in status.cursors)
    out.print(f"[bold]Cursors[/]   {escape(cursors) or 'none'}", highlight=False)


def _run(run: "LastRun | None") -> str:
    if run is None:
        return "none"
    took = "" if run.seconds is None else f", {run.seconds:.1f} seconds"
    days = f", days {run.days}" if run.days else ""
    return escape(f"{run.status}, {_time(run.started_at)}{took}{days}, {run.run}")


def _pending(pending: dict[str, int]) -> str:
    if not pending:
        return "nothing new"
    days = [f"{day} ({files:,})" for day, files in sorted(pending.items())]
    more = f" and {len(days) - SHOWN:,} days more" if len(days) > SHOWN else ""
    return f"{sum(pending.values()):,} files: {', '.join(days[:SHOWN])}{more}"

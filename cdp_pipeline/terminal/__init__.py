"""What the command shows: tables and bars on a terminal, plain lines elsewhere, JSON for scripts."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cdp_pipeline.errors import ProjectErrors
from cdp_pipeline.progress import Listener
from cdp_pipeline.warehouse.lock import Holder

if TYPE_CHECKING:
    from cdp_pipeline.automation.main_run import RunReport
    from cdp_pipeline.config.model import Project
    from cdp_pipeline.operations.profile import Profile
    from cdp_pipeline.operations.summary import Journey, Stretch
    from cdp_pipeline.starter import DemoData
    from cdp_pipeline.terminal.phrases import Part

NUMBERS = {"events", "identifiers", "step", "number"}  # columns of numbers
SHORT = 44  # characters: of what stands beside others in a line
STORY_LINES = 12
ENDLESS = 10_000  # columns: a line that no terminal shows is not broken


def _out() -> Console:
    return Console(width=None if sys.stdout.isatty() else ENDLESS, highlight=False, emoji=False)


def _err() -> Console:
    return Console(stderr=True, width=None if sys.stderr.isatty() else ENDLESS, highlight=False, emoji=False)


def visible(value: str) -> str:
    """A value whose letters can all be seen: a box stands for each other one, such as a terminal's control codes."""
    return "".join(letter if letter.isprintable() else "\N{WHITE SQUARE}" for letter in value)


def _plainly(value: str) -> str:
    """A value in which Rich sees no markup and a terminal no control codes."""
    return escape(visible(value))


def _table(title: str, *, show_header: bool = True) -> Table:
    """A table: ruled on a terminal, aligned lines elsewhere."""
    rules = box.HEAVY_HEAD if sys.stdout.isatty() else None
    return Table(title=title, title_justify="left", box=rules, show_header=show_header)


def complain(error: Exception, as_json: bool = False) -> None:
    """Says what went wrong, on standard error; for scripts as JSON on standard output too."""
    _err().print(escape(str(error)), style="red")
    if not as_json:
        return
    places = ("file", "line", "path", "message", "hint")
    mistakes = error.errors if isinstance(error, ProjectErrors) else []
    told = [{name: getattr(mistake, name) for name in places} for mistake in mistakes] or [{"message": str(error)}]
    print_json({"errors": told})


def tell(message: str) -> None:
    """Says what a person should know at once, on standard error."""
    _err().print(escape(message), style="yellow")


def tell_waiting(holder: Holder | None) -> None:
    """Says who holds the warehouse."""
    tell(f"Waiting for the warehouse, which is held by {holder or 'another process'}.")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)


@contextmanager
def progress(quiet: bool) -> Iterator[Listener]:
    """Shows how far the work is: bars on a terminal, a line per step elsewhere, nothing when `quiet`."""
    if quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield _Bars(bars)
    else:
        yield _Lines()


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._steps: TaskID | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if _is_step(what):
            self._step(what, done, total)
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def _step(self, what: str, done: int, total: int) -> None:
        if self._steps is None:
            self._steps = self._bars.add_task(what, total=total)
        name = what.replace("__", " ").replace("_", " ")
        self._bars.update(self._steps, completed=done, total=total, description=f"step {name}")


class _Lines:
    """A line for each step that ends, and for each piece of work within one."""

    def __init__(self) -> None:
        self._steps_done = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        if _is_step(what):
            if done == self._steps_done:
                return
            self._steps_done = done
        elif done < total:
            return
        sys.stderr.write(f"{what.replace('__', '/')}: {done} of {total}{' steps' if _is_step(what) else ''}\n")
        sys.stderr.flush()


def _is_step(what: str) -> bool:
    return "__" in what or what in ("customer_events", "metrics", "health", "same_as_rebuild")


def say(message: str) -> None:
    """A sentence on standard output."""
    _out().print(_plainly(message))


def show_part(part: "Part") -> None:
    """A heading, sentences under it, and a table; the rows of a wide one become paragraphs."""
    out = _out()
    out.print(f"[bold]{_plainly(part.heading)}[/]")
    for sentence in part.sentences:
        out.print(f"  {_plainly(sentence)}")
    if part.leading:
        for row in part.rows:
            _show_record(out, part, row)
    elif part.columns:
        table = _table("")
        for name in part.columns:
            table.add_column(name, justify="right" if name in NUMBERS else "left")
        for row in part.rows:
            table.add_row(*(_plainly(cell) for cell in row))
        out.print(table)


def _show_record(out: Console, part: "Part", row: Sequence[str]) -> None:
    """A row of a wide table: its first cells, then the others by name, the long ones in lines of their own."""
    out.print(f"  [bold]{_plainly('  '.join(row[: part.leading]))}[/]")
    named = [f"{name}: {cell}" for name, cell in list(zip(part.columns, row, strict=True))[part.leading :] if cell]
    short = [cell for cell in named if len(cell) <= SHORT]
    lines = ["; ".join(short)] if short else []
    for line in lines + [cell for cell in named if len(cell) > SHORT]:
        out.print(f"      {_plainly(line)}")


def show_made(folder: Path, files: list[Path], as_json: bool) -> None:
    """What `cdp init` wrote, and what to do next."""
    if as_json:
        print_json({"folder": folder, "files": files})
        return
    out = _out()
    out.print(f"Made {escape(str(folder))} with {len(files)} files. Next:")
    out.print(f"  cdp run --project {escape(str(folder))}")
    out.print(f"  cdp profile email:ann@example.org --project {escape(str(folder))}")


def show_valid(project: "Project", as_json: bool, *, maps_checked: bool | None) -> None:
    """That a project has no mistakes, what is in it, and whether the columns of its identity maps were looked at."""
    kinds = {
        kind: {
            "identifiers": len(entity.identifiers),
            "rules": len(entity.stitching),
            "attributes": len(entity.attributes),
        }
        for kind, entity in project.entities.items()
    }
    if as_json:
        answer = {"project": project.name, "sources": list(project.sources), "entities": kinds}
        print_json(answer if maps_checked is None else answer | {"map_columns_checked": maps_checked})
        return
    out = _out()
    out.print(f"[green]{escape(project.name)} is valid.[/] Sources: {', '.join(project.sources) or 'none'}.")
    for kind, counts in kinds.items():
        out.print(f"  {kind}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    if maps_checked is False:
        out.print(
            "[yellow]Note:[/] the columns of identity maps were not checked, because the warehouse is not there yet or "
            "cannot be opened at this moment. `cdp run` checks them."
        )


def show_demo(demo: "DemoData", as_json: bool) -> None:
    """What `cdp demo-data` wrote."""
    if as_json:
        print_json(demo)
    elif demo.facts is None:
        _out().print(f"{escape(str(demo.folder))} is there already ({demo.people:,} people, {demo.days} days).")
    else:
        facts = demo.facts
        _out().print(
            f"Wrote {sum(facts.rows.values()):,} rows of {demo.people:,} people over {demo.days} days to "
            f"{escape(str(demo.folder))}: {facts.events:,} events, {facts.duplicates:,} duplicates, {facts.broken:,} "
            f"broken rows, {facts.late:,} late ones."
        )


def show_run(report: "RunReport", as_json: bool) -> None:
    """What a run did, and what the warehouse holds after it."""
    if as_json:
        print_json(report)
        return
    out = _out()
    for note in report.notes:
        out.print(f"[yellow]Note:[/] {escape(note)}")
    if report.run is None:
        out.print("Nothing new: no row was changed and no run was launched.")
        return
    for step, why in report.failures.items():
        out.print(f"[red]{step.replace('__', '/')} failed:[/] {escape(why)}")
    _show_landed(out, report)
    if report.success:
        _show_kinds(out, report)
    if report.failed_checks:
        out.print("[yellow]Checks that did not pass:[/] " + ", ".join(report.failed_checks))
    state = "[green]done[/]" if report.success else "[red]failed[/]"
    out.print(f"Run {report.run} {state}. It is in Dagster's UI with its figures and checks.")


def _show_landed(out: Console, report: "RunReport") -> None:
    table = _table("Landed rows are events or rejected rows")
    # Only a mirror has rows that a later one replaced, or that delete.
    mirrored = [name for name in ("superseded", "deleted") if any(getattr(day, name) for day in report.landed)]
    counted = ("landed", "events", "rejected", "duplicates", *mirrored)
    for name in ("source", "days", *counted, "adds up"):
        shown = "of these duplicates" if name == "duplicates" else name
        table.add_column(shown, justify="left" if name in ("source", "adds up") else "right")
    for source in sorted({landed.source for landed in report.landed}):
        days = [landed for landed in report.landed if landed.source == source]
        sums = [sum(getattr(day, name) for day in days) for name in counted]
        verdict = "every day" if all(day.adds_up for day in days) else "NO"
        table.add_row(source, str(len(days)), *(f"{number:,}" for number in sums), verdict)
    out.print(table)
    reasons: Counter[str] = Counter()
    for _, reason, count in report.reasons:
        reasons[reason] += count
    if reasons:
        out.print("Rejected: " + ", ".join(f"{escape(reason)} {count:,}" for reason, count in reasons.most_common()))


def _show_kinds(out: Console, report: "RunReport") -> None:
    table = _table("Who is who")
    for name in ("kind", "found", "identifiers", "events", "of somebody", "share"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind in report.kinds:
        numbers = (kind.entities, kind.identifiers, kind.events, kind.stitched)
        table.add_row(kind.kind, *(f"{number:,}" for number in numbers), f"{kind.stitched_share:.1%}")
    out.print(table)
    for kind in report.kinds:
        kept = [
            _count(kind.shared, "shared identifier"),
            _count(kind.refused_links, "refused link"),
            _count(kind.quarantined, "identifier") + " in quarantine",
        ]
        if kind.refused_links or kind.quarantined:
            out.print(f"Kept apart, {kind.kind}: {', '.join(kept)}")
    if report.journey is not None:
        out.print(f"[bold]The journey of one {report.journey.kind}[/] (entity {report.journey.entity_id})")
        for line in tell_journey(report.journey):
            out.print(f"  {escape(line)}")


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def tell_journey(journey: "Journey") -> list[str]:
    """A journey in words, a line for each stretch; the middle of a long one is summed up."""
    stretches = journey.stretches
    cut = max(0, len(stretches) - STORY_LINES)
    half = STORY_LINES // 2
    lines = [_tell_stretch(stretch) for stretch in (stretches if not cut else stretches[:half])]
    if cut:
        middle = stretches[half : half + cut]
        lines.append(f"… then {sum(len(stretch.types) for stretch in middle)} more events …")
        lines += [_tell_stretch(stretch) for stretch in stretches[half + cut :]]
    return lines


def _tell_stretch(stretch: "Stretch") -> str:
    counts = Counter(stretch.types)
    what = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.most_common(4))
    more = "" if len(counts) <= 4 else " and more"
    others = [news for news in stretch.news if news != stretch.known_by]
    known_by = f"{stretch.known_by} (new)" if stretch.known_by in stretch.news else stretch.known_by
    met = f"; from now on known by {' and '.join(others)} too" if others else ""
    return f"{stretch.start:%Y-%m-%d %H:%M} on {stretch.source} as {known_by}: {what}{more}{met}"


def show_profile(profile: "Profile", as_json: bool) -> None:
    """An entity: who it is, what is known about it, what it did last."""
    if as_json:
        print_json(profile)
        return
    out = _out()
    out.print(f"[bold]{profile.kind} {profile.entity_id}[/]")
    if profile.earlier_ids:
        out.print("  earlier ids: " + ", ".join(str(earlier) for earlier in profile.earlier_ids))
    table = _table("Identifiers")
    for name in ("type", "value", "first seen", "last seen", "events"):
        table.add_column(name, justify="right" if name == "events" else "left")
    for known in profile.identifiers:
        table.add_row(
            known.type, _plainly(known.value), _time(known.first_seen), _time(known.last_seen), f"{known.events:,}"
        )
    out.print(table)
    table = _table("Attributes", show_header=False)
    for name, value in (profile.attributes or {}).items():
        table.add_row(name, escape(_in_words(value)))
    out.print(table)
    table = _table("Last events")
    for name in ("time", "source", "type", "id"):
        table.add_column(name)
    for event in profile.last_events:
        table.add_row(_time(event.time), event.source, _plainly(event.type), _plainly(event.id))
    out.print(table)
    out.print("[bold]Journey[/]")
    for line in tell_journey(profile.journey):
        out.print(f"  {escape(line)}")


def _in_words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _time(value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

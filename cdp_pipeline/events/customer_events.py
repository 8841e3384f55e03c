"""The stage `cdp/customer_events`: landed rows become events or rejected rows, and nothing is lost.

One row is one event, for ever. Of several rows with the same event_id the least (day of arrival, source, place) is the
event, whatever the order of processing; the others stand in `cdp.rejected_events` as `duplicate`. In a mirror it is the
greatest (time of arrival, place), and the others are `superseded`; if that row says that it is `deleted`, there is no
event. The best of the others takes over when the winner's day is replaced without it. So landed rows = events +
rejected rows, always.

Files are landed in groups of whole days, each in one transaction: a reader sees a day before or after. An event that is
the same before and after is not touched, so that nothing downstream is done again for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import date
from typing import Any

import pyarrow as pa

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.ahead import ahead
from cdp_pipeline.events.files import read_file
from cdp_pipeline.events.keep_out import keep_out
from cdp_pipeline.events.landing import (
    EVERY_DAY,
    SQL,
    UNTIL,
    Days,
    Plan,
    Reading,
    definition_of,
    last_day,
    plan_landing,
    table_batch,
    table_shape,
)
from cdp_pipeline.events.rows import SQL as ROWS
from cdp_pipeline.events.rows import land_statement, shape_of
from cdp_pipeline.events.tombstones import mark_landed
from cdp_pipeline.progress import report
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

ASSET = "cdp/customer_events"
INVARIANTS = ("landed rows are events or rejected rows", "every event once", "no landed event is missing")
GAVE_WAY = ("duplicates", "superseded", "deleted")  # rejected rows that are right in themselves, by their reason
GROUP_BYTES = 64 << 20


def customer_events_spec(project: Project) -> StageSpec:
    """The stage that lands events; whether it is due follows from the landing folder, not from other stages."""
    return StageSpec(ASSET, None, {"cdp": project.schema_name}, invariants=INVARIANTS)


def land_events(
    connection: Connection, project: Project, run: Run, days: Days | None = None, plan: Plan | None = None
) -> Facts:
    """Lands what is new and changed, or replaces the days that were asked for.

    Args:
        connection: the warehouse.
        project: the project.
        run: the run that works.
        days: the days to replace with what lies there now, nothing included; None: all that is new or changed.
        plan: what to read, when it is known already.

    Returns:
        The figures of all that was landed, and of each day touched.

    Raises:
        InputError: a file cannot be read, or is of a day before the project's start; its group was not landed.
        InvariantError: the counts do not add up; the group was not landed.
    """
    plan = plan_landing(connection, project, run, days) if plan is None else plan
    total = Facts(ASSET, None, Due.CHANGES if plan.readings else Due.NOTHING)
    total.metrics.update(vanished_files=len(plan.vanished), waiting_files=len(plan.waiting))
    done = 0
    for group in _groups(plan.readings):
        facts = _land_group(connection, project, run, days, group, (done, len(plan.readings)))
        done += len(group)
        total.days.update(facts.days)
        total.invariants.update({n: total.invariants.get(n, 0) + count for n, count in facts.invariants.items()})
        for name, value in facts.metrics.items():
            total.metrics[name] = total.metrics.get(name, 0.0) + value
    # A day that several groups touched, and what has no day, was counted whole by each of them.
    if plan.readings:
        total.metrics.update(_totals(total.days))
    return total


def _groups(readings: list[Reading]) -> Iterator[list[Reading]]:
    """Whole days together, up to about GROUP_BYTES; what is of several days comes as one last group."""
    group: list[Reading] = []
    for reading in readings:
        full = sum(other.size for other in group) >= GROUP_BYTES
        if group and full and reading.day is not None and reading.day != group[-1].day:
            yield group
            group = []
        group.append(reading)
    if group:
        yield group


def _land_group(
    connection: Connection,
    project: Project,
    run: Run,
    days: Days | None,
    group: list[Reading],
    progress: tuple[int, int],
) -> Facts:
    with stage(connection, customer_events_spec(project), run) as work:
        work.facts.due = Due.CHANGES
        work.run(ROWS["make_landed"])
        work.run(SQL["make_scope"])
        _read(work, project, days, group, progress)
        report("landing", progress[0] + len(group), progress[1])
        mark_landed(work)
        work.run(SQL["landed_counts"])
        _refuse_early_rows(work, project)
        _decide(work)
        _publish(work, project, days, group)
        keep_out(work, project)
        _measure(work, {name for name, source in project.sources.items() if source.is_mirror})
    return work.facts


def _window(reading: Reading, days: Days | None) -> tuple[date, date]:
    """The days of arrival whose rows a reading replaces."""
    return (days.first, days.last) if days is not None and reading.day is None else EVERY_DAY


def _read(work: Work, project: Project, days: Days | None, group: list[Reading], progress: tuple[int, int]) -> None:
    """Reads the rows of a group into `landed`; the next batch is read from its file while the last is worked on."""
    for reading in group:
        first, final = _window(reading, days)
        work.run(SQL["add_to_scope"], source=reading.source, place=reading.place, first_day=first, final_day=final)
    # One source after the other: batches of the same columns are loaded into the same table.
    readings = sorted((each for each in group if not each.gone), key=lambda each: (each.source, each.place))
    landing = _Landing(work, project, days)
    done: set[str] = set()
    for reading, batch in ahead(_batches(readings)):
        if reading.place not in done:
            report("landing", progress[0] + len(done), progress[1])
            done.add(reading.place)
        landing.land(reading, batch)


def _batches(readings: Iterable[Reading]) -> Iterator[tuple[Reading, pa.Table | None]]:
    """The batches of each file in turn; a day of a source table is one by itself, made within the warehouse."""
    for reading in readings:
        if reading.path is None:
            yield reading, None
        else:
            yield from ((reading, batch) for batch in read_file(reading.path))


class _Landing:
    """Turns batches into rows of `landed`; a statement is made once for each source and its columns."""

    def __init__(self, work: Work, project: Project, days: Days | None) -> None:
        self._work = work
        self._project = project
        self._days = days
        self._statements: dict[tuple[str, str], Statement] = {}

    def land(self, reading: Reading, batch: pa.Table | None) -> None:
        """Lands one batch, or the day of a source table."""
        work = self._work
        source = self._project.sources[reading.source]
        if batch is None:
            shape = table_shape(work.connection, source)
            work.connection.drop_temporary(["landing_batch"])  # an engine may keep a file's, empty
            work.run(table_batch(work.connection, source, shape, reading.day))
            work.run(land_statement(work.connection, source, shape, missing=False), **self._values(reading))
            work.connection.drop_temporary(["landing_batch"])
            return
        work.connection.load("landing_batch", batch)
        key = (source.name, str(batch.schema))
        if key not in self._statements:
            self._statements[key] = land_statement(work.connection, source, shape_of(batch))
        work.run(self._statements[key], **self._values(reading))
        work.connection.unload("landing_batch")

    def _values(self, reading: Reading) -> dict[str, Any]:
        end = self._project.end
        first, final = _window(reading, self._days)
        values: dict[str, Any] = {
            "landed_from": reading.source,
            "place": reading.place,
            "last_day": last_day(self._project, self._work.current_run),
            "first_day": first,
            "final_day": final if end is None else min(final, end),
        }
        if self._project.sources[reading.source].arrived_at is None:
            values["day"] = reading.day
        return values


def _refuse_early_rows(work: Work, project: Project) -> None:
    early = work.fetch(SQL["before_start"], start=project.start)
    if early:
        place, day, rows = early[0]
        raise InputError(
            f"{place} has {rows:,} rows that arrived on {day}, before the project's start. Set `start: {day}` in "
            "project.yaml, or leave them out by `where`."
        )


def _decide(work: Work) -> None:
    """Which row of each id is the event."""
    for name in ("read_again", "replaced_events", "related"):
        work.run(SQL[name])
    for name in ("contested", "contest", "winners", "contested_days", "unchanged"):
        work.run(SQL[name])


def _publish(work: Work, project: Project, days: Days | None, group: list[Reading]) -> None:
    number = work.number
    work.connection.open_days(day for (day,) in work.fetch(SQL["landed_days"]))
    removed = work.run(SQL["log_removed"], number=number)
    work.run(SQL["remove_events"])
    work.run(SQL["move_places"])
    added = work.run(SQL["add_uncontested"], number=number) + work.run(SQL["add_winners"], number=number)
    work.run(SQL["remove_rejected"])
    work.run(SQL["remove_contested_rows"])
    work.run(SQL["add_contested_rows"])
    work.run(SQL["add_rejected"])
    work.run(SQL["remove_counts"])
    work.run(SQL["add_counts"])
    for reading in group:
        partial = days is not None and reading.day is None
        if reading.gone:
            work.run(SQL["remove_emptied_file"], source=reading.source, place=reading.place)
        elif not partial:
            work.run(SQL["remove_file"], source=reading.source, place=reading.place)
        if not reading.gone and not partial:
            names = ("source", "place", "day", "fingerprint", "size", "modified")
            values = {name: getattr(reading, name) for name in names}
            definition = definition_of(project, project.sources[reading.source]) + _waits_for(work, project, reading)
            work.run(SQL["add_file"], **values, definition=definition, number=number)
    work.measure(files=len(group), events_added=added, events_removed=removed)


def _waits_for(work: Work, project: Project, reading: Reading) -> str:
    """The first day of a file of several days that has not come yet, as the file's definition notes it."""
    if reading.day is not None:
        return ""
    last = last_day(project, work.current_run)
    day = work.scalar(SQL["first_future_day"], source=reading.source, place=reading.place, last_day=last)
    return f"{UNTIL}{day}" if day else ""


def _measure(work: Work, mirrors: Set[str]) -> None:
    work.run(SQL["touched_days"], number=work.number)
    broken = 0
    for source, day, landed, events, rejected, *gave_way in work.fetch(SQL["figures_by_day"]):
        broken += landed != events + rejected
        figures = work.facts.days.setdefault(day, {})
        figures[f"{source} landed rows"] = landed
        figures[f"{source} events"] = events
        figures[f"{source} rejected rows"] = rejected
        figures |= {
            f"{source} {name}": count
            for name, count in zip(GAVE_WAY, gave_way, strict=True)
            if count or source in mirrors or name == "duplicates"
        }
    work.measure(**_totals(work.facts.days))
    work.facts.invariants["landed rows are events or rejected rows"] = broken
    ((doubled, lost),) = work.fetch(SQL["times_stored"])
    work.facts.invariants |= {"every event once": doubled, "no landed event is missing": lost}


def _totals(days: Mapping[date | None, Mapping[str, int]]) -> dict[str, int]:
    """The figures of all days and sources together."""
    totals = dict.fromkeys(("landed_rows", "rejected_rows", *GAVE_WAY), 0)
    for figures in days.values():
        for name, value in figures.items():
            _, _, what = name.partition(" ")
            if what.replace(" ", "_") in totals:
                totals[what.replace(" ", "_")] += value
    return totals

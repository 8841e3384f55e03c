"""What there is to land: new and changed files and days of source tables, or all of the days that were asked for.

A file is known by source and path. It is read again when its size or modification time and its content differ from what
was read, or when the source's definition has changed since. A file that lies there no more takes nothing away, until
its day is asked for by name; nor does a day that a table has no more, for old rows are often purged. Only of a mirror's
table the day is then read as empty: its rows were updated, and stand under the day of that.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import sqlglot
from sqlglot import exp

from cdp_pipeline.config.model import Project, Source
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.files import LandingFile, find_files, fingerprint
from cdp_pipeline.events.rows import Shape, bind, row_text, source_definition
from cdp_pipeline.sql.statements import Statement, Statements
from cdp_pipeline.warehouse.base import Connection, type_class
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "customer_events.sql")
UNTIL = " until "  # in a file's definition: the day on which it must be read again
LONGEST_PLACE = 1_000  # a server finds rows by it, and has no index for longer texts
EVERY_DAY = (date(1, 1, 1), date(9999, 12, 31))


@dataclass(frozen=True)
class Days:
    """A range of days of arrival, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


@dataclass(frozen=True)
class Reading:
    """A file, or a day of a source table, that is to be read; `file` is None when there is nothing there any more."""

    source: str
    place: str
    day: date | None
    fingerprint: str = ""
    size: int = 0
    modified: float = 0.0
    path: Path | None = None
    gone: bool = False


@dataclass
class Plan:
    """What a landing reads, and what it noticed.

    Attributes:
        readings: by day of arrival; those of several days after them, and the days of mirrors' tables last.
        vanished: places that were landed and lie there no more, those of sources that are declared no more included.
        waiting: files of days that have not come yet.
    """

    readings: list[Reading] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    day: date | None
    fingerprint: str
    size: int
    modified: float
    definition: str


def last_day(project: Project, run: Run) -> date:
    """The last day of arrival: the project's end, or today (UTC)."""
    today = run.started_at.date()
    return min(project.end, today) if project.end else today


def definition_of(project: Project, source: Source) -> str:
    """A hash of what decides how the source's rows become events; the window too, when rows say their own day."""
    window = "" if source.arrived_at is None else f" {project.start} {project.end}"
    return source_definition(source) + window


def plan_landing(connection: Connection, project: Project, run: Run, days: Days | None) -> Plan:
    """Works out what to read.

    Args:
        connection: the warehouse, for what was read before and for source tables.
        project: the project.
        run: says what today is.
        days: replace these days with what lies there now; None: land what is new and changed.

    Raises:
        InputError: data of a day before the project's start, or a file that cannot be read.
    """
    known: dict[str, dict[str, _Known]] = {name: {} for name in project.sources}
    for source, place, *rest in connection.fetch(SQL["files"].bind({"cdp": project.schema_name})):
        known.setdefault(source, {})[place] = _Known(*rest)
    plan = Plan()
    for name, places in known.items():
        source = project.sources.get(name)
        here = set() if source is None else _plan_source(connection, project, run, days, source, places, plan)
        for place, was in places.items():
            if place in here:
                continue
            emptied = days is None and _is_emptied(source, place, here)
            if not emptied:
                plan.vanished.append(place)
            if emptied or (days is not None and (was.day is None or was.day in days)):
                plan.readings.append(Reading(name, place, was.day, gone=True))
    mirrored = {name for name, source in project.sources.items() if source.table is not None and source.is_mirror}
    plan.readings.sort(
        # A mirror's table in one transaction: a row that moved from day to day is read in both, and never missed.
        key=lambda reading: (reading.source in mirrored, reading.day or date.max, reading.source, reading.place)
    )
    return plan


def _is_emptied(source: Source | None, place: str, here: set[str]) -> bool:
    """Whether a day that a table has no more holds nothing; a table without any row looks like a load that failed."""
    if source is None or source.table is None or not source.is_mirror:
        return False
    return bool(here) and place.startswith(f"{source.table}/")


def _plan_source(
    connection: Connection,
    project: Project,
    run: Run,
    days: Days | None,
    source: Source,
    known: dict[str, _Known],
    plan: Plan,
) -> set[str]:
    """Plans what lies there of a source now, and returns its places."""
    today = last_day(project, run)
    found = _table_days(connection, project, source) if source.table else _files(project, source)
    for reading in found:
        if len(reading.place) > LONGEST_PLACE:
            raise InputError(f"{reading.place} is longer than {LONGEST_PLACE:,} characters. Shorten its path.")
        if reading.day is not None and reading.day < project.start:
            raise InputError(
                f"{reading.place} is of {reading.day}, before the project's start. Set `start: {reading.day}` in "
                "project.yaml, or take it out of the landing folder."
            )
        if reading.day is not None and reading.day > today:
            plan.waiting.append(reading.place)
        elif _wanted(reading, known.get(reading.place), definition_of(project, source), days, today):
            plan.readings.append(_with_fingerprint(reading))
    return {reading.place for reading in found}


def _wanted(reading: Reading, known: _Known | None, definition: str, days: Days | None, today: date) -> bool:
    if days is not None:
        return reading.day is None or reading.day in days
    if known is None:
        return True
    read_by, _, waits_for = known.definition.partition(UNTIL)
    if read_by != definition or (waits_for and date.fromisoformat(waits_for) <= today):
        return True
    if reading.path is None:
        return known.fingerprint != reading.fingerprint
    if (known.size, known.modified) == (reading.size, reading.modified):
        return False
    return known.fingerprint != fingerprint(reading.path)


def _with_fingerprint(reading: Reading) -> Reading:
    if reading.path is None:
        return reading
    values = vars(reading) | {"fingerprint": fingerprint(reading.path)}
    return Reading(**values)


def _files(project: Project, source: Source) -> list[Reading]:
    return [_of_file(source, file) for file in find_files(project.folder, source)]


def _of_file(source: Source, file: LandingFile) -> Reading:
    return Reading(source.name, file.place, file.day, "", file.size, file.modified, file.path)


def table_shape(connection: Connection, source: Source) -> Shape:
    """The columns of a source table.

    Raises:
        InputError: there is no such table.
    """
    table = sqlglot.parse_one(source.table or "", into=exp.Table, read="postgres")
    columns = connection.columns_of(table.db or connection.default_schema, table.name)
    if columns is None:
        raise InputError(
            f"sources.{source.name}.table: the warehouse has no table {source.table}. Check the name, or load it first."
        )
    times = {name for name, kind in columns if type_class(kind, connection.dialect) == "time"}
    doubles = {name for name, kind in columns if kind.lower() in ("double", "float", "double precision", "real")}
    return Shape(tuple(name for name, _ in columns), frozenset(times | doubles))


def _table_days(connection: Connection, project: Project, source: Source) -> list[Reading]:
    shape = table_shape(connection, source)
    tree = SQL["table_days"].bind({}, **table_trees(connection, source, shape)).tree
    rows = connection.fetch(Statement("table_days", tree, cached=False))
    return [
        Reading(source.name, f"{source.table}/{day or 'no day'}", day, f"{count} {fingerprint}")
        for day, count, fingerprint in rows
    ]


def table_trees(connection: Connection, source: Source, shape: Shape) -> dict[str, exp.Expr]:
    """The table, each row's day of arrival and its whole row, to be bound into a statement."""
    table = sqlglot.parse_one(source.table or "", into=exp.Table, read="postgres")
    aliased = exp.alias_(table.copy(), "f", table=True)
    moment = bind(source.arrived_at or "null", shape, missing=False)
    described = connection.describe(Statement("day", exp.select(moment).from_(aliased), cached=False))
    if type_class(described[0][1], connection.dialect) != "time":
        moment = exp.func("cdp_try_time", exp.cast(moment, "text"))
    moment = exp.cast(moment, "timestamptz")
    first, final = (exp.cast(exp.Literal.string(f"{day} 00:00:00+00"), "timestamptz") for day in EVERY_DAY)
    passes = exp.true() if source.where is None else bind(source.where, shape, missing=False)
    passes = exp.func("cdp_try", passes, exp.cast(exp.null(), "boolean"))
    readable = exp.Case().when(exp.Between(this=moment.copy(), low=first, high=final), moment.copy())
    day = exp.cast(readable, "date")
    return {"source_table": table, "moment": moment, "day": day, "row": row_text(shape), "passes": passes}


def table_batch(connection: Connection, source: Source, shape: Shape, day: date | None) -> Statement:
    """The statement that makes a batch of one day's rows; an index on `arrived_at` spares reading the other days."""
    trees = table_trees(connection, source, shape)
    moment = trees["moment"]
    if day is None:
        of_day: exp.Expr = trees["day"].is_(exp.null())
    else:
        ends = (exp.cast(exp.Literal.string(f"{end} 00:00:00+00"), "timestamptz") for end in (day, day + timedelta(1)))
        first, following = ends
        of_day = exp.and_(moment >= first, moment.copy() < following)
    return Statement("table_batch", SQL["table_batch"].bind({}, **trees, of_day=of_day).tree, cached=False)

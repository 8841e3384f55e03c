"""The example shop's files, drawn from a seed: the same seed gives the same bytes.

The people and their devices are drawn once; then each day is drawn by itself, from a stream of random numbers of its
own, and written before the next. So memory holds the people and one day, and five million events are no trouble.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from cdp_pipeline.demo.app import app_rows
from cdp_pipeline.demo.broken import broken_app, broken_calls, broken_contacts, broken_count, broken_web
from cdp_pipeline.demo.devices import Devices, create_devices
from cdp_pipeline.demo.landing import Landing, Truth
from cdp_pipeline.demo.offices import call_rows, contact_rows, tester_rows
from cdp_pipeline.demo.people import People, create_people
from cdp_pipeline.demo.text import Flags, Ints
from cdp_pipeline.demo.visits import Steps, steps_of_day
from cdp_pipeline.demo.web import robot_lines, web_rows

SOURCES = ("web", "app", "crm", "support")

_MOST_PEOPLE = 5_000_000  # a day's lines of more would outgrow the 2 GB that one Arrow column of text holds
_EVENTS_PER_PERSON = 0.6  # measured: what a person leaves behind in a demo of any length …
_EVENTS_PER_PERSON_DAY = 0.93  # … and on each of its days
_WEB_ROWS_PER_ROBOT_ROW = 400
_DAYS_BEFORE = 365
_HOUR = 3_600_000  # milliseconds


@dataclass(frozen=True)
class DemoFacts:
    """What was written. The rows of all sources are events + duplicates + broken + filtered."""

    people: int
    events: int  # good rows, each once
    rows: dict[str, int]  # lines of each source's files, without the CSV header
    duplicates: int  # further copies of good rows
    broken: int  # rows that must be rejected
    filtered: int  # the robot's rows, which the project's `where` leaves out
    late: int  # good rows that arrived after the day (the first day at the earliest) on which they happened


@dataclass(frozen=True)
class _Demo:
    people: People
    devices: Devices
    dates: list[str]
    past_dates: list[str]
    start: date
    seed: int

    def day(self, number: int) -> date:
        return self.start + timedelta(number)


@dataclass(frozen=True)
class _Drawn:
    """What one source saw on one day."""

    rows: pa.Table  # good rows in the columns of the file
    ids: pa.ChunkedArray
    person: Ints
    broken: pa.Table
    filtered: pa.Table
    kept_back: Flags | None = None


def generate(
    folder: Path,
    *,
    people: int,
    days: int,
    start: date,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> DemoFacts:
    """Write the shop's landing files and the truth about them into a folder.

    Args:
        folder: gets `landing/` and `truth/`; files of the same names are overwritten, others stay.
        people: how many there are; each leaves some 30 events in 30 days.
        days: of arrival.
        start: the first of them.
        seed: another one draws other people and other days.
        progress: told the days done and all days.

    Raises:
        ValueError: there are no people or no days, or too many people.
    """
    if not 1 <= people <= _MOST_PEOPLE or days < 1:
        raise ValueError(f"a demo has 1 to {_MOST_PEOPLE:,} people and at least 1 day, not {people:,} and {days}")
    demo = _create(people, days, start, seed)
    counts: Counter[str] = Counter()
    landings = {source: Landing(folder, source, demo.dates, counts) for source in SOURCES}
    truth = Truth(folder)
    try:
        for day in range(days):
            _write_day(demo, day, landings, truth, counts)
            if progress is not None:
                progress(day + 1, days)
    finally:
        truth.close()
    return _facts(people, counts)


def estimate_people(events: int, days: int) -> int:
    """How many people leave about so many events in so many days."""
    return max(1, round(events / (_EVENTS_PER_PERSON + _EVENTS_PER_PERSON_DAY * days)))


def _facts(people: int, counts: Counter[str]) -> DemoFacts:
    return DemoFacts(
        people=people,
        events=counts["events"],
        rows={source: counts[source] for source in SOURCES},
        duplicates=counts["duplicates"],
        broken=counts["broken"],
        filtered=counts["filtered"],
        late=counts["late"],
    )


def _create(people: int, days: int, start: date, seed: int) -> _Demo:
    rng = np.random.default_rng([seed, 0])
    everybody = create_people(rng, people, days)
    return _Demo(
        people=everybody,
        devices=create_devices(rng, everybody, days),
        dates=[str(start + timedelta(day)) for day in range(days)],
        past_dates=[str(start - timedelta(day)) for day in range(1, _DAYS_BEFORE + 1)],
        start=start,
        seed=seed,
    )


def _write_day(demo: _Demo, day: int, landings: dict[str, Landing], truth: Truth, counts: Counter[str]) -> None:
    for number, source in enumerate(SOURCES):
        rng = np.random.default_rng([demo.seed, 1 + number, day])
        drawn = _DRAW[source](rng, demo, day)
        truth.add(source, drawn.ids, drawn.person)
        landings[source].arrive(rng, day, drawn.rows, kept_back=drawn.kept_back)
        landings[source].write(rng, day, pa.concat_tables([drawn.broken, drawn.filtered]))
        counts["broken"] += len(drawn.broken)
        counts["filtered"] += len(drawn.filtered)


def _web(rng: np.random.Generator, demo: _Demo, day: int) -> _Drawn:
    steps = steps_of_day(rng, demo.people, demo.devices, day, in_app=False)
    rows = web_rows(rng, demo.people, demo.devices, day, demo.dates[day], steps)
    robot = robot_lines(rng, demo.people, day, demo.dates[day], 1 + len(rows) // _WEB_ROWS_PER_ROBOT_ROW)
    return _Drawn(
        rows=rows.select(["line"]),
        ids=rows.column("id"),
        person=steps.person + 1,
        broken=_lines(broken_web(day, demo.day(day), broken_count(len(rows)))),
        filtered=_lines(robot),
        kept_back=_outage(demo, day, steps),
    )


def _outage(demo: _Demo, day: int, steps: Steps) -> Flags | None:
    """The collector was down from 13 to 15 on a day in the first third, unless the demo is too short for that."""
    if day != len(demo.dates) // 3 or day + 2 >= len(demo.dates):
        return None
    return (steps.milliseconds >= 13 * _HOUR) & (steps.milliseconds < 15 * _HOUR)


def _app(rng: np.random.Generator, demo: _Demo, day: int) -> _Drawn:
    steps = steps_of_day(rng, demo.people, demo.devices, day, in_app=True)
    rows = app_rows(rng, demo.people, demo.devices, day, demo.day(day), steps)
    broken = broken_app(day, demo.day(day), broken_count(len(rows)))
    return _Drawn(rows, rows.column("id"), steps.person + 1, broken, filtered=broken.slice(0, 0))


def _crm(rng: np.random.Generator, demo: _Demo, day: int) -> _Drawn:
    contacts = contact_rows(rng, demo.people, day, demo.dates, demo.past_dates)
    tester = tester_rows(rng, demo.people, day, demo.dates[day], len(demo.people) + 1 + day)
    broken = broken_contacts(day, demo.day(day), broken_count(len(contacts)))
    return _of_offices(pa.concat_tables([contacts, tester]), broken)


def _support(rng: np.random.Generator, demo: _Demo, day: int) -> _Drawn:
    calls = call_rows(rng, demo.people, day, demo.dates[day])
    return _of_offices(calls, broken_calls(day, demo.day(day), broken_count(len(calls))))


def _of_offices(rows: pa.Table, broken: list[str]) -> _Drawn:
    person = rows.column("person").to_numpy()
    return _Drawn(rows.select(["line"]), rows.column("id"), person, _lines(broken), filtered=_lines([]))


def _lines(lines: list[str]) -> pa.Table:
    return pa.table({"line": pa.array(lines, pa.string())})


_DRAW: dict[str, Callable[[np.random.Generator, _Demo, int], _Drawn]] = {
    "web": _web,
    "app": _app,
    "crm": _crm,
    "support": _support,
}

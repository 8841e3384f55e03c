"""Random landing files, for the pipeline as NDJSON and for the oracle as rows.

A cut is what lies in the landing folder anew before one run. A history is a list of cuts; it has late rows,
rows of one id on several days, days that are replaced by less, by nothing or by something else, and days that land
again as they were. The world is small on purpose: few identifiers, so that they meet often; few times of day, so
that there are ties.

The rules of the project that reads these files stand in the order of ``RULES``, which is not the order of importance,
and each reads one array, ``ids -> type``. There is one file per day of arrival and source, named by ``path_of``. All
identifiers are normalised and valid already.
"""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NotRequired, TypeAlias, TypedDict

from cdp_pipeline_tests.oracle.events import Decision, Identifier, LandingFile, MapTables, Row, Step, h
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.operators import FIRST_DAY, RandomDecisions, RandomMaps

CUSTOMER = EntityKind("customer", ("crm", "email", "cookie"))
RULES = ("cookie", "device", "email", "crm")
MIRRORS = frozenset({"contacts"})


class PlainRow(TypedDict):
    """A line of a landing file. ``amount`` is a multiple of 0.25, so that a float holds it exactly."""

    id: str
    type: str
    ts: str
    ids: dict[str, list[str]]
    amount: float
    deleted: NotRequired[bool]


Content: TypeAlias = dict[date, dict[str, list[PlainRow]]]
"""Landing files: day of arrival -> source -> rows, in the order of their lines."""


@dataclass(frozen=True)
class Cut:
    """What one run finds. A replacing cut holds every day of an interval, and is run with ``--from/--to``.

    Attributes:
        files: The files that are new or changed, or all of the days that are replaced.
        replaces: Whether the days are replaced.
        decisions: What operators decided and withdrew before the run.
        maps: What the tables of the identity maps hold now; None where nobody changed them.
    """

    files: Content
    replaces: bool = False
    decisions: tuple[Decision, ...] = ()
    maps: MapTables | None = None

    def __post_init__(self) -> None:
        """Refuse days that ``--from/--to`` cannot name."""
        days = sorted(self.files)
        if self.replaces and days != [days[0] + timedelta(days=number) for number in range(len(days))]:
            raise ValueError(f"a run cannot replace {days} alone: they are no interval")

    @property
    def interval(self) -> tuple[date, date]:
        """The first and the last day, both included."""
        return min(self.files), max(self.files)


@dataclass(frozen=True)
class Shape:
    """How large a random history is, and what occurs in it.

    Attributes:
        cuts: The number of cuts.
        days: The number of different days of arrival.
        rows: The most rows a file gets at once.
        values: How many different values each identifier type has.
        known_id: The chance that a row bears an id that its source may have used before.
        late: The chance that a row is up to four days older than its day of arrival.
        only_grows: Whether files only come and grow. With ``known_id=0`` nothing that was true is ever withdrawn.
        sources: The sources; an id counts within its source. Those in ``MIRRORS`` are mirrors.
        decisions: The chance that operators decide or withdraw something before a run.
        maps: The chance that the tables of the identity maps change before a run, if the kind has any.
        kind: The kind of entity, with its limits.
    """

    cuts: int = 8
    days: int = 4
    rows: int = 3
    values: tuple[tuple[str, int], ...] = (("crm", 3), ("email", 4), ("cookie", 6))
    known_id: float = 0.5
    late: float = 0.3
    only_grows: bool = False
    sources: tuple[str, ...] = ("shop", "web")
    decisions: float = 0
    maps: float = 0
    kind: EntityKind = CUSTOMER


class _Writer:
    """Invents rows, and changes of what lies in the landing folder."""

    def __init__(self, rng: random.Random, shape: Shape) -> None:
        self.rng = rng
        self.shape = shape
        self.content: Content = {}
        self.days = [FIRST_DAY + timedelta(days=number) for number in range(shape.days)]
        self.fresh_ids = itertools.count(1000)

    def row(self, day: date) -> PlainRow:
        """Return a row that arrives on a day: with a new id, with one that may be known, or one that landed before."""
        rng = self.rng
        late = rng.randrange(1, 5) if rng.random() < self.shape.late else 0
        happened = datetime.combine(day - timedelta(days=late), time(rng.randrange(0, 24, 6)), UTC)
        ids: dict[str, list[str]] = {}
        for _ in range(rng.choices(range(5), (1, 5, 9, 4, 1))[0]):
            identifier_type, values = rng.choice(self.shape.values)
            ids.setdefault(identifier_type, []).append(f"{identifier_type}-{rng.randrange(values)}")
        known = rng.random() < self.shape.known_id
        landed = [row for files in self.content.values() for rows in files.values() for row in rows]
        if known and landed and rng.random() < 0.3:
            again = rng.choice(landed)
            if datetime.fromisoformat(again["ts"]).date() <= day:
                return again
        return {
            "id": str(rng.randrange(5) if known else next(self.fresh_ids)),
            "type": rng.choice(("page_view", "order", "login")),
            "ts": happened.isoformat().replace("+00:00", "Z"),
            "ids": ids,
            "amount": rng.randrange(400) / 4,
        }

    def rows(self, source: str, day: date) -> list[PlainRow]:
        """Return at least one new row; of a mirror some are deleted."""
        rows = [self.row(day) for _ in range(self.rng.randint(1, self.shape.rows))]
        return [{**row, "deleted": self.rng.random() < 0.25} for row in rows] if source in MIRRORS else rows

    def file_of_each(self, sources: Sequence[str], day: date) -> dict[str, list[PlainRow]]:
        """Return new rows for some of the sources, at least for one."""
        return {
            source: self.rows(source, day) for source in self.rng.sample(sources, self.rng.randint(1, len(sources)))
        }

    def new_days(self) -> Cut:
        """One or two days land, or files of a source that had none on that day; else a file grows."""
        files: Content = {}
        for day in self.rng.sample(self.days, min(len(self.days), self.rng.choice((1, 1, 2)))):
            missing = [source for source in self.shape.sources if source not in self.content.get(day, {})]
            if missing:
                files[day] = self.file_of_each(missing, day)
        return Cut(files) if files else self.grown_file()

    def grown_file(self) -> Cut:
        """A file that lies there gets more lines at its end."""
        day, source = self.rng.choice(sorted((day, source) for day in self.content for source in self.content[day]))
        return Cut({day: {source: self.content[day][source] + self.rows(source, day)}})

    def smaller_days(self) -> Cut:
        """An interval loses some of its lines, and files without a line."""
        return Cut({day: self.some_of(self.content.get(day, {})) for day in self.some_interval()}, replaces=True)

    def empty_day(self) -> Cut:
        """A day is replaced by nothing."""
        return Cut({self.rng.choice(sorted(self.content)): {}}, replaces=True)

    def other_days(self) -> Cut:
        """An interval is replaced by other rows."""
        days = self.some_interval()
        return Cut({day: self.file_of_each(self.shape.sources, day) for day in days}, replaces=True)

    def equal_day(self) -> Cut:
        """A day lands again as it was."""
        day = self.rng.choice(sorted(self.content))
        return Cut({day: dict(self.content[day])}, replaces=self.rng.random() < 0.5)

    def some_interval(self) -> list[date]:
        """Return a day that has landed, perhaps with the day after it."""
        day = self.rng.choice(sorted(self.content))
        return [day, day + timedelta(days=1)] if self.rng.random() < 0.3 and day != self.days[-1] else [day]

    def some_of(self, files: dict[str, list[PlainRow]]) -> dict[str, list[PlainRow]]:
        """Return the files with some of their lines."""
        smaller = {source: [row for row in rows if self.rng.random() < 0.6] for source, rows in files.items()}
        return {source: rows for source, rows in smaller.items() if rows}

    def cut(self) -> Cut:
        """Return the next cut."""
        grow: list[Callable[[], Cut]] = [self.new_days, self.grown_file]
        shrink: list[Callable[[], Cut]] = [self.smaller_days, self.other_days, self.empty_day, self.equal_day]
        if not self.content:
            return self.new_days()
        if self.shape.only_grows:
            return self.rng.choices(grow, (3, 1))[0]()
        return self.rng.choices(grow + shrink, (6, 2, 4, 2, 2, 1))[0]()


def random_history(rng: random.Random, shape: Shape | None = None) -> list[Cut]:
    """Return a random history."""
    shape = shape or Shape()
    writer = _Writer(rng, shape)
    decisions = RandomDecisions(rng, shape.values)
    maps = RandomMaps(rng, shape.values, shape.kind)
    cuts = []
    for _ in range(shape.cuts):
        cut = writer.cut()
        writer.content = content_after(writer.content, cut)
        if shape.decisions and rng.random() < shape.decisions:
            cut = changed(cut, decisions=decisions.some())
        if shape.maps and rng.random() < shape.maps:
            cut = changed(cut, maps=maps.some())
        cuts.append(cut)
    return cuts


def content_after(content: Content, cut: Cut) -> Content:
    """Return what lies in the landing folder after a cut, days without a file left out."""
    later = {day: dict(files) for day, files in content.items()}
    for day, files in cut.files.items():
        later[day] = dict(files) if cut.replaces else {**later.get(day, {}), **files}
    return {day: later[day] for day in sorted(later) if later[day]}


def final_content(cuts: Sequence[Cut]) -> Content:
    """Return what lies in the landing folder after a history."""
    content: Content = {}
    for cut in cuts:
        content = content_after(content, cut)
    return content


def day_by_day(content: Content) -> list[Cut]:
    """Deliver a content in the order of its days."""
    return [Cut({day: content[day]}) for day in sorted(content)]


def in_random_day_order(content: Content, rng: random.Random) -> list[Cut]:
    """Deliver a content day by day, in a random order of the days."""
    return [Cut({day: content[day]}) for day in rng.sample(sorted(content), len(content))]


def in_one_go(content: Content) -> list[Cut]:
    """Deliver a content in a single cut."""
    return [Cut(content)] if content else []


def with_one_day_twice(content: Content, rng: random.Random) -> list[Cut]:
    """Deliver a content day by day, and one of the days a second time, as new files or in place of itself."""
    cuts = day_by_day(content)
    if cuts:
        again = rng.randrange(len(cuts))
        cuts.insert(rng.randint(again + 1, len(cuts)), Cut(cuts[again].files, replaces=rng.random() < 0.5))
    return cuts


def deliveries(content: Content, rng: random.Random) -> dict[str, list[Cut]]:
    """Return all the ways to deliver one content, by name."""
    return {
        "day by day": day_by_day(content),
        "in random day order": in_random_day_order(content, rng),
        "in one go": in_one_go(content),
        "with one day twice": with_one_day_twice(content, rng),
    }


def path_of(day: date, source: str) -> str:
    """Return where the file of a day and source lies, relative to the project."""
    return f"landing/{source}/{day.isoformat()}/events.ndjson"


def write_cut(cut: Cut, project: Path) -> None:
    """Put a cut into the landing folder of a project."""
    if cut.replaces:
        for day in cut.files:
            for file in sorted(project.glob(path_of(day, "*"))):
                file.unlink()
    for day, files in cut.files.items():
        for source, rows in files.items():
            file = project / path_of(day, source)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def to_history(cuts: Sequence[Cut]) -> list[Step]:
    """Return the oracle's steps of a history, one per cut."""
    return [_to_step(cut) for cut in cuts]


def to_row(day: date, source: str, line: int, row: PlainRow) -> Row:
    """Return the oracle's row of a line of a landing file; lines count from 1."""
    return Row(
        source=source,
        day=day,
        place=(path_of(day, source), line),
        event_id=h("event", source, row["id"]),
        time=datetime.fromisoformat(row["ts"]),
        identifiers=tuple(Identifier(rule, value) for rule in RULES for value in row["ids"].get(rule, [])),
        amount=Decimal(str(row["amount"])),
        mirrored=source in MIRRORS,
        deleted=source in MIRRORS and row.get("deleted", False),
    )


def _to_step(cut: Cut) -> Step:
    files = {
        LandingFile(day, source, path_of(day, source)): tuple(
            to_row(day, source, line, row) for line, row in enumerate(rows, start=1)
        )
        for day, sources in cut.files.items()
        for source, rows in sources.items()
    }
    return Step(files, frozenset(cut.files if cut.replaces else ()), cut.decisions, cut.maps)

"""What a run finds: landed rows, operators' decisions, rows of identity maps; and which landed rows are events.

A world is what lies in the landing folder now; one row of it is a landed row that is valid. One event per event_id:
of all its rows the least by (day of arrival, source, place) is the event, whatever the order in which they came, and
the others are its duplicates. Rows of mirrors come before those: the greatest by (day of arrival, place) is the event,
or, if it is deleted, there is none; the others are superseded. Nothing about the choice is remembered: when the
winner's day is replaced without it, the best of the others is simply the first now.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache


@cache
def h(*parts: str) -> str:
    """Return the UUID of the first 16 bytes of SHA-256 over the UTF-8 parts joined by U+001F."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8")).digest()
    return str(uuid.UUID(bytes=digest[:16]))


@dataclass(frozen=True)
class Identifier:
    """A normalised value of one identifier type."""

    type: str
    value: str

    @property
    def identifier_id(self) -> str:
        """Its hash key."""
        return h("identifier", self.type, self.value)


@dataclass(frozen=True)
class Row:
    """A valid landed row. ``identifiers`` stand in the order of the rules, then of the array; repeats are allowed.

    ``mirrored``: whether it is of a mirror, and may be ``deleted``.
    """

    source: str
    day: date
    place: tuple[str, int]
    event_id: str
    time: datetime
    identifiers: tuple[Identifier, ...]
    amount: Decimal = Decimal(0)
    mirrored: bool = False
    deleted: bool = False

    @property
    def precedence(self) -> tuple[date, str, tuple[str, int]]:
        """What decides between rows of one event_id that were appended: the least wins."""
        return (self.day, self.source, self.place)

    @property
    def lateness(self) -> tuple[date, tuple[str, int], str]:
        """What decides between rows of mirrors: the greatest wins."""
        return (self.day, self.place, self.source)


@dataclass(frozen=True)
class LandingFile:
    """Where a file lies: rows of one day of arrival and one source."""

    day: date
    source: str
    path: str


World = Mapping[LandingFile, tuple[Row, ...]]


@dataclass(frozen=True)
class Decision:
    """What an operator decides (same, different, unstitch, quarantine, release), or takes back if it ``withdraws``."""

    verdict: str
    identifier_id: str
    other_id: str | None = None
    withdraws: bool = False

    @property
    def subject(self) -> tuple[str, frozenset[str]]:
        """What the decision is about: of all about one subject the latest holds, and all are withdrawn at once."""
        question = {"same": "one", "different": "one", "quarantine": "hub", "release": "hub"}.get(self.verdict, "links")
        return (question, frozenset(filter(None, (self.identifier_id, self.other_id))))


@dataclass(frozen=True)
class MapRow:
    """A row of an identity map's table: its primary value and the persons' values by type, None where it has none."""

    primary: str
    persons: tuple[tuple[str, str | None], ...]
    updated_at: datetime | None = None
    deleted: bool = False


MapTables = tuple[tuple[MapRow, ...], ...]


@dataclass(frozen=True)
class Step:
    """What one run finds: ``files`` as they are now, after all other files of the ``replaced`` days are gone.

    A plain run replaces no day: it lands new and changed files and takes nothing else away.

    Attributes:
        files: The files that are new or changed, or all of the replaced days.
        replaced: The days that are replaced.
        decisions: What operators decided and withdrew since the last run, in that order.
        maps: The rows that each of the kind's identity maps holds now; None where they are as they were.
    """

    files: World
    replaced: frozenset[date] = field(default_factory=frozenset)
    decisions: tuple[Decision, ...] = ()
    maps: MapTables | None = None

    def __post_init__(self) -> None:
        """Refuse a step that contradicts itself."""
        for file, rows in self.files.items():
            if self.replaced and file.day not in self.replaced:
                raise ValueError(f"{file} is not of a replaced day")
            for row in rows:
                if (row.day, row.source, row.place[0]) != (file.day, file.source, file.path):
                    raise ValueError(f"{row} does not lie in {file}")


def land(files: World, *decisions: Decision, maps: MapTables | None = None) -> Step:
    """Return the step of a plain run: these files are new or changed, this was decided, this is in the maps."""
    return Step(files, decisions=decisions, maps=maps)


def replace(days: Iterable[date], files: World) -> Step:
    """Return the step of a run with ``--from/--to``: the days hold exactly these files, nothing included."""
    return Step(files, frozenset(days))


def after(world: World, step: Step) -> World:
    """Return the world as it is after a step."""
    kept = {file: rows for file, rows in world.items() if file.day not in step.replaced}
    return {**kept, **step.files}


def choose_events(world: World) -> tuple[dict[str, Row], dict[Row, str]]:
    """Return the events by event_id, and the rows that are none, each with the reason: of one id the best first."""
    of_one: dict[str, list[Row]] = {}
    for row in (row for rows in world.values() for row in rows):
        of_one.setdefault(row.event_id, []).append(row)
    events: dict[str, Row] = {}
    rejected: dict[Row, str] = {}
    for event_id, rows in of_one.items():
        latest = sorted((row for row in rows if row.mirrored), key=lambda row: row.lateness, reverse=True)
        earliest = sorted((row for row in rows if not row.mirrored), key=lambda row: row.precedence)
        winner, *others = latest + earliest
        if winner.deleted:
            rejected[winner] = "deleted"
        else:
            events[event_id] = winner
        rejected |= dict.fromkeys(others, "superseded" if winner.mirrored else "duplicate")
    return events, rejected

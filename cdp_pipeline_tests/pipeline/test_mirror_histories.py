"""Random histories of ids that a table, two mirrors in files and a source that appends share: what landed is the truth.

Here the truth is what lies in the folder and in the table now. A failure names its seed. `CDP_TEST_SEED=…` tries other
histories, `CDP_TEST_MIRROR_HISTORIES=1000` more of them.
"""

import os
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cdp_pipeline.events.landing import Days
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline
from cdp_pipeline_tests.pipeline.projects import lines, project

MANY = int(os.environ.get("CDP_TEST_MIRROR_HISTORIES", "3"))
CUTS = 6
FIRST = date(2026, 2, 1)
EVENT = "event: {id: id, source: \"'shop'\", type: type, time: \"'2026-01-15'\", payload: said}"
SOURCES = f"""\
  web: {{files: 'landing/{{day}}/web*', {EVENT}}}
  crm: {{files: 'landing/{{day}}/crm*', mode: mirror, deleted: gone, {EVENT}}}
  contacts: {{table: raw.contacts, arrived_at: updated_at, mode: mirror, deleted: gone, {EVENT}}}
  late: {{files: 'landing/late*', arrived_at: updated_at, mode: mirror, deleted: gone, {EVENT}}}
"""
FILES = ("web", "crm", "crm-2", "late")


@dataclass(frozen=True)
class Fact:
    """A landed row: where it lies, when it arrived, what it says. ``at`` is None of a source that appends."""

    place: str
    line: int
    day: date
    id: str
    type: str
    at: datetime | None
    gone: bool

    @property
    def rank(self) -> tuple[float, str, int]:
        """What decides: of a mirror the greatest, of others the least."""
        return ((self.at or datetime.combine(self.day, datetime.min.time(), UTC)).timestamp(), self.place, self.line)


def truth(facts: list[Fact]) -> tuple[set[tuple[str, date, str]], Counter[tuple[str, date, str, str]]]:
    """Return the events, and the rejected rows with their reasons."""
    events, rejected = set(), Counter[tuple[str, date, str, str]]()
    for event_id in {fact.id for fact in facts}:
        of_id = [fact for fact in facts if fact.id == event_id]
        mirrored = sorted((fact for fact in of_id if fact.at is not None), key=lambda fact: fact.rank, reverse=True)
        winner, *others = mirrored + sorted((f for f in of_id if f.at is None), key=lambda fact: fact.rank)
        if winner.gone:
            rejected[winner.id, winner.day, winner.type, "deleted"] += 1
        else:
            events.add((winner.id, winner.day, winner.type))
        rejected.update((f.id, f.day, f.type, "superseded" if winner.at else "duplicate") for f in others)
    return events, rejected


class World:
    """The landing folder and the table, and what of both has landed."""

    def __init__(self, rng: random.Random, pipeline: Pipeline) -> None:
        """Nothing lies there yet."""
        self.rng = rng
        self.pipeline = pipeline
        self.files: dict[str, list[Fact]] = {}
        self.table: dict[str, Fact] = {}
        self.landed: dict[tuple[str, date], list[Fact]] = {}
        self.made = 0
        pipeline.execute("create schema raw")
        pipeline.execute(
            "create table raw.contacts (id text, type text, said text, updated_at timestamptz, gone boolean)"
        )

    def fact(self, place: str, line: int, day: date) -> Fact:
        """Return a new row; many arrive at the same moment."""
        self.made += 1
        source = place.rpartition("/")[2].partition("-")[0].partition(".")[0]
        start = datetime.combine(day, datetime.min.time(), UTC)
        hours = self.rng.choice((0, 0, 10, 23)) if source in ("late", "raw") else 0
        at = None if source == "web" else start + timedelta(hours=hours)
        return Fact(
            place, line, day, str(self.rng.randrange(4)), f"{self.made}", at, at is not None and self.rng.random() < 0.3
        )

    def change_files(self) -> None:
        """Write one or two files anew; those of `late` are of several days."""
        for _ in range(self.rng.randint(1, 2)):
            name, day = self.rng.choice(FILES), self.some_day()
            place = f"landing/{name}.ndjson" if name == "late" else f"landing/{day}/{name}.ndjson"
            count = self.rng.randrange(4)
            self.files[place] = [
                self.fact(place, line, self.some_day() if name == "late" else day) for line in range(1, count + 1)
            ]
            self.pipeline.write(place, lines(*(self.line(fact) for fact in self.files[place])))

    @staticmethod
    def line(fact: Fact) -> dict[str, object]:
        at = None if fact.at is None else fact.at.isoformat()
        return {"id": fact.id, "type": fact.type, "said": {}, "updated_at": at, "gone": fact.gone}

    def change_table(self) -> None:
        """Insert, update and delete contacts; each update moves a row to another moment, of any day."""
        for _ in range(self.rng.randint(1, 3)):
            contact = str(self.rng.randrange(4))
            self.pipeline.execute("delete from raw.contacts as c where c.id = :id", id=contact)
            gone = self.table.pop(contact, None)
            if gone is None or self.rng.random() < 0.8:
                fact = replace(self.fact("raw", 1, self.some_day()), id=contact)
                self.table[contact] = replace(fact, place=f"raw.contacts/{fact.day}")
                self.pipeline.execute(
                    "insert into raw.contacts (id, type, said, updated_at, gone) values (:id, :type, '{}', :at, :gone)",
                    id=contact, type=fact.type, at=fact.at, gone=fact.gone,
                )  # fmt: skip

    def some_day(self) -> date:
        return FIRST + timedelta(days=self.rng.randrange(3))

    def run(self) -> None:
        """Land what is new, or replace a day."""
        lying = [*self.table.values(), *(fact for facts in self.files.values() for fact in facts)]
        day = self.some_day()
        if self.rng.random() < 0.3:
            self.pipeline.land(Days(day, day))
            kept = {key: facts for key, facts in self.landed.items() if key[1] != day}
            now = [fact for fact in lying if fact.day == day]
        else:
            self.pipeline.land()
            kept, now = {}, lying
            if not self.table:  # which looks like a load that failed
                kept = {key: facts for key, facts in self.landed.items() if key[0].startswith("raw.")}
        self.landed = kept
        for fact in now:
            self.landed.setdefault((fact.place, fact.day), []).append(fact)


@pytest.mark.parametrize("number", range(MANY))
def test_what_landed_is_what_lies_there(tmp_path: Path, seed: int, number: int) -> None:
    with open_pipeline(tmp_path, project(SOURCES)) as pipeline:
        world = World(random.Random(seed + number), pipeline)
        for cut in range(CUTS):
            where = f"seed {seed + number}, cut {cut}"
            for change in world.rng.sample((world.change_files, world.change_table), world.rng.randint(1, 2)):
                change()
            world.run()
            events, rejected = truth([fact for facts in world.landed.values() for fact in facts])
            found = pipeline.query("select e.source_event_id, e.arrived_on, e.type from cdp.customer_events as e")
            assert set(found) == events, where
            assert len(found) == len(events), where
            reasons = pipeline.query(
                "select d.source_event_id, d.arrived_on, d.type, d.reason from cdp.rejected_events as d"
            )
            assert Counter(reasons) == rejected, where

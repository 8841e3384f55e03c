"""The change feed: whoever keeps a copy of the profiles by it has what the warehouse has, wherever they begin."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations import typed_rows
from cdp_pipeline.operations.change_feed import export_changes
from cdp_pipeline.operations.decisions import settle
from cdp_pipeline.operations.erase import erase
from cdp_pipeline.operations.export import Format, export_profiles
from cdp_pipeline.operations.session import Session
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, THIRD, TINY, land, row
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline

# Of a profile that is the same as before, what tells when it was last worked out is no change.
WHEN = ("calculated", "valid_at")
Line = dict[str, Any]


@dataclass
class Copy:
    """A copy of the profiles, kept by the feed alone."""

    cursor: int = 0
    profiles: dict[str, Line] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def catch_up(self, pipeline: Pipeline) -> list[Line]:
        """Do what came since the last time; returns it."""
        place = pipeline.folder / "changes.ndjson"
        done = export_changes(pipeline.connection, pipeline.project, "customer", self.cursor, place)
        lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
        assert done.ops == Counter(line["op"] for line in lines)
        assert done.cursor == max([self.cursor, *(line["number"] for line in lines)])
        self.cursor = done.cursor
        for line in lines:
            self._take(line)
        return lines

    def _take(self, line: Line) -> None:
        entity = line["entity_id"]
        self.profiles.pop(entity, None)
        self.merged.pop(entity, None)
        if line["op"] == "upsert":
            assert line["profile"].pop("entity_id") == entity
            self.profiles[entity] = {name: value for name, value in line["profile"].items() if name not in WHEN}
        elif line["op"] == "merge":
            self.merged[entity] = line["to_entity_id"]


def published(pipeline: Pipeline) -> dict[str, Line]:
    """Return the profiles by entity, as an export gives them."""
    place = pipeline.folder / "profiles.ndjson"
    export_profiles(pipeline.connection, pipeline.project, "customer", Format.JSON, place)
    rows = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    return {each.pop("entity_id"): {name: value for name, value in each.items() if name not in WHEN} for each in rows}


class Story:
    """A pipeline with three readers: one reads after every run, one after every second, one at the end."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.copies = [Copy(), Copy()]
        self.runs = 0

    def run(self, **asked: Any) -> list[tuple[str, ...]]:
        """Run, and let the readers read; returns what the first of them was told, in short."""
        self.pipeline.run(**asked)
        self.runs += 1
        told = self.copies[0].catch_up(self.pipeline)
        if self.runs % 2 == 0:
            self.copies[1].catch_up(self.pipeline)
        return sorted(self.short(line) for line in told)

    def short(self, line: Mapping[str, Any]) -> tuple[str, ...]:
        """Return a line as its op, and what it says beyond that: whom, into whom, why."""
        if line["op"] == "upsert":
            return "upsert", line["profile"]["person_key"]
        if line["op"] == "merge":
            return "merge", self.copies[0].profiles[line["to_entity_id"]]["person_key"]
        return "delete", line["reason"]

    def check(self) -> None:
        """Hold what every reader has against what is published."""
        wanted = published(self.pipeline)
        redirects: dict[str, str | None] = dict(
            self.pipeline.query("select r.from_entity_id, r.to_entity_id from kind.entity_redirects as r")
        )
        for copy in (*self.copies, Copy()):
            copy.catch_up(self.pipeline)
            assert copy.profiles == wanted
            assert copy.merged == {one: to for one, to in redirects.items() if to is not None and one in copy.merged}
            assert copy.catch_up(self.pipeline) == []
        assert self.copies[0].merged == self.copies[1].merged


def decide(pipeline: Pipeline, *names: str, undo: bool = False) -> None:
    settle(pipeline.connection, pipeline.project, "unstitch", list(names), by="mia", why="she said so", undo=undo)


def test_a_copy_kept_by_the_feed_is_what_is_published(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_rows, "ROWS_PER_SLICE", 2)
    pipeline = start(TINY)
    story = Story(pipeline)
    land(pipeline.folder, FIRST, [*DAYS[FIRST], row(9, FIRST, cookie="c")])
    assert story.run() == [("upsert", "a"), ("upsert", "b"), ("upsert", "c")]
    for day in (SECOND, THIRD):
        land(pipeline.folder, day, DAYS[day])
    assert story.run() == [("merge", "ann"), ("upsert", "ann"), ("upsert", "bob")]
    assert story.run(full=True) == [], "worked out anew, and the same as before"

    # Two cookies are not theirs after all. Then one of them is, and the other's one event turns out to be Bob's.
    decide(pipeline, "cookie:b")
    decide(pipeline, "cookie:c")
    assert story.run() == [("upsert", "ann"), ("upsert", "b"), ("upsert", "bob"), ("upsert", "c")]
    decide(pipeline, "cookie:b", undo=True)
    land(pipeline.folder, FIRST, [*DAYS[FIRST], row(9, FIRST, cookie="c", email="bob")])
    assert story.run() == [("delete", "restitched"), ("merge", "ann"), ("upsert", "ann"), ("upsert", "bob")]
    story.check()

    # Bob's events are gone, and with them all that tied anything to his id.
    land(pipeline.folder, FIRST, DAYS[FIRST])
    land(pipeline.folder, SECOND, [each for each in DAYS[SECOND] if each.get("email") != "bob"])
    assert ("delete", "retired") in story.run()
    # A new column is news of everybody; a chain of merges ends in whoever is left.
    pipeline.rewrite(TINY + "      - {id: n_views, type: expression, value: count(*)}\n")
    land(pipeline.folder, THIRD, [row(7, THIRD, cookie="b", email="abe"), row(10, THIRD, cookie="a", email="abe")])
    story.run()
    story.check()
    assert len(set(story.copies[0].merged.values())) == 1
    erase(
        Session(pipeline.connection, pipeline.project, pipeline.new_run().run),
        "email:ann", only_identifier=False, by="mia", why="asked",
    )  # fmt: skip
    told = [story.short(line) for line in story.copies[0].catch_up(pipeline)]
    assert set(told) == {("delete", "erased")}
    assert len(told) == 2
    story.check()
    assert "ann" not in repr(pipeline.dump()["customer.profile_changes"])


def test_a_feed_begins_with_all_that_is_there(start: Start) -> None:
    pipeline = start(TINY)
    for day, rows in DAYS.items():
        land(pipeline.folder, day, rows)
    pipeline.run()
    before = Copy()
    before.catch_up(pipeline)
    pipeline.execute("delete from kind.profile_changes")  # as a release that had no feed leaves it
    land(pipeline.folder, THIRD, [*DAYS[THIRD], row(10, THIRD, email="bob")])
    pipeline.run()
    for copy in (before, Copy()):
        assert len(copy.catch_up(pipeline)) == 2
        assert copy.profiles == published(pipeline)
    for wrong in (-1, before.cursor + 100):
        with pytest.raises(UsageError, match=rf"{wrong} is no cursor of this warehouse, .* begin again with --since 0"):
            Copy(wrong).catch_up(pipeline)

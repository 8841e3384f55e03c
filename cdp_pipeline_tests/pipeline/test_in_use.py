"""Identifiers and linked pairs over all days, when a day says more, less or something else than it did."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any, TypeAlias

import pytest

from cdp_pipeline.events.landing import Days
from cdp_pipeline.identity import identity_graph
from cdp_pipeline.identity.identity_graph import FEW_DAYS, link_identifiers
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.maps import FIRST, RENAMES, add_people, make_people, make_renames, with_maps
from cdp_pipeline_tests.pipeline.projects import day, lines, project, row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

Row: TypeAlias = dict[str, Any]
Known: TypeAlias = dict[str, tuple[datetime, datetime, int]]
MORNING, NOON, EVENING = (f"2026-02-01T{hour}:00:00Z" for hour in ("08", "12", "18"))
# What a day said and says, each event with its name and time. Of two at one moment the one of the smaller id is the
# first, whichever that is.
CHANGES = {
    "one more in between": ({"a": MORNING, "b": EVENING}, {"a": MORNING, "n": NOON, "b": EVENING}),
    "one more before all": ({"a": NOON}, {"a": NOON, "n": MORNING}),
    "one more after all": ({"a": NOON}, {"a": NOON, "n": EVENING}),
    "the first goes": ({"a": MORNING, "b": NOON}, {"b": NOON}),
    "the last goes": ({"a": EVENING, "b": NOON}, {"b": NOON}),
    "one goes and one comes": ({"a": MORNING, "b": NOON}, {"b": NOON, "n": EVENING}),
    "the first moves on": ({"a": MORNING}, {"a": EVENING}),
    "all go": ({"a": MORNING, "b": EVENING}, {}),
    "the one of two at once goes": ({"a": MORNING, "b": MORNING}, {"b": MORNING}),
    "the other of two at once goes": ({"a": MORNING, "b": MORNING}, {"a": MORNING}),
}
ELSEWHERE = {"o": NOON, "p": NOON}


def rows_of(name: str, events: dict[str, str]) -> list[Row]:
    """Return events that link an e-mail and a cookie of this name."""
    return [row(f"{name} {event}", at=at, email=f"e of {name}", cookie=f"c of {name}") for event, at in events.items()]


def by_hand(rows: list[Row]) -> tuple[Known, dict[tuple[str, str], datetime]]:
    """What the rows say of each identifier, first, last and how often it was seen, and when of each pair last."""
    times: dict[str, list[datetime]] = defaultdict(list)
    pairs: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for each in rows:
        at = datetime.fromisoformat(each["at"])
        values = [each[name] for name in ("email", "cookie") if name in each]
        for value in values:
            times[value].append(at)
        if len(values) > 1:
            pairs[values[0], values[1]].append(at)
    known = {value: (min(moments), max(moments), len(moments)) for value, moments in times.items()}
    return known, {pair: max(moments) for pair, moments in pairs.items()}


def in_warehouse(pipeline: Pipeline) -> tuple[Known, dict[tuple[str, str], datetime]]:
    identifiers = pipeline.query("select i.value, i.first_seen, i.last_seen, i.events from kind.identifiers as i")
    pairs = pipeline.query(
        "select i.value, j.value, g.last_seen from kind.linked_pairs as g "
        "join kind.identifiers as i on i.identifier_id = g.identifier_id "
        "join kind.identifiers as j on j.identifier_id = g.other_id where g.of_events and not g.of_maps"
    )
    return {value: (first, last, events) for value, first, last, events in identifiers}, {
        (one, other): last for one, other, last in pairs
    }


@pytest.mark.parametrize("few_days", [FEW_DAYS, 0], ids=["added up", "of all days"])
def test_a_day_that_says_something_else_is_taken_in_as_if_all_were_read(
    start: Start, monkeypatch: pytest.MonkeyPatch, few_days: int
) -> None:
    monkeypatch.setattr(identity_graph, "FEW_DAYS", few_days)
    before, after = (
        [each for name, said in CHANGES.items() for each in rows_of(name, said[place])] for place in (0, 1)
    )
    before += [row("pair", at=EVENING, email="parted", cookie="from it")]
    after += [row("pair", at=EVENING, email="parted"), row("other", at=EVENING, cookie="from it")]
    twice = {f"{name}, with another day": days for name, days in CHANGES.items()}
    before += [each for name, (rows, _) in twice.items() for each in rows_of(name, rows)]
    after += [each for name, (_, rows) in twice.items() for each in rows_of(name, rows)]
    elsewhere = [each | {"id": f"{each['id']} 2"} for name in twice for each in rows_of(name, ELSEWHERE)]
    pipeline = start(project())
    pipeline.write(f"landing/{day(1)}/web.ndjson", lines(*before))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*elsewhere))
    pipeline.run()
    assert in_warehouse(pipeline) == by_hand(before + elsewhere)
    pipeline.write(f"landing/{day(1)}/web.ndjson", lines(*after))
    pipeline.replace(date(2026, 2, 1))
    assert in_warehouse(pipeline) == by_hand(after + elsewhere)
    check_full_run(pipeline, "a day that says something else")


def test_days_that_are_asked_for_make_up_for_what_was_done_by_hand(start: Start) -> None:
    pipeline = start(project())
    rows = rows_of("a", {"a": MORNING, "b": EVENING})
    pipeline.write(f"landing/{day(1)}/web.ndjson", lines(*rows))
    pipeline.run()
    damage = (
        "delete from kind.identifier_sightings as s",
        "delete from kind.identity_graph as g",
        "update kind.identifiers as i set events = 7",
        "update kind.linked_pairs as p set of_maps = true",
    )
    for by_hand_done in damage:
        assert pipeline.execute(by_hand_done) > 0
        asked = Days(date(2026, 2, 1), date(2026, 2, 1))
        link_identifiers(pipeline.connection, pipeline.project, "customer", pipeline.new_run(), days=asked)
        assert in_warehouse(pipeline) == by_hand(rows), by_hand_done
    check_full_run(pipeline, "by hand")


def test_the_first_event_of_who_stands_in_a_map_is_found_though_the_map_is_older(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w", "m@x.org", None, 1))
    pipeline.write(f"landing/{day(5)}/web.ndjson", lines(row("late", at="2026-02-05T12:00:00Z", web="w")))
    pipeline.run()
    pipeline.write(f"landing/{day(6)}/web.ndjson", lines(row("early", at="2026-02-03T12:00:00Z", web="w")))
    pipeline.run()
    query = (
        "select e.source_event_id from kind.identifiers as i "
        "join cdp.customer_events as e on e.event_id = i.first_event_id where i.value = 'w'"
    )
    assert pipeline.column(query) == ["early"]
    check_full_run(pipeline, "older map")


def test_a_pair_of_a_map_and_of_events_stays_the_maps_when_the_events_go(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w", "m@x.org", None, 1))
    both = row("both", at="2026-02-05T12:00:00Z", web="w", email="m@x.org")
    pairs = (
        "select g.of_events, g.of_maps from kind.linked_pairs as g "
        "join kind.identifiers as i on i.identifier_id = g.identifier_id and i.value = 'm@x.org'"
    )
    pipeline.write(f"landing/{day(5)}/web.ndjson", lines(both))
    pipeline.run()
    assert pipeline.query(pairs) == [(True, True)]
    pipeline.write(f"landing/{day(6)}/web.ndjson", lines(both | {"id": "again"}))
    pipeline.run()
    assert pipeline.query(pairs) == [(True, True)]
    for number in (5, 6):
        pipeline.write(f"landing/{day(number)}/web.ndjson", "")
    pipeline.replace(date(2026, 2, 5), date(2026, 2, 6))
    assert pipeline.query(pairs) == [(False, True)]
    check_full_run(pipeline, "a map's alone")


def test_an_event_that_comes_and_goes_between_two_looks_leaves_no_trace(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w", "m@x.org", None, 1))
    pipeline.run()
    both = row("both", at="2026-02-05T12:00:00Z", web="w", email="m@x.org")
    pipeline.write(f"landing/{day(5)}/web.ndjson", lines(both))
    pipeline.run(until="customer/event_identifiers")
    pipeline.write(f"landing/{day(5)}/web.ndjson", "")
    pipeline.replace(date(2026, 2, 5))
    assert set(pipeline.column("select g.of_events from kind.linked_pairs as g")) == {False}
    check_full_run(pipeline, "came and went")


def test_a_pair_that_turns_while_its_events_grow_is_one_pair(start: Start) -> None:
    pipeline = start(with_maps(FIRST, RENAMES))
    make_people(pipeline)
    make_renames(pipeline)
    both = row("both", at="2026-02-05T12:00:00Z", web=["old", "new"])
    pipeline.write(f"landing/{day(5)}/web.ndjson", lines(both))
    pipeline.run()
    for renames in ([("old", "new")], [("new", "old")], []):
        make_renames(pipeline, *renames)
        add_people(pipeline, (f"w{len(renames)}", f"{len(renames)}@x.org", None, 1))
        pipeline.write(f"landing/{day(6)}/web-{renames}.ndjson", lines(both | {"id": f"of {renames}"}))
        pipeline.run()
        check_full_run(pipeline, f"renames: {renames}")

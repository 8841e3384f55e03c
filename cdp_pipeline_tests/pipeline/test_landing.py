"""Days and files: what a run reads, what replaces what, and which row of an id is the event."""

import itertools
import os
from datetime import date, timedelta
from typing import Any

import pytest

from cdp_pipeline.errors import InputError
from cdp_pipeline.events import customer_events
from cdp_pipeline.events.landing import Days
from cdp_pipeline.warehouse.stage import Due, Facts
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows
from cdp_pipeline_tests.pipeline.projects import WEB, day, lines, project, row

APP = """\
  app: {files: 'landing/{day}/app*', event: {id: id, type: type, time: at}}
"""
ONE_SHOP = """\
  web: {files: 'landing/{day}/web*', event: {id: id, source: "'shop'", type: type, time: at}}
  app: {files: 'landing/{day}/app*', event: {id: id, source: "'shop'", type: type, time: at}}
"""
BY_ROW = """\
  web: {files: 'landing/web*', arrived_at: got, event: {id: id, type: type, time: at}}
"""


def on(number: int) -> date:
    return date.fromisoformat(day(number))


def days(first: int, last: int | None = None) -> Days:
    return Days(on(first), on(last or first))


def events(pipeline: Pipeline) -> Rows:
    """Return the events: id, day, file and line, type."""
    return pipeline.query(
        "select e.source_event_id, cast(e.arrived_on as text), e.place || ':' || cast(e.place_row as text), e.type "
        "from cdp.customer_events as e order by 1, 2, 3"
    )


def ids(pipeline: Pipeline) -> list[str]:
    return [event[0] for event in events(pipeline)]


def rejected(pipeline: Pipeline) -> Rows:
    """Return the rejected rows: place and reason."""
    return pipeline.query("select d.location, d.reason from cdp.rejected_events as d order by 1, 2")


def what_landed(pipeline: Pipeline) -> dict[str, Rows]:
    """Return all that landing left behind, but for the numbers of transactions."""
    dump = pipeline.dump(without=("landed_in", "removed_in", "removed_events", "modified"))
    return {
        table: dump[f"cdp.{table}"] for table in ("customer_events", "rejected_events", "landed_rows", "landed_files")
    }


def test_one_event_of_an_id_whatever_the_order_of_processing(start: Start) -> None:
    """The least (day, source, place) is the event, across the sources that share ids."""
    files = {
        f"landing/{day(2)}/app.ndjson": lines(row(1, type="app, day 2")),
        f"landing/{day(2)}/web.ndjson": lines(row(1, type="web, day 2"), row(1, type="web, day 2, again"), row(2)),
        f"landing/{day(3)}/app.ndjson": lines(row(1, type="app, day 3")),
    }
    seen = []
    pipeline = None
    for order in itertools.permutations(files.items()):
        pipeline = start(project(ONE_SHOP))
        for place, content in order:
            pipeline.write(place, content)
            pipeline.land()
        seen.append(what_landed(pipeline))
    assert all(each == seen[0] for each in seen)
    assert pipeline is not None
    assert events(pipeline) == [
        ("1", day(2), f"landing/{day(2)}/app.ndjson:1", "app, day 2"),
        ("2", day(2), f"landing/{day(2)}/web.ndjson:3", "view"),
    ]
    assert rejected(pipeline) == [
        (f"landing/{day(2)}/web.ndjson:1", "duplicate"),
        (f"landing/{day(2)}/web.ndjson:2", "duplicate"),
        (f"landing/{day(3)}/app.ndjson:1", "duplicate"),
    ]
    told = pipeline.query("select d.source_id, d.event_id from cdp.rejected_events as d")
    (event_id,) = pipeline.column("select e.event_id from cdp.customer_events as e where e.source_event_id = '1'")
    assert set(told) == {("shop", event_id)}


def test_equal_ids_of_two_sources_are_two_events(start: Start) -> None:
    pipeline = start(project(WEB + APP))
    for source in ("web", "app"):
        pipeline.write(f"landing/{day(2)}/{source}.ndjson", lines(row(42)))
    pipeline.land()
    assert ids(pipeline) == ["42", "42"]
    assert not rejected(pipeline)


def test_best_duplicate_takes_over_when_the_winners_day_is_replaced_without_it(start: Start) -> None:
    pipeline = start(project(WEB + APP))
    for number in (2, 3, 4):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number * 10), row(1, type=f"day {number}")))
    pipeline.land()
    whole = what_landed(pipeline)
    assert events(pipeline)[0] == ("1", day(2), f"landing/{day(2)}/web.ndjson:2", "day 2")

    file = pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(20)))
    pipeline.land(days(2))
    assert events(pipeline)[0] == ("1", day(3), f"landing/{day(3)}/web.ndjson:2", "day 3")
    assert rejected(pipeline) == [(f"landing/{day(4)}/web.ndjson:2", "duplicate")]

    file.write_text(lines(row(20), row(1, type="day 2")))
    pipeline.land()
    assert what_landed(pipeline) | {"landed_files": []} == whole | {"landed_files": []}


def test_days_are_replaced_with_what_lies_there_nothing_included(start: Start) -> None:
    pipeline = start(project(WEB + APP))
    for number in (2, 3, 4):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number), "broken", row(number)))
    gone = pipeline.write(f"landing/{day(3)}/app.ndjson", lines(row("app")))
    pipeline.land()
    assert ids(pipeline) == ["2", "3", "4", "app"]
    gone.unlink()
    (pipeline.folder / f"landing/{day(3)}/web.ndjson").unlink()
    facts = pipeline.land(days(3))
    assert ids(pipeline) == ["2", "4"]
    assert facts.metrics["events_removed"] == 2
    for table in ("customer_events", "rejected_events", "landed_rows", "landed_files"):
        column = "day" if table == "landed_files" else "arrived_on"
        found = pipeline.query(
            " ".join(("select distinct t.", column, " from cdp.", table, " as t")).replace(". ", ".")
        )
        assert {each for (each,) in found} == {on(2), on(4)}, table
    assert not pipeline.plan().vanished


def test_replacing_a_range_lands_new_files_of_its_days_and_of_no_other(start: Start) -> None:
    pipeline = start(project())
    for number in (2, 3, 4, 5):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number)))
    pipeline.land(days(3, 4))
    assert ids(pipeline) == ["3", "4"]
    pipeline.land()
    assert ids(pipeline) == ["2", "3", "4", "5"]


def test_changed_file_is_read_again_and_one_that_was_only_touched_is_not(start: Start) -> None:
    pipeline = start(project())
    file = pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1), row(2)))
    pipeline.write(f"landing/{day(2)}/web-other.ndjson", lines(row(3)))
    pipeline.land()
    before = pipeline.dump()
    os.utime(file, (1, 1))
    assert pipeline.land().due is Due.NOTHING
    assert pipeline.dump() == before

    # As long as before, and as old.
    stat = file.stat()
    file.write_text(lines(row(1), row(4)))
    assert file.stat().st_size == stat.st_size
    assert pipeline.land().metrics["files"] == 1
    assert ids(pipeline) == ["1", "3", "4"]
    assert pipeline.land().due is Due.NOTHING


def test_only_what_differs_is_an_event_anew(start: Start) -> None:
    pipeline = start(project())
    file = pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1), row(2), row(3)))
    pipeline.land()
    (number,) = set(pipeline.column("select e.landed_in from cdp.customer_events as e"))
    file.write_text(lines(row(1), row(2, type="other"), row(4)))
    facts = pipeline.land()
    assert (facts.metrics["events_removed"], facts.metrics["events_added"]) == (2, 2)
    kept = pipeline.column("select e.source_event_id from cdp.customer_events as e where e.landed_in = :n", n=number)
    assert kept == ["1"]
    assert len(pipeline.column("select r.event_id from cdp.removed_events as r")) == 2


def test_vanished_file_is_told_and_takes_nothing_away(start: Start) -> None:
    pipeline = start(project())
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1)))
    gone = pipeline.write(f"landing/{day(3)}/web.ndjson", lines(row(2)))
    pipeline.land()
    before = pipeline.dump()
    gone.unlink()
    assert pipeline.plan().vanished == [f"landing/{day(3)}/web.ndjson"]
    assert pipeline.land().metrics["vanished_files"] == 1
    assert pipeline.dump() == before
    pipeline.land(days(2))
    assert ids(pipeline) == ["1", "2"]
    pipeline.land(days(3))
    assert ids(pipeline) == ["1"]
    assert not pipeline.plan().vanished


def test_vanished_file_of_several_days_goes_day_by_day(start: Start) -> None:
    pipeline = start(project(BY_ROW))
    gone = pipeline.write("landing/web.ndjson", lines(*(row(n, got=day(n)) for n in (2, 3, 4)), row(5)))
    pipeline.land()
    gone.unlink()
    pipeline.land(days(3))
    assert ids(pipeline) == ["2", "4"]
    assert pipeline.plan().vanished == ["landing/web.ndjson"]
    pipeline.land(days(2, 4))
    assert ids(pipeline) == []
    assert not pipeline.plan().vanished
    assert not pipeline.query("select r.place from cdp.landed_rows as r")


def test_day_of_a_file_of_several_days_is_replaced_alone(start: Start) -> None:
    pipeline = start(project(BY_ROW))
    rows = [row(n, got=day(n)) for n in (2, 3, 4)]
    file = pipeline.write("landing/web.ndjson", lines(*rows))
    pipeline.land()
    file.write_text(lines(*(each | {"type": "later"} for each in rows)))
    pipeline.land(days(3))
    assert [(event[0], event[3]) for event in events(pipeline)] == [("2", "view"), ("3", "later"), ("4", "view")]
    pipeline.land()
    assert {event[3] for event in events(pipeline)} == {"later"}


def test_changed_definition_of_a_source_lands_its_files_again(start: Start) -> None:
    pipeline = start(project(WEB + APP))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1, name="a"), row(2, name="b", env="test")))
    pipeline.write(f"landing/{day(2)}/app.ndjson", lines(row(3)))
    pipeline.land()
    pipeline.rewrite(
        project(WEB.replace("type: type", "type: name").replace("event:", "where: env is null, event:") + APP)
    )
    assert pipeline.land().metrics["files"] == 1
    assert [(event[0], event[3]) for event in events(pipeline)] == [("1", "a"), ("3", "view")]
    assert not rejected(pipeline)
    assert sum(pipeline.column("select r.landed_rows from cdp.landed_rows as r")) == 2


def test_source_that_is_declared_no_more_goes_when_its_days_are_replaced(start: Start) -> None:
    pipeline = start(project(WEB + APP))
    for number, source in itertools.product((2, 3), ("web", "app")):
        pipeline.write(f"landing/{day(number)}/{source}.ndjson", lines(row(f"{source} {number}")))
    pipeline.land()
    pipeline.rewrite(project(WEB))
    assert pipeline.plan().vanished == [f"landing/{day(number)}/app.ndjson" for number in (2, 3)]
    pipeline.land()
    assert len(ids(pipeline)) == 4
    pipeline.land(days(3))
    assert ids(pipeline) == ["app 2", "web 2", "web 3"]


def test_file_of_several_days_that_was_asked_for_one_of_them_is_known(start: Start) -> None:
    pipeline = start(project(BY_ROW))
    gone = pipeline.write("landing/web.ndjson", lines(*(row(n, got=day(n)) for n in (2, 3))))
    pipeline.land(days(3))
    assert ids(pipeline) == ["3"]
    gone.unlink()
    assert pipeline.plan().vanished == ["landing/web.ndjson"]
    pipeline.land(days(3))
    assert ids(pipeline) == []


@pytest.mark.parametrize("source", ["path", "row"])
def test_data_before_the_start_is_an_error_and_changes_nothing(start: Start, source: str) -> None:
    pipeline = start(project(WEB if source == "path" else BY_ROW))
    place, early = (
        ("landing/{}/web.ndjson", "2025-12-31") if source == "path" else ("landing/web-{}.ndjson", "2025-12-31")
    )
    pipeline.write(place.format(day(2)), lines(row(1, got=day(2))))
    pipeline.land()
    before = pipeline.dump()
    pipeline.write(place.format(early), lines(row(2, at="2025-12-30T00:00:00Z", got=early), row(3, got=day(2))))
    pipeline.write(place.format(day(3)), lines(row(4, got=day(3))))
    with pytest.raises(InputError, match=r"2025-12-31.*before the project's start.*`start: 2025-12-31`"):
        pipeline.land()
    assert pipeline.dump() == before


def test_patterns_find_the_day_wherever_it_stands(start: Start) -> None:
    sources = """\
  a: {files: 'landing/a-{day}-[0-9][!x-z].ndjson', event: {id: id, type: type, time: at}}
  b: {files: 'landing/**/{day}/b?.ndjson', event: {id: id, type: type, time: at}}
  c: {files: '{day}.ndjson', event: {id: id, type: type, time: at}}
"""
    pipeline = start(project(sources))
    right = [f"landing/a-{day(2)}-1a.ndjson", f"landing/{day(3)}/b1.ndjson", f"landing/eu/it/{day(4)}/b2.ndjson"]
    right.append(f"{day(5)}.ndjson")
    wrong = [f"landing/a-{day(2)}-1y.ndjson", f"landing/{day(3)}/b.ndjson", f"landing/.{day(3)}/b1.ndjson"]
    wrong += [f"landing/{day(3)}/.b.ndjson", f"landing/{day(3)}.txt"]
    for number, place in enumerate([*right, *wrong]):
        pipeline.write(place, lines(row(number)))
    assert [(reading.place, reading.day) for reading in pipeline.plan().readings] == [
        (place, on(number)) for number, place in enumerate(right, start=2)
    ]
    pipeline.write("yesterday.ndjson", "")
    with pytest.raises(InputError, match=r"yesterday\.ndjson: `yesterday` stands where the day of arrival should be"):
        pipeline.plan()


def test_files_of_days_to_come_wait_for_their_day(start: Start) -> None:
    pipeline = start(project())
    tomorrow = pipeline.now.date() + timedelta(days=1)
    place = f"landing/{tomorrow}/web.ndjson"
    pipeline.write(place, lines(row(1)))
    pipeline.write(f"landing/{pipeline.now.date()}/web.ndjson", lines(row(2)))
    assert pipeline.plan().waiting == [place]
    assert pipeline.land().metrics["waiting_files"] == 1
    assert ids(pipeline) == ["2"]
    pipeline.now += timedelta(days=1)
    pipeline.land()
    assert ids(pipeline) == ["1", "2"]
    assert not pipeline.plan().waiting


def test_end_of_the_project_is_its_last_day(start: Start) -> None:
    pipeline = start(project(WEB + BY_ROW.replace("web", "app"), more=f"end: {day(3)}\n"))
    for number in (3, 4):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number)))
    pipeline.write("landing/app.ndjson", lines(*(row(f"app {number}", got=day(number)) for number in (3, 4))))
    pipeline.land()
    assert ids(pipeline) == ["3", "app 3"]
    assert not rejected(pipeline)
    pipeline.rewrite(project(WEB + BY_ROW.replace("web", "app"), more=f"end: {day(4)}\n"))
    pipeline.land()
    assert ids(pipeline) == ["3", "4", "app 3", "app 4"]


def test_counts_add_up_by_source_and_day(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the files are put into transactions, each row is counted once."""
    seen: list[Any] = []
    for group_bytes in (1, 64 << 20):
        monkeypatch.setattr(customer_events, "GROUP_BYTES", group_bytes)
        pipeline = start(project(WEB + APP + BY_ROW.replace("web", "crm")))
        for number in (2, 3):
            pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number), row(number), "broken", row(1), ""))
            pipeline.write(f"landing/{day(number)}/app.ndjson", lines(row(9, type=""), row(number)))
        pipeline.write(
            "landing/crm-1.ndjson", lines(row(1, got=day(2)), row(2, got=day(4)), row(3), row(1, got="soon"))
        )
        pipeline.write("landing/crm-2.ndjson", lines(row(1, got=day(2)), row(2, got=day(3)), row(4, got=day(4))))
        counts = figures(pipeline.land())
        seen.append((what_landed(pipeline), counts))
        counted = pipeline.query("select sum(r.landed_rows) from cdp.landed_rows as r")
        assert counted == [(4 + 4 + 2 + 2 + 4 + 3,)]
    assert seen[0] == seen[1]
    by_day, totals = seen[0][1]
    assert by_day[on(2)] == of("web", 4, 2, 2, 1) | of("app", 2, 1, 1, 0) | of("crm", 2, 1, 1, 1)
    assert by_day[None] == of("crm", 2, 0, 2, 0)
    assert totals == {"landed_rows": 19, "rejected_rows": 11, "duplicates": 5, "events_added": 8, "events_removed": 0}
    for figures_of_day in by_day.values():
        for name in {figure.partition(" ")[0] for figure in figures_of_day}:
            events_and_rejected = figures_of_day[f"{name} events"] + figures_of_day[f"{name} rejected rows"]
            assert figures_of_day[f"{name} landed rows"] == events_and_rejected


def of(source: str, *counts: int) -> dict[str, int]:
    """Return the figures of a source on a day."""
    names = ("landed rows", "events", "rejected rows", "duplicates")
    return {f"{source} {name}": count for name, count in zip(names, counts, strict=True)}


def figures(facts: Facts) -> tuple[dict[date | None, dict[str, int]], dict[str, float]]:
    names = ("landed_rows", "rejected_rows", "duplicates", "events_added", "events_removed")
    return facts.days, {name: facts.metrics[name] for name in names}

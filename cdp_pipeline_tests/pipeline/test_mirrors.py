"""Mirrors: the latest row of an id is the event, a deleted row takes it away, and what gave way comes back."""

from datetime import date

import pytest

from cdp_pipeline.errors import InputError
from cdp_pipeline.events.landing import Days
from cdp_pipeline.warehouse.stage import Due
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows
from cdp_pipeline_tests.pipeline.projects import CUSTOMER, day, in_csv, lines, project, row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

CRM = """\
  crm: {files: 'landing/{day}/crm*', mode: mirror, deleted: gone, event: {id: id, type: type, time: at}}
"""
BY_ROW = """\
  crm: {files: 'landing/crm*', arrived_at: got, mode: mirror, deleted: gone, event: {id: id, type: type, time: at}}
"""
# An append and a mirror that share ids.
BOTH = """\
  web: {files: 'landing/{day}/web*', event: {id: id, source: "'shop'", type: type, time: at}}
  crm: {files: 'landing/{day}/crm*', mode: mirror, event: {id: id, source: "'shop'", type: type, time: at}}
"""
TABLE = """\
  crm:
    table: raw.contacts
    arrived_at: updated_at
    mode: mirror
    deleted: is_deleted
    event: {id: contact_id, type: name, time: created_at, payload: data}
"""


def orders(*places: str) -> tuple[tuple[str, ...], ...]:
    """Return two orders in which each pair of three files comes both ways."""
    return places, places[::-1]


def days(first: int, last: int | None = None) -> Days:
    return Days(date.fromisoformat(day(first)), date.fromisoformat(day(last or first)))


def events(pipeline: Pipeline) -> Rows:
    """Return the events: id, day, type."""
    return pipeline.query(
        "select e.source_event_id, cast(e.arrived_on as text), e.type from cdp.customer_events as e order by 1, 2, 3"
    )


def rejected(pipeline: Pipeline) -> Rows:
    """Return the rejected rows: day, type, reason."""
    return pipeline.query(
        "select cast(d.arrived_on as text), d.type, d.reason from cdp.rejected_events as d order by 1, 2"
    )


def state(pipeline: Pipeline) -> dict[str, Rows]:
    """Return what landed and what follows from it, but for numbers and times of runs, and for ids of people."""
    kept = ("customer_events", "rejected_events", "landed_rows", "event_identifiers", "identifiers", "identity_graph")
    without = ("landed_in", "changed_in", "issued_in", "calculated", "valid_at", "modified", "stitched", "entity_id")
    dump = pipeline.dump(without=without)
    return {name: rows for name, rows in dump.items() if name.partition(".")[2] in (*kept, "stitched_events")}


def test_latest_row_is_the_event_whatever_the_order_of_processing(start: Start) -> None:
    """By day, then place, then line; the others are superseded, and known by their event_id."""
    files = {
        f"landing/{day(2)}/crm.ndjson": lines(row(1, type="day 2"), row(2)),
        f"landing/{day(3)}/crm-1.ndjson": lines(row(1, type="day 3")),
        f"landing/{day(3)}/crm-2.ndjson": lines(row(1, type="line 1"), row(1, type="line 2")),
    }
    seen = []
    for order in orders(*files):
        pipeline = start(project(CRM))
        for place in order:
            pipeline.write(place, files[place])
            pipeline.land()
        assert events(pipeline) == [("1", day(3), "line 2"), ("2", day(2), "view")]
        superseded = [(day(2), "day 2"), (day(3), "day 3"), (day(3), "line 1")]
        assert rejected(pipeline) == [(*each, "superseded") for each in superseded]
        assert len(set(pipeline.column("select d.event_id from cdp.rejected_events as d"))) == 1
        seen.append(state(pipeline))
    assert all(each == seen[0] for each in seen)


def test_time_of_arrival_decides_in_full_precision(start: Start) -> None:
    pipeline = start(project(BY_ROW))
    times = ("2026-02-02T10:00:00.000001Z", "2026-02-02T10:00:00.000003Z", "2026-02-02T12:00:00.000002+02:00")
    pipeline.write("landing/crm.ndjson", lines(*(row(1, type=time, got=time) for time in times)))
    pipeline.land()
    assert events(pipeline) == [("1", day(2), times[1])]


def test_deletion_takes_the_event_away_and_a_newer_row_brings_it_back(start: Start) -> None:
    pipeline = start(project(CRM))
    pipeline.write(f"landing/{day(2)}/crm.ndjson", lines(row(1, type="first", cookie="a", email="a@x.org")))
    pipeline.run()
    first = state(pipeline)

    # It says nothing but which event is deleted.
    deletion = pipeline.write(f"landing/{day(3)}/crm.ndjson", lines({"id": "1", "gone": True}))
    facts = pipeline.run()
    assert events(pipeline) == []
    assert rejected(pipeline) == [(day(2), "first", "superseded"), (day(3), None, "deleted")]
    assert not pipeline.query("select i.value from kind.identifiers as i")
    assert not pipeline.query("select p.entity_id from kind.profiles as p")
    metrics = facts["cdp/customer_events"].metrics
    assert (metrics["events_removed"], metrics["superseded"], metrics["deleted"]) == (1, 1, 1)

    pipeline.write(f"landing/{day(4)}/crm.ndjson", lines(row(1, type="again", gone=False)))
    pipeline.run()
    assert events(pipeline) == [("1", day(4), "again")]
    assert rejected(pipeline) == [(day(2), "first", "superseded"), (day(3), None, "superseded")]

    # Without the newer row the deletion holds again, and without that the first row is the event.
    (pipeline.folder / f"landing/{day(4)}/crm.ndjson").unlink()
    pipeline.replace(date.fromisoformat(day(4)))
    assert rejected(pipeline) == [(day(2), "first", "superseded"), (day(3), None, "deleted")]
    deletion.write_text("")
    pipeline.run()
    assert state(pipeline) == first


def test_correction_retracts_exactly_its_own_consequences(start: Start) -> None:
    """An e-mail that was typed wrong joined two people; the corrected row parts them again."""
    pipeline = start(project(CRM))
    pipeline.write(
        f"landing/{day(1)}/crm.ndjson", lines(row(1, cookie="a", email="a@x.org"), row(2, cookie="b", email="b@x.org"))
    )
    pipeline.run()
    before = {table: rows for table, rows in state(pipeline).items() if table.startswith("customer.")}
    wrong = pipeline.write(f"landing/{day(2)}/crm.ndjson", lines(row(3, cookie="a", email="b@x.org")))
    pipeline.run()
    assert pipeline.column("select count(distinct m.entity_id) from kind.entity_map as m") == [1]
    pipeline.write(f"landing/{day(3)}/crm.ndjson", lines(row(3, cookie="a", gone=True)))
    pipeline.run()
    assert wrong.exists()
    assert {table: rows for table, rows in state(pipeline).items() if table.startswith("customer.")} == before
    check_full_run(pipeline, "after the correction")


def test_row_that_says_the_same_again_is_the_event_of_its_later_day(start: Start) -> None:
    """The event moves to the day of the row that wins, with its links; nothing else becomes of it."""
    pipeline = start(project(CRM))
    same = lines(row(1, cookie="a", email="a@x.org"))
    pipeline.write(f"landing/{day(2)}/crm.ndjson", same)
    pipeline.run()
    owned = pipeline.query("select m.identifier_id, m.entity_id from kind.entity_map as m order by 1")
    pipeline.write(f"landing/{day(3)}/crm.ndjson", same)
    pipeline.run()
    assert events(pipeline) == [("1", day(3), "view")]
    for table, times in (("event_identifiers", 1), ("identity_graph", 2), ("stitched_events", 1)):
        assert pipeline.column(f"select cast(t.arrived_on as text) from kind.{table} as t") == [day(3)] * times, table  # noqa: S608
    assert pipeline.query("select m.identifier_id, m.entity_id from kind.entity_map as m order by 1") == owned
    check_full_run(pipeline, "after it was touched")


def test_rows_of_a_mirror_come_before_those_of_a_source_that_appends(start: Start) -> None:
    files = {
        f"landing/{day(2)}/web.ndjson": lines(row(1, type="web 2")),
        f"landing/{day(2)}/crm.ndjson": lines(row(1, type="crm 2")),
        f"landing/{day(3)}/web.ndjson": lines(row(1, type="web 3")),
    }
    seen = []
    pipeline = None
    for order in orders(*files):
        pipeline = start(project(BOTH))
        for place in order:
            pipeline.write(place, files[place])
            pipeline.land()
        assert events(pipeline) == [("1", day(2), "crm 2")]
        assert rejected(pipeline) == [(day(2), "web 2", "superseded"), (day(3), "web 3", "superseded")]
        seen.append(state(pipeline))
    assert all(each == seen[0] for each in seen)
    assert pipeline is not None
    pipeline.write(f"landing/{day(2)}/crm.ndjson", "")
    pipeline.land()
    assert events(pipeline) == [("1", day(2), "web 2")]
    assert rejected(pipeline) == [(day(3), "web 3", "duplicate")]


@pytest.mark.parametrize(
    ("deleted", "content", "gone"),
    [
        (
            "gone",
            in_csv(("id", "type", "at", "gone"), *((f"id {n}", "v", day(1), n) for n in ("1", "0", "Yes", "soon", ""))),
            2,
        ),
        ("gone::integer > 1", in_csv(("id", "type", "at", "gone"), *((n, "v", day(1), n) for n in ("1", "2", "x"))), 1),
        ("row->'gone'", lines(*(row(n, gone=n) for n in (1, True, "t", 0, None, [1]))), 3),
        ("nothing", in_csv(("id", "type", "at"), ("1", "v", day(1))), 0),
    ],
    ids=["words", "an expression that fails", "jsonb", "a column that is not there"],
)
def test_what_counts_as_deleted(start: Start, deleted: str, content: str, gone: int) -> None:
    pipeline = start(project(CRM.replace("deleted: gone", f'deleted: "{deleted}"')))
    pipeline.write(f"landing/{day(2)}/crm.{'csv' if content.startswith('id,') else 'ndjson'}", content)
    figures = pipeline.land().days[date.fromisoformat(day(2))]
    assert (figures["crm deleted"], figures["crm rejected rows"]) == (gone, gone)
    assert figures["crm landed rows"] == figures["crm events"] + gone


def test_change_of_mode_decides_anew(start: Start) -> None:
    pipeline = start(project(CRM))
    for number in (2, 3):
        pipeline.write(f"landing/{day(number)}/crm.ndjson", lines(row(1, type=f"day {number}")))
    pipeline.land()
    mirrored = state(pipeline)
    pipeline.rewrite(project(CRM.replace("mode: mirror, deleted: gone, ", "")))
    pipeline.land()
    assert events(pipeline) == [("1", day(2), "day 2")]
    assert rejected(pipeline) == [(day(3), "day 3", "duplicate")]
    pipeline.rewrite(project(CRM))
    pipeline.land()
    assert state(pipeline) == mirrored


@pytest.fixture
def contacts(start: Start) -> Pipeline:
    """Return a pipeline over a table with three contacts, each updated on a day of its own."""
    pipeline = start(project(TABLE, CUSTOMER))
    pipeline.execute("create schema raw")
    pipeline.execute(
        "create table raw.contacts (contact_id integer, name text, data text, created_at timestamp, "
        "updated_at timestamp, is_deleted boolean)"
    )
    for number in (1, 2, 3):
        pipeline.execute(
            "insert into raw.contacts values (:n, 'old', :data, timestamp '2026-01-02', cast(:at as timestamp), false)",
            n=number,
            data=f'{{"email": "{number}@x.org"}}',
            at=f"{day(number)} 10:00:00",
        )
    pipeline.land()
    return pipeline


def update(pipeline: Pipeline, number: int, updated_at: str, *, name: str = "new", is_deleted: bool = False) -> None:
    pipeline.execute(
        "update raw.contacts set name = :name, updated_at = cast(:at as timestamp), is_deleted = :gone "
        "where contact_id = :n",
        name=name,
        at=updated_at,
        gone=is_deleted,
        n=number,
    )


def test_row_of_a_table_leaves_its_old_day_when_it_is_updated(contacts: Pipeline) -> None:
    """Also when nothing else is left of that day: the table is the truth about its rows."""
    update(contacts, 1, f"{day(3)} 11:00")
    update(contacts, 2, f"{day(4)} 11:00", is_deleted=True)
    plan = contacts.plan()
    assert (plan.vanished, len(plan.readings)) == ([], 4)
    facts = contacts.land()
    assert events(contacts) == [("1", day(3), "new"), ("3", day(3), "old")]
    assert rejected(contacts) == [(day(4), "new", "deleted")]
    assert (facts.metrics["vanished_files"], facts.metrics["superseded"]) == (0, 0)
    assert contacts.query("select r.place, r.landed_rows from cdp.landed_rows as r order by 1") == [
        (f"raw.contacts/{day(3)}", 2),
        (f"raw.contacts/{day(4)}", 1),
    ]
    assert contacts.land().due is Due.NOTHING


def test_row_that_was_touched_within_its_day_stays_the_event_and_knows_its_time(contacts: Pipeline) -> None:
    (number,) = contacts.column("select e.landed_in from cdp.customer_events as e where e.source_event_id = '1'")
    update(contacts, 1, f"{day(1)} 12:00", name="old")
    contacts.land()
    found = contacts.query(
        "select e.landed_in, extract(hour from e.mirrored_at) from cdp.customer_events as e "
        "where e.source_event_id = '1'"
    )
    assert found == [(number, 12)]


def test_table_without_any_row_takes_nothing_away_until_it_is_asked_to(contacts: Pipeline) -> None:
    contacts.execute("delete from raw.contacts as c where true")
    assert len(contacts.plan().vanished) == 3
    contacts.land()
    assert len(events(contacts)) == 3
    contacts.land(days(1, 3))
    assert events(contacts) == []


def test_deleted_that_says_neither_yes_nor_no_is_an_error(contacts: Pipeline) -> None:
    contacts.rewrite(project(TABLE.replace("deleted: is_deleted", "deleted: updated_at")))
    with pytest.raises(InputError, match=r"sources\.crm\.deleted: `updated_at` gives time\. Write a condition"):
        contacts.land()

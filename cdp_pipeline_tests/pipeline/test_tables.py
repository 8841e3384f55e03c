"""Sources that are tables of the warehouse: days by `arrived_at`, rows that come, change and go."""

from datetime import UTC, date, datetime

import pytest

from cdp_pipeline.errors import InputError
from cdp_pipeline.events.landing import Days
from cdp_pipeline.warehouse.stage import Due
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows
from cdp_pipeline_tests.pipeline.projects import project

CONTACTS = """\
  crm:
    table: raw.contacts
    arrived_at: updated_at
    event: {id: contact_id, type: "'contact'", time: updated_at}
"""


@pytest.fixture
def pipeline(start: Start) -> Pipeline:
    """Return a pipeline with three contacts, two of them on one day."""
    pipeline = start(project(CONTACTS))
    pipeline.execute("create schema raw")
    pipeline.execute(
        "create table raw.contacts "
        "(contact_id integer, email text, updated_at timestamp, tags text[], amount numeric(9, 2))"
    )
    for number, hour in ((1, "2026-02-02 10:00"), (2, "2026-02-02 23:59:59.5"), (3, "2026-02-04 00:00")):
        add(pipeline, number, hour)
    return pipeline


def add(pipeline: Pipeline, number: int, updated_at: str | None, email: str = "a@example.com") -> None:
    pipeline.execute(
        "insert into raw.contacts (contact_id, email, updated_at, tags, amount) "
        "values (:number, :email, cast(:updated_at as timestamp), array['a', 'b'], 12.50)",
        number=number,
        email=email,
        updated_at=updated_at,
    )


def contacts(pipeline: Pipeline) -> Rows:
    return pipeline.query(
        "select e.source_event_id, cast(e.arrived_on as text), e.payload->>'email' "
        "from cdp.customer_events as e order by 1"
    )


def numbers(pipeline: Pipeline) -> dict[str, int]:
    """Return the number of the landing that brought each event."""
    return dict(pipeline.query("select e.source_event_id, e.landed_in from cdp.customer_events as e"))


def test_rows_of_a_table_are_events_of_the_day_that_they_say(pipeline: Pipeline) -> None:
    facts = pipeline.run()
    assert contacts(pipeline) == [
        ("1", "2026-02-02", "a@example.com"),
        ("2", "2026-02-02", "a@example.com"),
        ("3", "2026-02-04", "a@example.com"),
    ]
    ((event_time, tags, amount),) = pipeline.query(
        "select e.event_time, e.payload->'tags'->>1, e.payload->>'amount' from cdp.customer_events as e "
        "where e.source_event_id = '2'"
    )
    assert event_time == datetime(2026, 2, 2, 23, 59, 59, 500_000, tzinfo=UTC)
    assert (tags, float(amount)) == ("b", 12.5)
    assert facts["cdp/customer_events"].days[date(2026, 2, 2)]["crm landed rows"] == 2
    assert pipeline.column("select count(distinct m.entity_id) from kind.entity_map as m") == [1]
    assert pipeline.land().due is Due.NOTHING


def test_only_days_whose_rows_changed_are_read_again(pipeline: Pipeline) -> None:
    pipeline.land()
    first = numbers(pipeline)
    pipeline.execute("update raw.contacts set email = 'new@example.com' where contact_id = 3")
    add(pipeline, 4, "2026-02-04 12:00")
    assert [reading.day for reading in pipeline.plan().readings] == [date(2026, 2, 4)]
    pipeline.land()
    assert contacts(pipeline)[2:] == [("3", "2026-02-04", "new@example.com"), ("4", "2026-02-04", "a@example.com")]
    assert {number: numbers(pipeline)[number] for number in "12"} == {number: first[number] for number in "12"}


def test_updated_row_moves_to_its_new_day_when_both_days_are_read(pipeline: Pipeline) -> None:
    """The table has the row once, so its day of before lies there without it."""
    pipeline.land()
    pipeline.execute("update raw.contacts set updated_at = timestamp '2026-02-05 10:00' where contact_id = 1")
    pipeline.land()
    assert contacts(pipeline)[0] == ("1", "2026-02-05", "a@example.com")
    assert not pipeline.query("select d.reason from cdp.rejected_events as d")


def test_day_that_vanished_from_a_table_is_told_and_goes_when_asked_for(pipeline: Pipeline) -> None:
    pipeline.land()
    pipeline.execute("delete from raw.contacts as c where c.contact_id = 3")
    assert pipeline.plan().vanished == ["raw.contacts/2026-02-04"]
    pipeline.land()
    assert len(contacts(pipeline)) == 3
    pipeline.land(Days(date(2026, 2, 3), date(2026, 2, 4)))
    assert len(contacts(pipeline)) == 2
    assert not pipeline.plan().vanished


def test_rows_without_a_readable_day_are_rejected(pipeline: Pipeline) -> None:
    add(pipeline, 5, None)
    pipeline.land()
    rejected = pipeline.query("select d.location, d.reason, d.arrived_on from cdp.rejected_events as d")
    assert rejected == [("raw.contacts/no day:1", "invalid: no readable day of arrival", None)]
    assert pipeline.land().due is Due.NOTHING
    pipeline.land(Days(date(2026, 2, 2), date(2026, 2, 2)))
    assert len(pipeline.query("select d.location from cdp.rejected_events as d")) == 1
    pipeline.execute("update raw.contacts set updated_at = timestamp '2026-02-05' where contact_id = 5")
    pipeline.land()
    assert contacts(pipeline)[-1] == ("5", "2026-02-05", "a@example.com")


def test_days_to_come_wait_and_days_before_the_start_are_an_error(pipeline: Pipeline) -> None:
    add(pipeline, 6, "2026-06-02 10:00")
    assert pipeline.plan().waiting == ["raw.contacts/2026-06-02"]
    pipeline.land()
    assert len(contacts(pipeline)) == 3
    before = pipeline.dump()
    add(pipeline, 7, "2025-12-31 10:00")
    with pytest.raises(InputError, match=r"raw\.contacts/2025-12-31 .* before the project's start"):
        pipeline.land()
    assert pipeline.dump() == before


def test_equal_ids_of_a_table_are_one_event(pipeline: Pipeline) -> None:
    add(pipeline, 1, "2026-02-04 10:00", "later@example.com")
    add(pipeline, 2, "2026-02-01 10:00", "earlier@example.com")
    pipeline.land()
    assert contacts(pipeline) == [
        ("1", "2026-02-02", "a@example.com"),
        ("2", "2026-02-01", "earlier@example.com"),
        ("3", "2026-02-04", "a@example.com"),
    ]
    assert pipeline.column("select d.reason from cdp.rejected_events as d") == ["duplicate"] * 2


def test_table_that_is_not_there_is_an_error(start: Start) -> None:
    pipeline = start(project(CONTACTS))
    with pytest.raises(InputError, match=r"sources\.crm\.table: the warehouse has no table raw\.contacts"):
        pipeline.land()


def test_text_may_say_the_day_and_where_leaves_rows_out(start: Start) -> None:
    source = CONTACTS.replace("    event:", "    where: contact_id > 1\n    event:")
    pipeline = start(project(source))
    pipeline.execute("create schema raw")
    pipeline.execute("create table raw.contacts (contact_id integer, updated_at text)")
    rows = ((1, "2026-02-02"), (2, "2026-02-02T23:30:00-01:00"), (3, "soon"))
    for number, updated_at in rows:
        pipeline.execute("insert into raw.contacts (contact_id, updated_at) values (:n, :at)", n=number, at=updated_at)
    pipeline.land()
    assert [event[:2] for event in contacts(pipeline)] == [("2", "2026-02-03")]
    assert pipeline.column("select d.location from cdp.rejected_events as d") == ["raw.contacts/no day:1"]
    assert pipeline.column("select sum(r.landed_rows) from cdp.landed_rows as r") == [2]

"""Counts of events and attributes: what a count by hand gives, kept up where that is cheap, and of nobody erased."""

import json

from cdp_pipeline.attributes import counts
from cdp_pipeline.operations.erase import erase
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.operations.refresh_counts import refresh_counts
from cdp_pipeline.operations.session import Session
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, THIRD, TINY, land, row
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows

PROJECT = (
    TINY
    + """\
      - {id: last_page, type: last, value: "payload->>'page'"}
      - {id: a_day, type: last, value: event_time::date}
      - {id: is_rich, type: expression, value: count(*) > 2}
      - {id: pages, type: list, value: "payload->>'page'"}
      - {id: secret, type: last, value: "payload->>'page'", pii: true}
      - {id: never, type: last, value: "payload->>'nothing'"}
"""
)
BY_HAND = """
select e.arrived_on, e.source_id, e.type, e.version, count(*) from cdp.customer_events as e
group by e.arrived_on, e.source_id, e.type, e.version
"""
COUNTED = "select c.arrived_on, c.source_id, c.type, c.version, c.events from cdp.event_counts as c"


def check_events(pipeline: Pipeline) -> None:
    counted = pipeline.query(COUNTED)
    assert counted
    assert sorted(counted) == sorted(pipeline.query(BY_HAND))


def values(pipeline: Pipeline) -> Rows:
    return sorted(pipeline.query("select v.attribute_id, v.value, v.entities from kind.attribute_value_counts as v"))


def attributes(pipeline: Pipeline) -> dict[str, tuple[int, int]]:
    rows = pipeline.query("select c.attribute_id, c.entities, c.nulls from kind.attribute_counts as c")
    return {name: (entities, nulls) for name, entities, nulls in rows}


def session(pipeline: Pipeline) -> Session:
    return Session(pipeline.connection, pipeline.project, pipeline.new_run().run)


def test_counts(start: Start) -> None:
    pipeline = start(PROJECT)
    land(pipeline.folder, FIRST, [*DAYS[FIRST], row(9, FIRST, cookie="z", page="home", type="click")])
    pipeline.run()
    check_events(pipeline)
    assert attributes(pipeline) == {
        "n_events": (3, 0), "revenue": (1, 2), "last_page": (1, 2), "a_day": (3, 0), "is_rich": (3, 0),
        "pages": (1, 2), "secret": (1, 2), "never": (0, 3),
    }  # fmt: skip
    assert values(pipeline) == [
        ("a_day", "2026-01-01", 3), ("is_rich", "false", 3), ("last_page", "home", 1),
        ("n_events", "1", 2), ("n_events", "2", 1),
    ]  # fmt: skip
    assert stages_due(pipeline.connection, pipeline.project) == []

    # Only the day that changed is counted again.
    pipeline.execute("update cdp.event_counts set events = 99 where type = 'click'")
    for day in (SECOND, THIRD):
        land(pipeline.folder, day, DAYS[day])
    done = pipeline.run()["cdp/event_counts"]
    assert done.metrics["days_counted"] == 2
    assert (FIRST, "web", "click", "1-0-0", 99) in pipeline.query(COUNTED)
    pipeline.execute("update cdp.event_counts set modified = null where type = 'click'")
    assert stages_due(pipeline.connection, pipeline.project) == ["cdp/event_counts"]
    land(pipeline.folder, SECOND, DAYS[SECOND][:2])
    pipeline.run()
    check_events(pipeline)


def test_attributes_are_counted_again_when_much_changed_or_somebody_asks(start: Start) -> None:
    pipeline = start(PROJECT)
    people = [row(n, FIRST, cookie=f"c{n}", page=f"p{n % 3}") for n in range(110)]
    land(pipeline.folder, FIRST, people)
    pipeline.run()
    first = attributes(pipeline)
    assert first["last_page"] == (110, 0)
    assert [each for each in values(pipeline) if each[0] == "last_page"] == [
        ("last_page", "p0", 37), ("last_page", "p1", 37), ("last_page", "p2", 36)
    ]  # fmt: skip
    land(pipeline.folder, SECOND, [row(200 + n, SECOND, cookie=f"d{n}") for n in range(5)])
    pipeline.run()
    assert attributes(pipeline) == first, "five of 110 are less than one in twenty"
    assert stages_due(pipeline.connection, pipeline.project) == []

    with pipeline.connection.rehearsal():
        told = refresh_counts(session(pipeline), ("attributes",), dry_run=True)
    assert told.counted["customer/attribute_counts"]["attributes_counted"] == 8
    assert attributes(pipeline) == first
    for table in ("attribute_counts", "attribute_value_counts"):
        pipeline.execute(f"update kind.{table} set modified = null where attribute_id = 'n_events'")  # noqa: S608
        assert stages_due(pipeline.connection, pipeline.project) == ["customer/attribute_counts"]
        pipeline.run()
        assert stages_due(pipeline.connection, pipeline.project) == []
    assert attributes(pipeline)["last_page"] == (110, 5)

    land(pipeline.folder, THIRD, [row(300 + n, THIRD, cookie=f"c{n}", page=f"q{n}") for n in range(101)])
    pipeline.run()
    assert attributes(pipeline)["last_page"] == (110, 5)
    assert {name for name, *_ in values(pipeline)} == {"n_events", "a_day", "is_rich"}, "too many different pages"
    assert counts.MOST_VALUES == 100


def test_nothing_is_counted_of_whoever_is_erased(start: Start) -> None:
    pipeline = start(PROJECT)
    land(pipeline.folder, FIRST, [row(n, FIRST, cookie=f"c{n}") for n in range(60)])
    land(pipeline.folder, SECOND, [row(100, SECOND, email="ann", page="ann")])
    pipeline.run()
    assert ("last_page", "ann", 1) in values(pipeline)
    done = erase(session(pipeline), "email:ann", only_identifier=False, by="mia", why="asked")
    assert done.still_found == {}
    assert "ann" not in json.dumps(values(pipeline))
    check_events(pipeline)

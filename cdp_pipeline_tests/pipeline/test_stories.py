"""Stories that a product person can read: a shared computer, a day that is replaced, a real tracker's events."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows, open_pipeline
from cdp_pipeline_tests.pipeline.projects import CUSTOMER, WEB, day, lines, project, row

REPOSITORY = Path(__file__).parents[2]
SNOWPLOW = REPOSITORY.parent / "shared/data/snowplow_web/events.csv"
SPENT = """\
    attributes:
      - {id: spent, type: sum, value: "(payload->>'amount')::numeric(18,2)"}
      - {id: visits, type: expression, value: count(*)}
"""


def people(pipeline: Pipeline) -> dict[str, tuple[int, Any]]:
    """Return number and amount of the events of each person, by all their identifiers: `anna c1`."""
    names: dict[str, list[str]] = {}
    owned = pipeline.query(
        "select m.entity_id, i.value from kind.entity_map as m "
        "join kind.identifiers as i on i.identifier_id = m.identifier_id"
    )
    for entity_id, value in owned:
        names.setdefault(entity_id, []).append(value)
    profiles = pipeline.query("select p.entity_id, p.visits, p.spent from kind.profiles as p")
    return {" ".join(sorted(names.pop(entity_id))): (visits, spent) for entity_id, visits, spent in profiles}


def owner_of(pipeline: Pipeline, value: str) -> str:
    (owner,) = pipeline.column(
        "select m.entity_id from kind.entity_map as m join kind.identifiers as i on i.identifier_id = m.identifier_id "
        "where i.value = :value",
        value=value,
    )
    return str(owner)


def redirects(pipeline: Pipeline) -> dict[str, str | None]:
    return dict(pipeline.query("select r.from_entity_id, r.to_entity_id from kind.entity_redirects as r"))


def changes(pipeline: Pipeline) -> Rows:
    """Return what the last run changed: which value, in which way, and by which event."""
    return pipeline.query(
        "select v.value, c.kind, e.source_event_id from kind.entity_changes as c "
        "join kind.identifier_values as v on v.identifier_id = c.identifier_id "
        "left join cdp.customer_events as e on e.event_id = c.trigger_event_id where c.run = :run order by 1",
        run=pipeline.last_run,
    )


def test_day_that_is_replaced_by_a_smaller_one_takes_links_merges_and_amounts_away(start: Start) -> None:
    pipeline = start(project(WEB, CUSTOMER + SPENT))

    # Monday: Anna buys on her laptop, somebody looks around on a phone, Bert buys on his own computer.
    pipeline.write(
        f"landing/{day(2)}/web.ndjson",
        lines(
            row("m1", email="anna", cookie="laptop", amount=10),
            row("m2", cookie="phone", amount=1),
            row("m3", email="bert", cookie="desk", amount=100),
        ),
    )
    pipeline.run()
    monday = {"anna laptop": (1, 10), "phone": (1, 1), "bert desk": (1, 100)}
    assert people(pipeline) == monday
    anna, phone, bert = (owner_of(pipeline, name) for name in ("anna", "phone", "bert"))

    # Tuesday: Anna logs in on the phone. So its past is hers.
    tuesday = [row("t1", email="anna", cookie="phone", amount=5)]
    # And she logs in on Bert's computer, and so do they become one: nothing in this release forbids it.
    wrong = [row("t2", email="anna", cookie="desk", amount=7), row("t3", cookie="kiosk", amount=3)]
    file = pipeline.write(f"landing/{day(3)}/web.ndjson", lines(*tuesday, *wrong))
    pipeline.run()
    assert people(pipeline) == {"anna bert desk laptop phone": (5, 123), "kiosk": (1, 3)}
    survivor = owner_of(pipeline, "bert")
    assert survivor in (anna, bert)
    assert redirects(pipeline) == {other: survivor for other in (anna, bert, phone) if other != survivor}
    kiosk = owner_of(pipeline, "kiosk")

    # Tuesday lands again without what was wrong: links, merge and amounts are as if it had never been there.
    file.write_text(lines(*tuesday))
    pipeline.run()
    assert people(pipeline) == {"anna laptop phone": (3, 16), "bert desk": (1, 100)}
    assert [owner_of(pipeline, name) for name in ("anna", "phone", "bert", "desk")] == [anna, anna, bert, bert]
    assert pipeline.query("select count(*) from kind.identity_graph as g") == [(2 * 3,)]
    assert redirects(pipeline) == {phone: anna, kiosk: None}
    assert ("kiosk", "remove", None) in changes(pipeline)

    # Tuesday is taken back altogether: the phone is a stranger's again.
    file.unlink()
    pipeline.run()
    assert people(pipeline)["anna laptop phone"] == (3, 16), "a vanished file takes nothing away"
    pipeline.replace(pipeline.now.date().replace(month=2, day=3))
    assert people(pipeline) == monday
    assert owner_of(pipeline, "phone") == phone
    assert changes(pipeline) == [("phone", "split", None)]
    assert not pipeline.query("select e.event_id from cdp.customer_events as e where e.arrived_on = date '2026-02-03'")


def test_login_after_weeks_brings_the_past_home_and_changes_no_id(start: Start) -> None:
    pipeline = start(project(WEB, CUSTOMER + SPENT))
    for number in range(2, 7):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number, cookie="phone", amount=number)))
    pipeline.run()
    visitor = owner_of(pipeline, "phone")
    stamps = set(pipeline.query("select s.event_id, s.stitched from kind.stitched_events as s"))
    pipeline.write(f"landing/{day(20)}/web.ndjson", lines(row("login", cookie="phone", email="anna", amount=0)))
    facts = pipeline.run()
    assert people(pipeline) == {"anna phone": (6, 20)}
    assert owner_of(pipeline, "anna") == visitor
    assert changes(pipeline) == [("anna", "new", "login")]
    assert facts["customer/stitched_events"].metrics["events_rekeyed"] == 0
    assert stamps < set(pipeline.query("select s.event_id, s.stitched from kind.stitched_events as s"))
    assert pipeline.column("select distinct v.person_key from kind.events as v") == ["anna"]


def test_two_visitors_who_turn_out_to_be_one_are_replayed_and_nobody_else(start: Start) -> None:
    pipeline = start(project(WEB, CUSTOMER + SPENT))
    firsts = [row(1, cookie="phone", amount=1), row(2, email="anna", amount=2), row(3, cookie="other", amount=4)]
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*firsts))
    pipeline.run()
    others_profile = "select p.calculated, p.modified from kind.profiles as p where p.person_key = 'other'"
    before = pipeline.query(others_profile)
    pipeline.write(f"landing/{day(3)}/web.ndjson", lines(row(4, cookie="phone", email="anna", amount=8)))
    facts = pipeline.run()
    assert people(pipeline) == {"anna phone": (3, 11), "other": (1, 4)}
    assert changes(pipeline) == [("phone", "merge", "4")]
    assert facts["customer/stitched_events"].metrics["events_rekeyed"] == 1
    replay = pipeline.query("select r.changes, r.events_rekeyed, r.entities_touched from kind.replays as r order by 1")
    assert replay[0] == (1, 1, 2)
    assert pipeline.query(others_profile) == before


# A real tracker ------------------------------------------------------------------------------------------------------

TRACKER = """\
name: snowplow_web
warehouse: duckdb:///warehouse.duckdb
start: 2020-01-01
sources:
  web:
    files: events.csv
    arrived_at: collector_tstamp
    event: {id: event_id, type: event_name, version: event_version, time: derived_tstamp}
entities:
  customer:
    identifiers: [{type: user_id}, {type: domain_userid}]
    stitching:
      - {identifier: user_id, value: "payload->>'user_id'"}
      - {identifier: domain_userid, value: "payload->>'domain_userid'"}
"""


@pytest.mark.skipif(
    not SNOWPLOW.is_file(), reason=f"the tracker's events are not at {SNOWPLOW}; they are not ours to copy"
)
def test_a_real_trackers_events(tmp_path: Path) -> None:
    tmp_path.joinpath("events.csv").symlink_to(SNOWPLOW)
    with open_pipeline(tmp_path, TRACKER) as pipeline:
        facts = pipeline.run()["cdp/customer_events"]
        assert facts.metrics["landed_rows"] == 160
        assert (facts.metrics["events_added"], facts.metrics["duplicates"]) == (157, 3)
        reasons = Counter(pipeline.column("select d.reason from cdp.rejected_events as d"))
        assert reasons == {"duplicate": 3}
        # A duplicate stands behind its event: it was collected later, or further down in the file.
        behind = pipeline.query(
            "select d.arrived_on >= e.arrived_on, d.event_id from cdp.rejected_events as d "
            "join cdp.customer_events as e on e.event_id = d.event_id"
        )
        assert [later for later, _ in behind] == [True] * 3
        groups = described_groups(pipeline)
        assert (
            sum(group["events"] for group in groups)
            == pipeline.column("select count(s.entity_id) from kind.stitched_events as s")[0]
        )
        print(f"{len(groups)} people:", *map(json.dumps, groups), sep="\n")  # noqa: T201 (`pytest -s` shows them)
        before = pipeline.dump()
        pipeline.run()
        assert pipeline.dump() == before


def described_groups(pipeline: Pipeline) -> list[dict[str, int]]:
    """Return how many identifiers of each type and how many events each person has, the largest first."""
    rows = pipeline.query(
        "select m.entity_id, count(*) filter (where i.identifier_type = 'user_id'), "
        "count(*) filter (where i.identifier_type = 'domain_userid') "
        "from kind.entity_map as m join kind.identifiers as i on i.identifier_id = m.identifier_id group by m.entity_id"
    )
    events = Counter(pipeline.column("select s.entity_id from kind.stitched_events as s"))
    groups = [{"user_id": users, "domain_userid": cookies, "events": events[owner]} for owner, users, cookies in rows]
    return sorted(groups, key=lambda group: (-group["events"], -group["user_id"], -group["domain_userid"]))

"""Erasure: a person is gone from every table and stays out, and everybody else keeps what is theirs."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cdp_pipeline.errors import PublicationHeld, UsageError
from cdp_pipeline.events.landing import Days
from cdp_pipeline.operations.erase import Erasure, Preview, erase, preview_erasure
from cdp_pipeline.operations.finish_erasure import finish_erasures
from cdp_pipeline.operations.receipts import broken_receipts, list_receipts
from cdp_pipeline.operations.session import Session
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, each_statement
from cdp_pipeline_tests.pipeline.projects import PEOPLE, day, lines, project, row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

ANN, BOB = "ann-crm-17", "bob-crm-18"
FIRST = (
    row("a1", web="tablet-1", crm=ANN, at="2026-02-01T08:00:00Z", amount=100),
    row("a2", web="ann-phone", crm=ANN, email="ann@example.org", at="2026-02-01T08:10:00Z", amount=20),
    row("a3", web="tablet-1", at="2026-02-01T08:20:00Z"),
    row("b1", web="tablet-1", crm=BOB, at="2026-02-01T09:00:00Z", amount=7),
    row("b2", web="tablet-1", at="2026-02-01T09:10:00Z"),
    row("a2", web="ann-phone", crm=ANN, email="ann@example.org", at="2026-02-01T08:10:00Z", amount=20),
    '{"id": "broken", "email": "ann@example.org", ',
    row("b3", web="bob-phone", crm=BOB, at="2026-02-01T10:00:00Z", amount=1),
)
SAID = {"by": "operator", "why": "request 12"}


def session_of(pipeline: Pipeline) -> Session:
    return Session(pipeline.connection, pipeline.project, pipeline.new_run().run)


def erased(pipeline: Pipeline, name: str, *, only_identifier: bool = False) -> Erasure:
    return erase(session_of(pipeline), name, only_identifier=only_identifier, **SAID)


def begun(start: Start) -> Pipeline:
    """Return a world of Ann and Bob, who share a tablet; one of Ann's rows came twice, and one is broken."""
    pipeline = start(project(entities=PEOPLE))
    pipeline.write(f"landing/{day(1)}/web.ndjson", lines(*FIRST))
    pipeline.run()
    return pipeline


def told(pipeline: Pipeline) -> dict[str, Any]:
    """Return all rows of all tables as one text each."""
    return {name: repr(rows).lower() for name, rows in pipeline.dump().items()}


def spent(pipeline: Pipeline) -> dict[str, int]:
    return {key: int(amount) for key, amount in pipeline.query("select p.person_key, p.spent from kind.profiles as p")}


def must_be_gone(pipeline: Pipeline) -> None:
    """Look for Ann everywhere: her values, the ids of her identifiers and of her events."""
    for table, text in told(pipeline).items():
        for sign in ("ann@example.org", "ann-crm-17", "ann-phone", "'a1'", "'a2'", "'a3'"):
            assert sign not in text, f"{sign} in {table}"
    assert spent(pipeline) == {BOB: 8}
    rows = pipeline.query(
        "select d.reason, d.raw, d.event_id, count(*) from cdp.rejected_events as d "
        "group by d.reason, d.raw, d.event_id"
    )
    assert rows == [("erased", None, None, 5)]


def test_a_person_is_gone_and_stays_out(start: Start) -> None:
    pipeline = begun(start)
    assert spent(pipeline) == {ANN: 120, BOB: 8}
    ids: dict[str, str] = dict(pipeline.query("select p.person_key, cast(p.entity_id as text) from kind.profiles as p"))
    with pipeline.connection.rehearsal():
        looked = preview_erasure(session_of(pipeline), "email:ann@example.org", only_identifier=False)
    assert isinstance(looked, Preview)
    assert (looked.events, looked.events_of_others, looked.rejected_rows) == (3, 0, 2)
    assert [each.value for each in looked.erased] == [ANN, "ann@example.org", "ann-phone"]
    assert [each.value for each in looked.shared] == ["tablet-1"]
    assert spent(pipeline) == {ANN: 120, BOB: 8}

    done = erased(pipeline, "email:ann@example.org")
    assert done.still_found == {}
    must_be_gone(pipeline)
    registry = pipeline.query(
        "select cast(e.entity_id as text), e.key_id is null, e.founder_id is null, e.erased_at is null "
        "from kind.entities as e where e.erased_at is not null"
    )
    assert registry == [(ids[ANN], True, True, False)]
    assert pipeline.query("select r.from_entity_id, r.to_entity_id from kind.entity_redirects as r") == [
        (ids[ANN], None)
    ]
    changes = pipeline.query(
        "select c.from_entity_id, c.to_entity_id, c.identifier_id from kind.entity_changes as c where c.kind = 'erase'"
    )
    assert changes == [(ids[ANN], None, None)]

    # Everything again from the landing files, and again without them; then more of her arrives.
    pipeline.run(Days(pipeline.project.start, pipeline.now.date()), full=True)
    must_be_gone(pipeline)
    check_full_run(pipeline, "erased")
    late = (row("a9", web="new-phone", crm=ANN, amount=50), row("b4", web="bob-phone", amount=2))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*late))
    pipeline.run()
    assert spent(pipeline) == {BOB: 10}
    assert all("new-phone" not in text for text in told(pipeline).values())
    landed, events, rejected = (
        pipeline.column(f"select {what}")[0]
        for what in (
            "sum(r.landed_rows) from cdp.landed_rows as r",
            "count(*) from cdp.customer_events as e",
            "count(*) from cdp.rejected_events as d",
        )
    )
    assert landed == events + rejected == len(FIRST) + 2


def test_receipts_are_chained_and_tell_what_went(start: Start) -> None:
    pipeline = begun(start)
    first = erased(pipeline, "email:ann@example.org").receipt
    second = erased(pipeline, f"crm_id:{BOB}").receipt
    assert (first.previous_hash, second.previous_hash) == ("", first.receipt_hash)
    removed = json.loads(first.removed)
    assert (removed["cdp.customer_events"], removed["cdp.rejected_events"]) == (3, 2)
    assert pipeline.query("select d.reason, count(*) from cdp.rejected_events as d group by d.reason") == [
        ("erased", 8)
    ]
    receipts = list_receipts(pipeline.connection, pipeline.project)
    assert receipts == [first, second]
    assert broken_receipts(receipts) == []
    assert broken_receipts([replace(first, why="another"), second]) == [1]
    assert broken_receipts([second]) == [2]
    assert pipeline.column("select count(*) from kind.profiles as p") == [0]


def test_one_identifier_goes_and_the_person_stays(start: Start) -> None:
    pipeline = begun(start)
    done = erased(pipeline, "web_id:tablet-1", only_identifier=True)
    assert done.preview.events == 4
    assert spent(pipeline) == {ANN: 20, BOB: 1}
    assert all("tablet-1" not in text for text in told(pipeline).values())
    check_full_run(pipeline, "an identifier")
    pipeline.run(Days(pipeline.project.start, pipeline.now.date()), full=True)
    assert spent(pipeline) == {ANN: 20, BOB: 1}


def test_a_row_that_lost_and_names_the_person_is_kept_out_too(start: Start) -> None:
    pipeline = start(project(entities=PEOPLE))
    twice = (row("b1", crm=BOB, amount=7), row("b1", crm=BOB, email="ann@example.org", amount=7))
    pipeline.write(f"landing/{day(1)}/web.ndjson", lines(row("a1", crm=ANN, email="ann@example.org"), *twice))
    pipeline.run()
    assert erased(pipeline, f"crm_id:{ANN}").still_found == {}
    pipeline.run(Days(pipeline.project.start, pipeline.now.date()), full=True)
    assert all("ann@example.org" not in text for text in told(pipeline).values())
    assert spent(pipeline) == {BOB: 7}


def test_whoever_nobody_is_cannot_be_erased(start: Start) -> None:
    pipeline = begun(start)
    with pytest.raises(UsageError, match="belongs to nobody"):
        erased(pipeline, "email:none@example.org")
    with pytest.raises(UsageError, match="Nobody has the id"):
        erased(pipeline, "entity_id:0f54dcad-0e40-662d-3572-8ca04c7ea820")


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("place", ["identity_graph.remove_links", "stitched_events.remove", "profiles.insert"])
def test_an_erasure_that_is_broken_off_is_finished_by_whoever_comes_next(start: Start, place: str) -> None:
    pipeline = begun(start)

    def die(_: object, name: str) -> None:
        if name == place:
            raise KilledError

    with pytest.raises(KilledError), each_statement(die):
        erased(pipeline, "email:ann@example.org")
    finish_erasures(pipeline.connection, pipeline.project, pipeline.new_run())
    must_be_gone(pipeline)
    assert broken_receipts(list_receipts(pipeline.connection, pipeline.project)) == []


def test_a_map_that_is_held_back_delays_the_end_of_an_erasure(start: Start) -> None:
    """A bad rule is due too: what was asked for is erased, and the history goes when the map is let through."""
    guards = "    guards: {publish: {min_entities: 2, max_growth: 2}}\n    stitching:"
    guarded = PEOPLE.replace("    stitching:", guards).replace(", max_per_entity: 1", "")
    pipeline = start(project(entities=guarded))
    pipeline.write(
        f"landing/{day(1)}/web.ndjson", lines(*FIRST, *(row(f"c{n}", crm=f"c{n}", web=f"w{n}") for n in range(4)))
    )
    pipeline.run()
    pipeline.rewrite(project(entities=guarded.replace("payload->'email'", "'all@example.org'")))
    with pytest.raises(PublicationHeld):
        erased(pipeline, f"crm_id:{ANN}")
    held = pipeline.last_run
    assert all(
        "'a1'" not in repr(rows) for rows in pipeline.query("select e.source_event_id from cdp.customer_events as e")
    )
    assert list_receipts(pipeline.connection, pipeline.project)[0].finished_at is None
    pipeline.run(accept_merge=held)
    finish_erasures(pipeline.connection, pipeline.project, pipeline.new_run())
    assert list_receipts(pipeline.connection, pipeline.project)[0].finished_at is not None
    assert all(ANN not in text for text in told(pipeline).values())


def test_a_tablet_that_was_somebody_elses_first_gets_an_id_of_its_own(start: Start) -> None:
    """Ann was first seen on the tablet, so her id was issued for it; that id is never issued again."""
    pipeline = start(project(entities=PEOPLE))
    pipeline.write(
        f"landing/{day(1)}/web.ndjson",
        lines(row("a0", web="tablet-1"), row("x", web="tablet-1", at="2026-02-01T07:00:00Z")),
    )
    pipeline.run()
    logins = {2: row("a1", web="tablet-1", crm=ANN, at="2026-02-01T11:00:00Z")}
    logins[3] = row("b1", web="tablet-1", crm=BOB, at="2026-02-01T12:00:00Z")
    for number, login in logins.items():
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(login))
    pipeline.run()
    (ann,) = pipeline.column("select p.entity_id from kind.profiles as p where p.person_key = :key", key=ANN)
    erased(pipeline, f"crm_id:{ANN}")
    # Bob's log-in is taken away: the tablet is nobody's but its own.
    file = pipeline.write(f"landing/{day(3)}/web.ndjson", lines(row("c1", web="tablet-1", at="2026-02-02T12:00:00Z")))
    pipeline.replace(date.fromisoformat(file.parent.name))
    ids = pipeline.column("select e.entity_id from kind.entities as e")
    assert len(ids) == len(set(ids))
    ((key, tablet),) = pipeline.query("select p.person_key, p.entity_id from kind.profiles as p")
    assert (key, tablet != ann) == ("tablet-1", True)
    check_full_run(pipeline, "a tablet")


def test_what_changes_hands_after_an_erasure_takes_its_events_along(start: Start) -> None:
    """The newest changes are erased; those that come next must not be taken for changes that were followed already."""
    pipeline = start(project(entities=PEOPLE))
    rows = (row("1", email="ann@example.org"), row("2", web="phone"), row("3", email="gone@example.org"))
    for number, each in enumerate(rows, 1):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(each))
        pipeline.run()
    erased(pipeline, "email:gone@example.org", only_identifier=True)
    both = row("4", email="ann@example.org", web="phone", at="2026-02-04T10:00:00Z")
    pipeline.write(f"landing/{day(4)}/web.ndjson", lines(both))
    pipeline.run()
    assert len(set(pipeline.column("select s.entity_id from kind.stitched_events as s"))) == 1
    check_full_run(pipeline, "after an erasure")

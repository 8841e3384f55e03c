"""Replay: past events move to whoever they turn out to belong to, in batches that never part a person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from cdp_pipeline.identity.replay import Flow, choose
from cdp_pipeline.progress import listening
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.maps import WHOLE, land, make_people, with_maps
from cdp_pipeline_tests.pipeline.projects import row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

STITCHED = "customer/stitched_events"
PEOPLE, EVENTS = 6, 3
ATTRIBUTES = "    attributes: [{id: seen, type: expression, value: count(*)}]\n"
IN_BATCHES = with_maps(WHOLE[:-1] + ", mode: snapshot}") + "    replay: {batch_events: 7}\n" + ATTRIBUTES
REPLAYS = (
    "select r.run, r.changes, r.events_rekeyed, r.entities_touched, r.events_left from kind.replays as r order by "
    "r.replay_id"
)


class BrokenOffError(Exception):
    """The process ends here."""


def two_names_each(pipeline: Pipeline) -> None:
    """Land a world in which everybody goes by a cookie and by an e-mail; then a map tells which belong together."""
    make_people(pipeline)
    cookies = (row(f"c{n}.{k}", web=f"c{n}") for n in range(PEOPLE) for k in range(EVENTS))
    emails = (row(f"e{n}.{k}", email=f"p{n}@x") for n in range(PEOPLE) for k in range(EVENTS))
    land(pipeline, *cookies, *emails, number=1)
    pipeline.run()
    make_people(pipeline, *((f"c{n}", f"p{n}@x", None) for n in range(PEOPLE)))


def seen_by(pipeline: Pipeline) -> dict[str, int]:
    """Return how many events each entity has now, by its number of events; every event counts once."""
    rows = pipeline.query(
        "select cast(s.entity_id as text), count(*), count(distinct s.event_id) "
        "from kind.stitched_events as s group by s.entity_id"
    )
    assert sum(events for _, events, _ in rows) == sum(distinct for *_, distinct in rows) == 2 * PEOPLE * EVENTS
    return {entity: events for entity, events, _ in rows}


@contextmanager
def between_batches(look: Callable[[], Any]) -> Iterator[None]:
    """Look whenever a batch of a replay has been written and another is to come."""

    def hear(what: str, done: int, total: int) -> None:
        if what == STITCHED and done < total:
            look()

    with listening(hear):
        yield


def test_each_event_is_seen_once_and_no_person_in_part(start: Start) -> None:
    pipeline = start(IN_BATCHES)
    two_names_each(pipeline)
    looks: list[dict[str, int]] = []
    with between_batches(lambda: looks.append(seen_by(pipeline))):
        facts = pipeline.run()[STITCHED]
    looks.append(seen_by(pipeline))
    # Two people of three events each fit into a batch of seven.
    assert [sorted(look.values()) for look in looks] == [[3] * 8 + [6] * 2, [3] * 4 + [6] * 4, [6] * 6]
    assert (facts.metrics["events_rekeyed"], facts.metrics["events_left"]) == (PEOPLE * EVENTS, 0)
    assert pipeline.query(REPLAYS)[-1] == (pipeline.last_run, PEOPLE, PEOPLE * EVENTS, 2 * PEOPLE, 0)
    assert pipeline.column("select p.seen from kind.profiles as p") == [6] * PEOPLE
    check_full_run(pipeline, "batches")


def test_a_replay_that_was_broken_off_is_taken_up(start: Start) -> None:
    pipeline = start(IN_BATCHES)
    two_names_each(pipeline)

    def die() -> None:
        raise BrokenOffError

    with pytest.raises(BrokenOffError), between_batches(die):
        pipeline.run()
    broken_off = pipeline.last_run
    assert pipeline.query(REPLAYS)[-1] == (broken_off, PEOPLE, 2 * EVENTS, 4, 4 * EVENTS)
    # In the meantime the map takes one of the links back, and a visitor comes.
    make_people(pipeline, *((f"c{n}", f"p{n}@x", None) for n in range(PEOPLE - 1)))
    land(pipeline, row("new", web="c0"), number=2)
    facts = pipeline.run()
    assert facts[STITCHED].metrics["events_left"] == 0
    ((run, *_, left),) = pipeline.query(REPLAYS)[-1:]
    assert (run, left) == (broken_off, 0)
    assert sorted(pipeline.column("select p.seen from kind.profiles as p")) == [3, 3, *[6] * (PEOPLE - 2), 7]
    check_full_run(pipeline, "broken off")


def test_what_comes_late_counts_as_if_it_had_come_in_time(start: Start) -> None:
    """A log-in of six days ago joins the two today; an order of yesterday that comes after today's is in the sum."""
    spent = "    attributes: [{id: spent, type: sum, value: \"(payload->>'amount')::numeric(18,2)\"}]\n"
    pipeline = start(with_maps() + spent)
    land(pipeline, row("o1", web="phone", at="2026-02-01T10:00:00Z", amount=10), number=1)
    land(pipeline, row("o3", email="ann@x", at="2026-02-08T10:00:00Z", amount=100), number=8)
    pipeline.run()
    query = "select cast(p.spent as integer) from kind.profiles as p order by 1"
    assert pipeline.column(query) == [10, 100]
    login = row("login", web="phone", email="ann@x", at="2026-02-02T10:00:00Z")
    land(pipeline, login, row("o2", web="phone", at="2026-02-07T10:00:00Z", amount=1000), number=9)
    facts = pipeline.run()[STITCHED]
    assert (pipeline.column(query), facts.metrics["events_rekeyed"]) == ([1110], 1)
    check_full_run(pipeline, "late")


def test_a_batch_takes_whole_groups_of_people() -> None:
    a, b, c, d, e, f = (UUID(int=number) for number in range(6))
    flows = [Flow(a, b, 5, restitched=False), Flow(b, c, 5, restitched=False), Flow(None, d, 4, restitched=False)]
    assert set(choose(flows, 3)) == {a, b, c}  # larger than a batch, and whole
    assert set(choose(flows, 14)) == {a, b, c, d}
    assert set(choose([*flows, Flow(e, None, 1, restitched=False), Flow(d, f, 0, restitched=True)], 5)) == {d, f, e}

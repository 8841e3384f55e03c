"""Whose an identifier was at a moment: as is known today, and as the map said it then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.history import AsOf, Holder, find_as_of, read_moment
from cdp_pipeline.operations.profile import find_profile
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.operations.worlds import WORLD, id_of, insert, land, shop, web
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline

ANN, BOB, EARLIER, GONE = (f"0f54dcad-0e40-662d-3572-8ca04c7ea82{n}" for n in range(4))
FIRST = datetime(2026, 2, 1, tzinfo=UTC)
BUILT, CORRECTED = datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 2, 8, tzinfo=UTC)
HANDED_OVER = datetime(2026, 2, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a tablet that was Ann's till noon of the second and then Bob's.

    On the 3rd the map gave it to an id of Ann's that has been merged since, for all time; it was corrected on the 8th.
    A cookie belonged to an id that is retired.
    """
    with open_pipeline(tmp_path_factory.mktemp("history") / "world", WORLD) as pipeline:
        land(pipeline, [shop(crm="1", email="ann@x", cookie="tablet"), shop(crm="2", email="bob@x"),
                        web("view", cookies="other")])  # fmt: skip
        write_map(pipeline)
        yield pipeline


def write_map(pipeline: Pipeline) -> None:
    """Write the map by hand, with what it said before."""
    for table in ("entity_map", "entity_map_history", "entities", "identifier_groups"):
        pipeline.execute(" ".join(("delete from", f"kind.{table}", "as t")))
    tablet, other = id_of(pipeline, "cookie:tablet"), id_of(pipeline, "cookie:other")
    owners = {"crm:1": ANN, "email:ann@x": ANN, "crm:2": BOB, "email:bob@x": BOB}
    for name, entity in {**owners, "cookie:tablet": ANN}.items():
        one = id_of(pipeline, name)
        insert(pipeline, "identifier_groups", identifier_id=one, component_id=one, entity_id=entity)
    for name, entity in owners.items():
        insert(pipeline, "entity_map", identifier_id=id_of(pipeline, name), entity_id=entity, recorded_from=BUILT)
    insert(pipeline, "entity_map", identifier_id=tablet, valid_to=HANDED_OVER, entity_id=ANN, recorded_from=CORRECTED)
    insert(pipeline, "entity_map", identifier_id=tablet, valid_from=HANDED_OVER, entity_id=BOB, recorded_from=CORRECTED)
    for one, entity in ((tablet, EARLIER), (other, GONE)):
        insert(pipeline, "entity_map_history", identifier_id=one, entity_id=entity, recorded_from=BUILT,
               recorded_to=CORRECTED)  # fmt: skip
    keys = {ANN: id_of(pipeline, "crm:1"), BOB: id_of(pipeline, "crm:2"), EARLIER: id_of(pipeline, "email:ann@x")}
    for entity in (ANN, BOB, EARLIER, GONE):
        key = {"key_id": keys[entity]} if entity in keys else {}
        insert(pipeline, "entities", entity_id=entity, founder_id=tablet, ordinal=0, issued_in=1, **key)


def ask(pipeline: Pipeline, name: str, moment: datetime) -> AsOf:
    return find_as_of(pipeline.connection, pipeline.project, name, moment)


def told(holder: Holder | None) -> tuple[str, str | None] | None:
    """Return the entity, and what its id stands for today."""
    if holder is None:
        return None
    return str(holder.entity_id), None if holder.today is None else str(holder.today)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("moment", "known_today", "said_then"),
    [
        (HANDED_OVER - HOUR, ANN, None),
        (HANDED_OVER, BOB, None),
        (BUILT - HOUR, BOB, None),
        (BUILT, BOB, EARLIER),
        (CORRECTED - HOUR, BOB, EARLIER),
        (CORRECTED, BOB, BOB),
    ],
)
def test_an_owner_is_told_in_both_ways(
    world: Pipeline, moment: datetime, known_today: str, said_then: str | None
) -> None:
    found = ask(world, "cookie:tablet", moment)
    assert (found.kind, found.identifier.name, found.moment) == ("customer", "cookie:tablet", moment)
    assert [str(holder.entity_id) if holder else None for holder in (found.known_today, found.said_then)] == [
        known_today, said_then
    ]  # fmt: skip
    assert found.map_began == BUILT


def test_an_id_of_then_is_followed_to_what_it_stands_for_today(world: Pipeline) -> None:
    assert told(ask(world, "cookie:tablet", BUILT).said_then) == (EARLIER, ANN)
    assert told(ask(world, "cookie:tablet", BUILT).known_today) == (BOB, BOB)
    assert told(ask(world, "cookie:other", BUILT).said_then) == (GONE, None)
    assert ask(world, "cookie:other", CORRECTED).said_then is None


def test_a_holder_comes_with_all_that_was_theirs_at_the_moment(world: Pipeline) -> None:
    before, after = (ask(world, "cookie:tablet", HANDED_OVER + step).known_today for step in (-HOUR, HOUR))
    assert before is not None
    assert after is not None
    assert [each.value for each in before.identifiers] == ["1", "ann@x", "tablet"]
    assert [each.value for each in after.identifiers] == ["2", "bob@x", "tablet"]
    assert (before.valid_from, before.valid_to, after.valid_from) == (None, HANDED_OVER, HANDED_OVER)
    ann = ask(world, "crm:1", HANDED_OVER).known_today
    assert ann is not None
    assert [each.value for each in ann.identifiers] == ["1", "ann@x"]
    then = ask(world, "cookie:tablet", BUILT).said_then
    assert then is not None
    assert [each.value for each in then.identifiers] == ["tablet"]
    assert (then.recorded_from, then.recorded_to) == (BUILT, CORRECTED)


def test_an_entity_is_asked_for_what_it_had(world: Pipeline) -> None:
    found = ask(world, f"entity_id:{EARLIER}", BUILT)
    assert told(found.said_then) == (EARLIER, ANN)
    assert found.said_then is not None
    assert [each.value for each in found.said_then.identifiers] == ["tablet"]
    assert told(found.known_today) == (ANN, ANN)
    assert ask(world, f"entity_id:{EARLIER}", CORRECTED).said_then is None


def test_a_row_that_does_not_know_since_when_it_stands_counts_as_always(engine: Engine, tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "own", WORLD) as pipeline:
        land(pipeline, [web("view", cookies="a")])
        pipeline.execute("update kind.entity_map as m set recorded_from = null where true")
        found = ask(pipeline, "cookie:a", FIRST - timedelta(days=400))
        assert told(found.said_then) == told(found.known_today) is not None


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-10", datetime(2026, 1, 10, tzinfo=UTC)),
        ("2026-01-10T18:30:00", datetime(2026, 1, 10, 18, 30, tzinfo=UTC)),
        ("2026-01-10T18:30:00Z", datetime(2026, 1, 10, 18, 30, tzinfo=UTC)),
        ("2026-01-10 18:30:00+02:00", datetime(2026, 1, 10, 16, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_day_or_a_time_in_utc(written: str, moment: datetime) -> None:
    assert read_moment(written) == moment


@pytest.mark.parametrize("written", ["yesterday", "2026-02-30", ""])
def test_what_is_no_moment_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        read_moment(written)


def test_a_profile_of_a_shared_identifier_is_that_of_its_last_owner(world: Pipeline) -> None:
    found = find_profile(world.connection, world.project, "cookie:tablet")
    assert str(found.entity_id) == BOB
    assert [each.value for each in found.identifiers] == ["2", "bob@x", "tablet"]

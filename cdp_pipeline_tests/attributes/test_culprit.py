"""When an attribute cannot be calculated, the error names it, and what it fails on."""

from pathlib import Path
from uuid import UUID

import pytest

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline_tests.attributes.worlds import Event, World, attribute

GOOD = [attribute("events_seen", "expression", "count(*)"), attribute("texts", "list", "payload->>'t'")]
EVENTS = [
    Event(1, 1, {"n": "2", "t": "a"}),
    Event(2, 1, {"n": "two", "t": "2026-01-01"}, "view"),
    Event(3, 2, {"n": "0", "t": "b"}),
    Event(4, None, {"n": "nobody's"}),
]


def failure(world: World, *bad: Attribute) -> str:
    before = world.fetch("select count(*) from cdp.metrics as m")
    with pytest.raises(WarehouseError) as raised:
        world.calculate([*GOOD, *bad])
    assert world.fetch("select count(*) from cdp.metrics as m") == before
    return str(raised.value)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (attribute("revenue", "sum", "(payload->>'n')::numeric(38,9)"), "two"),
        (attribute("revenue", "last", "(payload->>'n')::integer"), "two"),
        (attribute("revenue", "last", "type", filter="(payload->>'n')::bigint > 1"), "two"),
        (attribute("revenue", "expression", "max((payload->>'n')::integer)"), "two"),
        (attribute("revenue", "expression", "count(*) filter (where (payload->>'n')::integer > 1)"), "two"),
    ],
)
def test_an_event_that_cannot_be_read_is_named(tmp_path: Path, bad: Attribute, says: str) -> None:
    message = failure(World(tmp_path, EVENTS), bad)
    assert message.startswith("customer attribute revenue: ")
    assert f"event {UUID(int=2)}" in message
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("bad", "entity"),
    [
        (attribute("share", "expression", "1 / sum((payload->>'n')::integer)::double precision", events=["order"]), 2),
        (attribute("share", "max", "payload->>'t'", data_type="date", events=["order"]), 1),
    ],
)
def test_an_entity_that_cannot_be_calculated_is_named(tmp_path: Path, bad: Attribute, entity: int) -> None:
    message = failure(World(tmp_path, EVENTS), bad)
    assert message.startswith("customer attribute share: ")
    assert f"entity {UUID(int=entity)}" in message


HUGE = [Event(number, 1, {"n": 9 * 10**28}) for number in range(1, 5)]


def test_a_sum_that_is_too_large_is_an_error_and_not_another_number(tmp_path: Path) -> None:
    message = failure(World(tmp_path, HUGE), attribute("revenue", "sum", "(payload->>'n')::numeric(38,9)"))
    assert message.startswith("customer attribute revenue: ")


@pytest.mark.gap("duckdb", "a sum of more than 38 digits on the way to an average is an error", WarehouseError)
def test_an_average_may_be_taken_of_what_is_too_large_to_add_up(tmp_path: Path) -> None:
    average = attribute("revenue", "avg", "(payload->>'n')::numeric(38,9)")
    assert World(tmp_path, HUGE).value_of(average) == 9 * 10**28


def test_a_condition_spares_what_it_leaves_out(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    number = "(payload->>'n')::integer"
    spared = [
        attribute("by_type", "sum", number, events=["order"]),
        attribute("by_filter", "sum", number, filter="type = 'order'"),
        attribute("in_filter", "expression", "count(*)", filter=f"type = 'order' and {number} > 1"),
        attribute("by_own_filter", "expression", f"sum({number}) filter (where type = 'order')"),
        attribute("in_own_filter", "expression", f"count(*) filter (where type = 'order' and {number} > 1)"),
    ]
    world.calculate(spared)
    assert world.profiles(*(each.id for each in spared)) == {1: (2, 2, 1, 2, 1), 2: (0, 0, 0, 0, 0)}


def test_a_branch_that_is_not_taken_spares_a_place_that_is_calculated(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    place = "length((payload[version::integer])::text)"  # of a version that is no number
    value = f"case when type = 'order' then 1 when type = 'refund' then {place} end"
    world.calculate([attribute("most", "max", value), attribute("least", "min", f"{value} + 1")])
    assert world.profiles("most", "least") == {1: (1, 2), 2: (1, 2)}


def test_the_stage_works_again_once_the_attribute_is_mended(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    failure(world, attribute("revenue", "sum", "(payload->>'n')::integer"))
    world.calculate([attribute("revenue", "sum", "(payload->>'n')::integer", events=["order"])])
    assert world.profiles("revenue") == {1: 2, 2: 0}


@pytest.mark.parametrize("value", ["upper(event_time)", "nothing"])
def test_an_attribute_that_was_not_validated_is_named_too(tmp_path: Path, value: str) -> None:
    with pytest.raises(SqlError, match=r"^customer attribute wrong: "):
        World(tmp_path, EVENTS).calculate([attribute("wrong", "last", value)])


def test_a_derived_attribute_that_fails_is_named(tmp_path: Path) -> None:
    wrong = attribute("ratio", "derived", "10 / (seen - 2)::double precision")
    seen = attribute("seen", "expression", "count(*)")
    with pytest.raises(WarehouseError, match=r"customer attribute ratio: .*on_error: null"):
        World(tmp_path, [Event(1, 1), Event(2, 1)]).calculate([seen, wrong])

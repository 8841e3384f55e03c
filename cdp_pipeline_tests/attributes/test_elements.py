"""Each type over several rows per event, with weights and outer expressions, gives what plain Python gives."""

import random
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline_tests.attributes.reference import FILTERS, expected
from cdp_pipeline_tests.attributes.test_types import TEXTS, by_owner
from cdp_pipeline_tests.attributes.worlds import Event, World, attribute

ITEMS, TAGS = "jsonb_array_elements(payload->'items')", "jsonb_array_elements_text(payload->'tags')"
NESTED, KEYS = "jsonb_array_elements(payload->'nested')->1", "jsonb_object_keys(payload->'deep')"
TEXT_OF_ITEM, TEXT = f"{ITEMS}->>'t'", "payload->>'t'"
QUANTITY = {"outer_value": "(value->>'q')::numeric(38,9)"}
NAME = {"outer_value": "value->>'t'"}
BY_QUANTITY = {"outer_weight": "(value->>'q')::numeric"}
BY_EVENT = {"weight": "(payload->>'w')::double precision"}
NOT_A = {"outer_filter": "value <> 'a'"}
GOOD = {"outer_filter": "value->>'t' < 'b' and (value->>'q')::numeric(38,9) > 0"}
# Which values each type is tried with.
OVER: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "avg": [(ITEMS, QUANTITY), (ITEMS, QUANTITY | GOOD)],
    "sum": [(ITEMS, QUANTITY), (ITEMS, QUANTITY | GOOD)],
    "min": [(TAGS, {}), (ITEMS, NAME | GOOD)],
    "max": [(TEXT_OF_ITEM, NOT_A), (ITEMS, QUANTITY)],
    "num_of_unique": [(TAGS, NOT_A), (KEYS, {})],
    "first": [(ITEMS, {}), (NESTED, {}), (TEXT_OF_ITEM, {"outer_value": "upper(value)"})],
    "last": [(ITEMS, GOOD), (NESTED, {}), (TAGS, {}), (TEXT, {"outer_value": "coalesce(value, 'none')"} | NOT_A)],
    "value": [(TAGS, NOT_A), (ITEMS, QUANTITY)],
    "most_frequent": [(TAGS, {}), (ITEMS, NAME | BY_QUANTITY), (TAGS, BY_EVENT), (TEXT, BY_EVENT)],
    "least_frequent": [(ITEMS, NAME | BY_QUANTITY | BY_EVENT | GOOD), (TEXT, BY_EVENT | NOT_A), (KEYS, {})],
    "list": [(TAGS, NOT_A), (KEYS, {}), (ITEMS, QUANTITY), (TEXT_OF_ITEM, {})],
}
CONDITIONS: list[dict[str, Any]] = [{"events": ["view"]}, *({"filter": text} for text in FILTERS)]


def random_payload(rng: random.Random) -> dict[str, Any]:
    """Arrays that are missing, null or empty, with nulls and values of other kinds in them."""

    def item() -> Any:
        return rng.choice(
            [None, "x", 7, [1], {}, *4 * [{"q": rng.choice([None, 0, 1, 2, 0.25, "3"]), "t": rng.choice(TEXTS)}]]
        )

    arrays = {
        "items": [item() for _ in range(rng.randrange(4))],
        "tags": rng.choices([*TEXTS, 1, True], k=rng.randrange(4)),
        "nested": [rng.choice([[], [1], [1, None], [1, "a"], [2, [3, [4]]]]) for _ in range(rng.randrange(3))],
    }
    payload: dict[str, Any] = {key: rng.choice([None, array, array, array]) for key, array in arrays.items()}
    payload |= {"t": rng.choice(TEXTS), "n": rng.randrange(5), "w": rng.choice([None, 0, 1, 2.5, "0.125"])}
    payload["deep"] = rng.choice([None, {"b": 1, "aa": {}, "a": None}, {"z": 0}, {}])
    return {key: value for key, value in payload.items() if rng.random() < 0.9}


def random_events(rng: random.Random) -> list[Event]:
    """Events at few times, so that much is equal; some people have one, and one has none that counts."""
    return [
        Event(number, rng.choice([1, 2, 3, *range(20)]), random_payload(rng), rng.choice(["order", "view"]),
              rng.choice(["web", "crm"]), minute=rng.randrange(4))
        for number in rng.sample(range(1, 1000), 120)
    ]  # fmt: skip


def attributes_over_elements(rng: random.Random) -> list[Attribute]:
    """Every type over its values, by turns with a condition on the event and without one."""
    return [
        attribute(f"{type_}_{number}", type_, value, **outer, **(rng.choice(CONDITIONS) if number % 2 else {}))
        for type_, values in OVER.items()
        for number, (value, outer) in enumerate(values)
    ]


def test_every_type_over_elements_gives_what_plain_python_gives(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    owned = by_owner(random_events(rng))
    world = World(tmp_path, [event for events in owned.values() for event in events])
    attributes = attributes_over_elements(rng)
    world.calculate(attributes)
    calculated = world.profiles(*(each.id for each in attributes))
    assert calculated.keys() == owned.keys()
    for entity, values in calculated.items():
        for each, value in zip(attributes, values, strict=True):
            assert value == expected(each, owned[entity]), (seed, entity, each, owned[entity])


WRONG = [
    attribute("wrong", "most_frequent", TEXT, weight="(payload->>'w')::bigint"),
    attribute("wrong", "least_frequent", ITEMS, outer_value="value->>'t'", outer_weight="(value->>'w')::bigint"),
    attribute("wrong", "first", "jsonb_array_elements(payload->'t')"),
    attribute("wrong", "sum", ITEMS, outer_value="(value->>'t')::bigint"),
    attribute("wrong", "max", TEXT, outer_value="value::date"),
]


def test_an_event_with_a_negative_weight_or_a_wrong_element_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, [Event(1, 1, {}), Event(2, 1, {"t": "a", "w": -1, "items": [{"t": "a", "w": -2}]})])
    for wrong in WRONG:
        with pytest.raises(WarehouseError, match=r"^customer attribute wrong: .*00000002") as raised:
            world.calculate([wrong])
        if wrong.weight or wrong.outer_weight:
            assert "a weight is negative: -" in str(raised.value)

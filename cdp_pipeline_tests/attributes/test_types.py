"""Each type of attribute gives what plain Python gives, whatever the events."""

import json
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline_tests.attributes.reference import FILTERS, expected
from cdp_pipeline_tests.attributes.worlds import Event, World, attribute

TEXT, DEEP, NUMBER, WHOLE = (
    "payload->>'t'", "payload->'deep'->>'t'", "(payload->>'n')::numeric(38,9)", "(payload->>'n')::bigint")  # fmt: skip
TEXTS = ["a", "b", "B", "ä", "z", "", "null", "it's", 'a "quote"', "1.50", None]
PEOPLE = 25
# Which values each type is tried with.
OVER = {
    "avg": [NUMBER, WHOLE],
    "sum": [NUMBER, WHOLE],
    "min": [TEXT, NUMBER, "event_time"],
    "max": [TEXT, WHOLE, "event_time"],
    "num_of_unique": [TEXT, NUMBER, "id"],
    "first": [TEXT, DEEP, NUMBER, "payload->'t'", "event_time"],
    "last": [TEXT, DEEP, WHOLE, "payload->'t'", "id"],
    "value": [TEXT, "type"],
    "most_frequent": [TEXT, WHOLE, "type", "event_time"],
    "least_frequent": [TEXT, NUMBER, "id"],
    "list": [TEXT, DEEP, NUMBER, WHOLE, "type"],
}
CONDITIONS: list[dict[str, Any]] = [
    {"sources": ["web"]},
    {"events": ["view", "order"], "version": ["1-1-0"]},
    *({"filter": text} for text in FILTERS),
    {"events": ["view"], "filter": "(payload->>'n')::numeric(38,9) > 2"},
    {"events": ["it's no event"]},
]


def random_payload(rng: random.Random) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    if rng.random() < 0.8:
        payload["t"] = rng.choice(TEXTS)
    if rng.random() < 0.7:
        payload["n"] = rng.choice([None, 0, 1, 2, 3, -7, "2", 10**12])
    if rng.random() < 0.6:
        payload["deep"] = rng.choice([{}, {"t": rng.choice(TEXTS)}, None, "no object"])
    return payload


def random_events(rng: random.Random, count: int) -> list[Event]:
    """Events of few people at few times, so that much is equal; some belong to nobody, some people have one."""
    numbers = rng.sample(range(1, 10 * count), count)
    return [
        Event(
            number,
            rng.choice([None, *range(1, PEOPLE), *range(1, 5)]),
            random_payload(rng),
            rng.choice(["order", "view", "login"]),
            rng.choice(["web", "crm"]),
            rng.choice(["1-0-0", "1-1-0"]),
            rng.randrange(6),
        )
        for number in numbers
    ]


def random_attributes(rng: random.Random) -> list[Attribute]:
    """Every type over every value, without conditions and with some."""
    return [
        attribute(f"{type_}_{number}_{place}", type_, value, **conditions)
        for type_, values in OVER.items()
        for number, value in enumerate(values)
        for place, conditions in enumerate([{}, *rng.sample(CONDITIONS, 2)])
    ]


def by_owner(events: list[Event]) -> dict[int, list[Event]]:
    owned: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.entity is not None:
            owned[event.entity].append(event)
    return owned


def test_every_type_gives_what_plain_python_gives(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = random_events(rng, 300)
    world = World(tmp_path, events)
    attributes = random_attributes(rng)
    world.calculate(attributes)
    calculated = world.profiles(*(each.id for each in attributes))
    owned = by_owner(events)
    assert calculated.keys() == owned.keys()
    for entity, values in calculated.items():
        for each, value in zip(attributes, values, strict=True):
            assert value == expected(each, owned[entity]), (seed, entity, each, owned[entity])


ONE = [Event(1, 1, {"t": "x", "n": 2.5})]
TIES = [
    Event(4, 1, {"t": "late", "n": 4}, minute=2),
    Event(3, 1, {"t": "b", "n": 3}, minute=1),
    Event(2, 1, {"t": "a", "n": 2}, minute=1),
    Event(5, 1, {"t": None, "n": None}, minute=1),
    Event(1, 1, {}, minute=0),
    Event(6, 1, {"t": "late", "n": None}, minute=3),
]


# A type, a value, and what it gives without events, of one event, and of several at the same time.
TABLE: list[tuple[str, str, Any, Any, Any]] = [
    ("avg", NUMBER, None, Decimal("2.5"), Decimal(3)),
    ("sum", NUMBER, None, Decimal("2.5"), Decimal(9)),
    ("min", TEXT, None, "x", "a"),
    ("max", TEXT, None, "x", "late"),
    ("num_of_unique", TEXT, 0, 1, 3),
    ("first", TEXT, None, "x", "a"),
    ("first", "payload->'t'", None, '"x"', '"a"'),
    ("last", TEXT, None, "x", "late"),
    ("last", NUMBER, None, Decimal("2.5"), Decimal(4)),
    ("value", TEXT, None, "x", "a"),
    ("most_frequent", TEXT, None, "x", "late"),
    ("least_frequent", TEXT, None, "x", "a"),
    ("list", TEXT, None, '["x"]', '["a","b","late"]'),
    ("expression", "count(payload->>'t')", 0, 1, 4),
]


def test_no_event_one_event_ties_and_nulls(tmp_path: Path) -> None:
    others = [Event(90, 2, {"t": "other"}, "view"), Event(91, None, {"t": "nobody's"})]
    world = World(tmp_path, [*TIES, *others])
    world.add([Event(100 + event.number, 3, event.payload) for event in ONE])
    attributes = [attribute(f"x{place}", *case[:2], events=["order"]) for place, case in enumerate(TABLE)]
    world.calculate(attributes)
    given = world.profiles(*(each.id for each in attributes))
    for place, (type_, value, none, one, ties) in enumerate(TABLE):
        assert [given[entity][place] for entity in (1, 2, 3)] == [ties, none, one], (type_, value)


def test_an_average_is_rounded_half_away_from_zero_and_a_sum_is_exact(tmp_path: Path) -> None:
    tenths = [Event(n, 1, {"n": 0.1}) for n in range(1, 11)]
    world = World(tmp_path, [*tenths, Event(11, 2, {"n": -1}), Event(12, 2, {"n": 0}), Event(13, 2, {"n": 0})])
    double = "(payload->>'n')::double precision"
    world.calculate([attribute("s", "sum", double), attribute("a", "avg", double)])
    assert world.profiles("s", "a") == {1: (Decimal(1), Decimal("0.1")), 2: (Decimal(-1), Decimal("-0.333333333"))}


def test_lists_are_json_as_postgresql_writes_it(tmp_path: Path) -> None:
    world = World(
        tmp_path, [Event(1, 1, {"n": "0.5"}, minute=1), Event(2, 1, {"n": "NaN"}), Event(3, 1, {"n": "1e300"})]
    )
    assert world.value_of(attribute("x", "list", "event_time")) == (
        '["2026-04-01T12:00:00+00:00","2026-04-01T12:01:00+00:00"]'
    )
    assert world.value_of(attribute("x", "list", "event_time::timestamp")) == (
        '["2026-04-01T12:00:00","2026-04-01T12:01:00"]'
    )
    assert world.value_of(attribute("x", "list", "event_time::date")) == '["2026-04-01"]'
    doubles = world.value_of(attribute("x", "list", "(payload->>'n')::double precision"))
    assert json.loads(doubles, parse_int=float) == [0.5, 1e300, "NaN"]
    assert world.value_of(attribute("x", "list", "type = 'order'")) == "[true]"


DEFAULTS: list[tuple[str, Any, str | None, Any, Any]] = [
    ("payload->>'n'", 7, "bigint", 7, 2),
    ("payload->>'n'", "7", "numeric", Decimal(7), Decimal(2)),
    ("payload->>'n'", 0.5, "numeric(12,2)", Decimal("0.5"), Decimal(2)),
    ("payload->>'n'", -1, "double precision", -1.0, 2.0),
    ("payload->>'n'", "it's none", None, "it's none", "2"),
    ("payload->>'n'", None, "text", None, "2"),
    ("payload->>'n' = '2'", False, None, False, True),
    ("payload->'n'", "[]", "jsonb", "[]", "2"),
    ("(payload->>'n')::bigint", 1, "text", "1", "2"),
]


def test_a_default_fills_what_is_missing_and_the_cast_comes_last(tmp_path: Path) -> None:
    world = World(tmp_path, [Event(1, 1, {}), Event(2, 2, {"n": 2})])
    attributes = [
        attribute(f"x{place}", "last", value, default=default, data_type=data_type)
        for place, (value, default, data_type, _, _) in enumerate(DEFAULTS)
    ]
    world.calculate(attributes)
    given = world.profiles(*(each.id for each in attributes))
    assert given == {1: tuple(case[3] for case in DEFAULTS), 2: tuple(case[4] for case in DEFAULTS)}


def test_names_of_sql_are_names_of_attributes(tmp_path: Path) -> None:
    names = ["order", "select", "value", "events", "place", "time", "user", "group", "v", "c0", "a0"]
    world = World(tmp_path, ONE)
    world.calculate([attribute(name, "most_frequent", TEXT) for name in names])
    assert world.profiles(*names) == {1: ("x",) * len(names)}

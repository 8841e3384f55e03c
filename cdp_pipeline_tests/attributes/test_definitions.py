"""Row helpers, meta-attributes, custom and derived attributes: what they mean, against plain Python."""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.config.calculated import MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline_tests.attributes.worlds import AS_OF, START, Event, World, attribute, entity_with

BILLIONTH = Decimal("0.000000001")
ITEMS = """
    select item->>'sku' as sku, (item->>'price')::numeric(38,9) as price, (item->>'quantity')::bigint as quantity
    from base
    cross join lateral jsonb_array_elements(payload->'items') as item
    where type = 'order' and event_time > now() - interval '30 days'
    -- what was bought lately; a comment and a semicolon may stand at the end
    ;
"""
DEFINITIONS: dict[str, Any] = {
    "row_helpers": [
        RowHelper(
            id="session_seconds",
            value="extract(epoch from max(event_time) over (partition by payload->>'session') "
            "- min(event_time) over (partition by payload->>'session'))",
            filter="event_time > now() - interval '7 days'",
        ),
        RowHelper(id="is_late", value="session_seconds > 3600"),
        RowHelper(
            id="views_before",
            value="count(*) over (order by event_time, id rows between unbounded preceding and 1 preceding)",
            sources=["web"],
            events=["view"],
        ),
    ],
    "meta_attributes": [
        MetaAttribute(id="products_bought", definition=ITEMS),
        MetaAttribute(id="dear", definition="select sku, price from products_bought where price > 20"),
    ],
}
ATTRIBUTES = [
    attribute("average_price", "avg", "price", **{"from": "products_bought"}),
    attribute("sum_of_prices", "sum", "price", **{"from": "products_bought"}),
    attribute("quantities", "custom", "select sum(quantity) from products_bought"),
    attribute("dearest", "custom", "select sku from products_bought order by price desc, sku limit 1"),
    attribute("dear_skus", "list", "sku", **{"from": "dear"}),
    attribute("skus", "custom", "select sku from products_bought order by price desc", multiple=True),
    attribute("active_days", "expression", "count(distinct event_time::date)"),
    attribute("session_by_event", "avg", "session_seconds"),
    attribute(
        "session_by_session",
        "custom",
        "select avg(s.seconds) from (select payload->>'session' as session, max(session_seconds) as seconds "
        "from base where session_seconds is not null group by 1) as s",
    ),
    attribute("late_events", "expression", "count(*) filter (where is_late)"),
    attribute("most_views_before", "max", "views_before"),
    attribute("most_items", "max", "jsonb_array_length(payload->'items')"),
    attribute("double", "derived", "coalesce(sum_of_prices, 0) * 2"),
    attribute("twice_that", "derived", "double * 2", data_type="numeric(20,2)"),
    attribute("secret", "expression", "count(*)", hidden=True),
    attribute("has_secret", "derived", "secret > 4"),
    attribute("ranked", "custom", "with n as (select type, count(*) as times from base group by type) "
              "select type from n order by times desc, type limit 1"),
]  # fmt: skip


def definitions() -> Entity:
    return entity_with(ATTRIBUTES, **DEFINITIONS)


def random_events(rng: random.Random, count: int, people: int = 8) -> list[Event]:
    """Events of a year up to `AS_OF`, many of them of the last weeks."""
    events = []
    for number in range(1, count + 1):
        minute = int((AS_OF - START).total_seconds() // 60) - int(
            rng.choice([60, 2_000, 12_000, 60_000]) * rng.random()
        )
        payload: dict[str, Any] = {"session": rng.choice("abc")}
        kind = rng.choice(["order", "view", "login"])
        if kind == "order" and rng.random() < 0.8:
            payload["items"] = [
                {"sku": rng.choice("stuv"), "price": rng.randint(1, 4000) / 100, "quantity": rng.randint(1, 3)}
                for _ in range(rng.randint(0, 3))
            ]
        source = rng.choice(["web", "app"])
        events.append(Event(number, rng.randint(1, people), payload, kind, source, minute=minute))
    return events


def mean(values: Sequence[Decimal]) -> Decimal | None:
    return (sum(values, Decimal()) / len(values)).quantize(BILLIONTH, ROUND_HALF_UP) if values else None


def expected(events: Sequence[Event], as_of: datetime) -> dict[str, Any]:
    """What plain Python makes of an entity's events."""
    events = sorted(events, key=lambda event: (event.time, event.event_id))
    lately = [event for event in events if event.type == "order" and event.time > as_of - timedelta(days=30)]
    items = [item for event in lately for item in event.payload.get("items", [])]
    prices = [Decimal(str(item["price"])) for item in items]
    sessions: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        if event.time > as_of - timedelta(days=7):
            sessions[event.payload["session"]].append(event.time)
    seconds = {name: Decimal((max(times) - min(times)).total_seconds()) for name, times in sessions.items()}
    by_event = [seconds[name] for name, times in sessions.items() for _ in times]
    views = sum(event.type == "view" and event.source == "web" for event in events)
    total = sum(prices, Decimal())
    by_price = sorted(items, key=lambda item: (-Decimal(str(item["price"])), item["sku"]))
    times = {kind: sum(event.type == kind for event in events) for kind in {event.type for event in events}}
    return {
        "average_price": mean(prices),
        "sum_of_prices": total if prices else None,
        "quantities": sum(item["quantity"] for item in items) if items else None,
        "dearest": by_price[0]["sku"] if items else None,
        "dear_skus": sorted({item["sku"] for item in items if item["price"] > 20}) or None,
        "skus": [item["sku"] for item in by_price] or None,
        "active_days": len({event.time.date() for event in events}),
        "session_by_event": mean(by_event),
        "session_by_session": mean(list(seconds.values())),
        "late_events": sum(length > 3600 for length in by_event),
        "most_views_before": views - 1 if views else None,
        "most_items": max((len(event.payload["items"]) for event in events if "items" in event.payload), default=None),
        "double": total * 2,
        "twice_that": total * 4,
        "has_secret": len(events) > 4,
        "ranked": min(times, key=lambda kind: (-times[kind], kind)),
    }


def found(world: World) -> dict[int, dict[str, Any]]:
    names = [each.id for each in ATTRIBUTES if not each.hidden]
    rows = world.profiles(*names)
    lists = ("dear_skus", "skus")
    return {
        entity: {name: json.loads(v) if name in lists and v else v for name, v in zip(names, row, strict=True)}
        for entity, row in rows.items()
    }


def same(value: Any, other: Any) -> bool:
    if isinstance(value, float) or isinstance(other, float):
        return value is not None and other is not None and abs(float(value) - float(other)) < 1e-6
    return bool(value == other)


def must_be(world: World, events: Sequence[Event], as_of: datetime, seed: int) -> None:
    by_entity: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        by_entity[event.entity or 0].append(event)
    told = found(world)
    assert told.keys() == by_entity.keys()
    for entity, own in by_entity.items():
        wanted = expected(own, as_of)
        wrong = {
            name: (told[entity][name], wanted[name]) for name in wanted if not same(told[entity][name], wanted[name])
        }
        assert not wrong, (seed, entity, wrong)


def test_what_definitions_mean_as_events_come_and_time_passes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = random_events(rng, 120)
    world, as_of = World(tmp_path), AS_OF
    for cut in range(3):
        world.add(events[cut * 40 : (cut + 1) * 40], dirty=True)
        world.calculate(definitions(), as_of=as_of)
        must_be(world, events[: (cut + 1) * 40], as_of, seed)
        as_of += timedelta(days=rng.choice([0, 1, 9]), minutes=rng.randint(0, 600))
    facts = world.calculate(definitions(), as_of=as_of)
    must_be(world, events, as_of, seed)
    assert facts.metrics.get("entities_calculated", 0) <= 8
    incremental = [row[:-3] for row in world.table()]
    world.calculate(definitions(), as_of=as_of, full=True)
    assert incremental == [row[:-3] for row in world.table()], seed


def test_a_query_that_gives_several_rows_is_an_error_that_names_it(tmp_path: Path) -> None:
    world = World(tmp_path, [Event(1, 1), Event(2, 1)])
    several = entity_with([attribute("types", "custom", "select type from base")])
    with pytest.raises(WarehouseError, match=r"customer attribute types: its query gave more than one row for 1 entit"):
        world.calculate(several)
    world.calculate(entity_with([attribute("types", "custom", "select type from base", multiple=True)]))
    assert world.profiles("types") == {1: '["order","order"]'}


def test_what_fails_in_a_query_is_null_where_the_definition_says_so_and_counted_where_rows_are_many(
    tmp_path: Path,
) -> None:
    events = [Event(1, 1, {"n": "2"}), Event(2, 1, {"n": "two"}), Event(3, 2, {"n": "3"})]
    world = World(tmp_path, events)
    total = "select sum((payload->>'n')::numeric(38,9)) from base"
    with pytest.raises(WarehouseError, match="customer attribute total"):
        world.calculate(entity_with([attribute("total", "custom", total)]))
    facts = world.calculate(
        entity_with(
            [
                attribute("total", "custom", total, on_error="null"),
                attribute("numbers", "custom", "select payload->>'n' from base", on_error="null"),
                attribute("ratio", "derived", "10 / (total - 2)::double precision", on_error="null"),
                attribute("seen", "expression", "count(*)"),
            ]
        )
    )
    assert world.profiles("total", "numbers", "ratio", "seen") == {1: (2, None, None, 2), 2: (3, "3", 10.0, 1)}
    assert facts.metrics["errors in numbers"] == 1
    assert facts.metrics["errors in ratio"] == 1

"""Attributes of type expression: any aggregate expression over the events that the attribute reads."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.attributes.calculation import calculation_of
from cdp_pipeline.attributes.plan import BASE, Plan, events_relation
from cdp_pipeline_tests.attributes.worlds import Event, World, attribute
from cdp_pipeline_tests.engines import Engine

EVENTS = [
    Event(1, 1, {"n": 10, "t": "b"}, minute=2),
    Event(2, 1, {"n": 2.5, "t": "a"}, minute=1),
    Event(3, 1, {"n": None, "t": "b"}, "view", minute=3),
    Event(4, 1, {"t": None}, "view", "crm", minute=1),
    Event(5, 2, {"n": 1, "deep": {"t": "x"}}, "login"),
]
N = "(payload->>'n')::numeric(38,9)"


# An expression, the attribute's conditions, and what it gives for each of two people.
CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("count(*)", {}, 4, 1),
    ("count(*)", {"events": ["order"]}, 2, 0),
    ("count(*)", {"events": ["order", "view"], "filter": "source_id = 'crm'"}, 1, 0),
    ("count(*) filter (where type = 'view')", {"sources": ["web"]}, 1, 0),
    ("count(payload->>'n')", {}, 2, 1),
    ("count(payload->'n')", {}, 3, 1),
    ("max(upper(payload->'deep'->>'t'))", {}, None, "X"),
    ("count(distinct payload->>'t')", {}, 2, 0),
    (f"sum({N})", {}, Decimal("12.5"), Decimal(1)),
    (f"sum({N})", {"events": ["order"]}, Decimal("12.5"), None),
    ("sum(1)", {}, Decimal(4), Decimal(1)),
    (f"avg({N}) filter (where type = 'order')", {}, Decimal("6.25"), None),
    (f"coalesce(sum({N}) filter (where type = 'order'), 0) + count(*)", {}, Decimal("16.5"), Decimal(1)),
    (f"sum({N}) / nullif(count(*), 0)::double precision", {"events": ["order"]}, 6.25, None),
    ("count(*) filter (where type = 'view') / count(*)::double precision", {}, 0.5, 0.0),
    ("max(event_time)::date - min(event_time)::date", {}, 0, 0),
    ("bool_or(type = 'view')", {}, True, False),
    ("bool_and(payload->>'t' = 'b')", {}, False, None),
    ("case when count(*) > 3 then 'many' else 'few' end", {}, "many", "few"),
    ("string_agg(payload->>'t', '-')", {}, "a-b-b", None),
    ("string_agg(payload->>'t', '-' order by event_time desc)", {}, "b-b-a", None),
    (
        "string_agg(payload->>'t', '-' order by type desc, payload->>'n') filter (where type <> 'x')",
        {},
        "b-b-a",
        None,
    ),
    ("string_agg(distinct payload->>'t', ', ')", {}, "a, b", None),
    ("string_agg(distinct payload->>'t', ', ' order by payload->>'t' desc)", {}, "b, a", None),
    ("min(payload->>'t') || '/' || max(payload->>'t')", {}, "a/b", None),
    (f"percentile_cont(0.5) within group (order by {N})", {}, 6.25, 1.0),
    (f"percentile_disc(0.5) within group (order by {N}) filter (where type = 'order')", {}, Decimal("2.5"), None),
    ("mode() within group (order by payload->>'t')", {"events": ["order", "view"]}, "b", None),
    ("jsonb_agg(payload->>'t' order by event_time, id)", {"events": ["order"]}, '["a","b"]', None),
    (f"stddev_pop({N}::double precision) + count(*)", {"events": ["order"]}, 5.75, None),
]


@pytest.fixture(scope="module")
def calculated(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """What every case gives for everybody, from one run."""
    world = World(tmp_path_factory.mktemp("expressions"), EVENTS)
    attributes = [attribute(f"x{place}", "expression", case[0], **case[1]) for place, case in enumerate(CASES)]
    world.calculate(attributes)
    profiles: dict[int, Any] = world.profiles(*(each.id for each in attributes))
    return profiles


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case[0] for case in CASES])
def test_an_expression_over_events(calculated: dict[int, Any], place: int) -> None:
    assert (calculated[1][place], calculated[2][place]) == CASES[place][2:]


def test_what_attributes_share_is_read_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    plan = Plan(world.connection, {BASE: events_relation()})
    shared = [
        attribute("a", "sum", N, events=["order"]),
        attribute("b", "expression", f"sum({N}) / count(*)::double precision", events=["order"]),
        attribute("c", "expression", f"max({N}) filter (where type in ('order'))"),
    ]
    for each in shared:
        calculation_of(each, plan)
    assert len(plan.read(BASE).columns) == 2
    assert len(plan.read(BASE).aggregates) == 3

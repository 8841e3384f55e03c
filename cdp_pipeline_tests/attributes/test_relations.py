"""Attributes over the rows of a meta-attribute and over row helpers, and errors that give NULL and are counted."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation, calculation_of
from cdp_pipeline.attributes.plan import BASE, Plan, Relation, events_relation, named
from cdp_pipeline.attributes.query import results_query
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.sql.statements import statement
from cdp_pipeline_tests.attributes.worlds import SCHEMAS, Event, World, attribute, compact
from cdp_pipeline_tests.engines import Engine

EVENTS = [
    Event(1, 1, {"n": "2", "items": [{"p": "1"}, {"p": "x"}]}, minute=1),
    Event(2, 1, {"n": "two", "items": {"p": "1"}}, "view", minute=2),
    Event(3, 1, {"n": "three"}, "view", minute=3),
    Event(4, 2, {"n": "0", "items": [{"p": "y"}, {"p": "z"}]}),
    Event(5, 3, {"n": "1"}),
]
OWNED = """
    select s.entity_id, e.event_id as id, e.source_id, e.type, e.version, e.event_time, e.payload,
        length(e.type) as letters
    from kind.stitched_events as s
    join cdp.customer_events as e on e.event_id = s.event_id
    where s.entity_id is not null
"""
# Rows of a meta-attribute: of one entity in an order of their own, of another none.
PRODUCTS = """
    create temporary table products as
    select cast(g.entity_id as uuid) as entity_id, cast(g.name as text) as name,
        cast(g.price as numeric(38, 9)) as price, cast(g.tags as jsonb) as tags, cast(g.place as bigint) as place
    from (
        values ('00000000-0000-0000-0000-000000000001', 'pear', 2, '["x", "y"]', 2),
            ('00000000-0000-0000-0000-000000000001', 'fig', 3, null, 1),
            ('00000000-0000-0000-0000-000000000001', 'fig', 0.5, '["y"]', 3),
            ('00000000-0000-0000-0000-000000000003', null, null, '[]', 1)
    ) as g (entity_id, name, price, tags, place)
"""


def types(**names: str) -> dict[str, exp.DataType]:
    return {name: exp.DataType.build(type_, dialect="postgres") for name, type_ in names.items()}


RELATIONS: Mapping[str, Relation] = {
    BASE: events_relation(types(letters="bigint")),
    "products": Relation(types(name="text", price="numeric(38, 9)", tags="jsonb"), "products"),
}


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for each engine; a fixture of a module is made anew only for what it asks for itself."""
    world = World(tmp_path_factory.mktemp("relations"), EVENTS)
    world.run(PRODUCTS)
    yield world
    world.connection.close()


def calculated(world: World, attributes: Sequence[Attribute]) -> dict[int, list[Any]]:
    """The value of every attribute for each entity; of one that forgives, with the count of its errors."""
    plan = Plan(world.connection, RELATIONS)
    calculations = [calculation_of(each, plan) for each in attributes]
    wanted: list[Calculation] = []
    for each in calculations:
        wanted.append(each)
        if each.errors is not None:
            wanted.append(Calculation(f"{each.id}_errors", each.errors, exp.DataType.build("bigint")))
    query = results_query(plan, wanted, statement("owned", OWNED).tree)
    rows = iter(world.connection.fetch(named("test", query).bind(SCHEMAS)))
    found = {row[0].int: [compact(value) for value in row[1:]] for row in rows}
    places = [wanted.index(each) for each in calculations]
    return {
        entity: [
            (values[place], values[place + 1]) if each.errors is not None else values[place]
            for each, place in zip(calculations, places, strict=True)
        ]
        for entity, values in found.items()
    }


TAGS = "jsonb_array_elements_text(tags)"
# An attribute, and what it gives for each of three people.
CASES: list[tuple[tuple[str, str], dict[str, Any], list[Any]]] = [
    (("sum", "price"), {"from": "products"}, [Decimal("5.5"), None, None]),
    (("num_of_unique", "name"), {"from": "products"}, [2, 0, 0]),
    (("first", "name"), {"from": "products"}, ["fig", None, None]),
    (("last", "name"), {"from": "products", "filter": "price > 1"}, ["pear", None, None]),
    (("most_frequent", "name"), {"from": "products"}, ["fig", None, None]),
    (("least_frequent", "name"), {"from": "products", "weight": "price"}, ["pear", None, None]),
    (("most_frequent", TAGS), {"from": "products", "weight": "price"}, ["y", None, None]),
    (("most_frequent", TAGS),
     {"from": "products", "weight": "price", "outer_weight": "case when value = 'x' then 1.3 end"}, ["x", None, None]),
    (("list", TAGS), {"from": "products"}, ['["x","y"]', None, None]),
    (("last", TAGS), {"from": "products", "outer_filter": "value <> 'y'"}, ["x", None, None]),
    (("num_of_unique", TAGS), {"from": "products"}, [2, 0, 0]),
    (("most_frequent", TAGS), {"from": "products"}, ["y", None, None]),
    (("expression", "count(*)"), {"from": "products"}, [3, 0, 1]),
    (("expression", "count(*) filter (where name = 'fig') * 2"), {"from": "products"}, [4, 0, 0]),
    (("expression", "string_agg(name, '-')"), {"from": "products"}, ["fig-pear-fig", None, None]),
    (("max", "letters"), {}, [5, 5, 5]),
    (("expression", "count(*) filter (where letters = 4)"), {}, [2, 0, 0]),
]  # fmt: skip
FORGIVING: list[tuple[tuple[str, str], dict[str, Any], list[Any]]] = [
    (("sum", "(payload->>'n')::bigint"), {}, [(2, 2), (0, 0), (1, 0)]),
    (("last", "(payload->>'n')::bigint"), {"events": ["view"], "default": 7}, [(7, 2), (7, 0), (7, 0)]),
    (("expression", "count(*)"), {"filter": "(payload->>'n')::bigint >= 0"}, [(1, 2), (1, 0), (1, 0)]),
    (("expression", "1 / sum((payload->>'n')::bigint)::double precision"), {}, [(0.5, 2), (None, 1), (1.0, 0)]),
    (("list", "jsonb_array_elements(payload->'items')"), {"outer_value": "(value->>'p')::bigint"},
     [("[1]", 2), (None, 2), (None, 0)]),
    (("most_frequent", "payload->>'n'"), {"weight": "(payload->>'n')::bigint - 1"}, [("2", 2), ("0", 1), ("1", 0)]),
    (("least_frequent", "(payload->>'n')::bigint"), {"weight": "(payload->'items'->0->>'p')::bigint"},
     [(2, 2), (0, 1), (1, 0)]),
    (("max", "payload->>'n'"), {"data_type": "bigint"}, [(None, 1), (0, 0), (1, 0)]),
    (("last", "payload->>'n'"), {"filter": "type = 'view'"}, ["three", None, None]),
]  # fmt: skip


def test_every_type_reads_the_rows_of_a_meta_attribute_and_row_helpers(world: World) -> None:
    given = calculated(world, [attribute(f"x{place}", *case[0], **case[1]) for place, case in enumerate(CASES)])
    for place, (written, _, wanted) in enumerate(CASES):
        assert [given[entity][place] for entity in (1, 2, 3)] == wanted, written


def test_what_cannot_be_worked_out_is_null_and_counted_and_nothing_else_is_touched(world: World) -> None:
    forgiving = [attribute(f"x{place}", *case[0], on_error="null", **case[1]) for place, case in enumerate(FORGIVING)]
    given = calculated(world, [*forgiving, attribute("events_seen", "expression", "count(*)")])
    for place, (written, _, wanted) in enumerate(FORGIVING):
        assert [given[entity][place] for entity in (1, 2, 3)] == wanted, written
    assert [given[entity][-1] for entity in (1, 2, 3)] == [3, 1, 1]


def test_one_array_is_taken_apart_once(world: World) -> None:
    plan = Plan(world.connection, RELATIONS)
    items = "jsonb_array_elements(payload->'items')"
    for each in (
        attribute("a", "sum", items, outer_value="(value->>'p')::bigint", events=["order"]),
        attribute("b", "list", f"{items}->>'p'", outer_filter="value <> 'x'", events=["order"]),
        attribute("c", "list", items, outer_value="value->>'p'", events=["view"]),
        attribute("d", "max", "name", **{"from": "products"}),
        attribute("e", "min", "name", **{"from": "products"}),
    ):
        calculation_of(each, plan)
    base, orders, views, products = plan.rows
    assert [len(rows.columns) for rows in (base, orders, views, products)] == [2, 2, 1, 1]

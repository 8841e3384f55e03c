"""Mistakes in attributes are found without a warehouse, all at once, each with its place and a way out."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from cdp_pipeline.attributes.plan import SQL, events_relation
from cdp_pipeline.attributes.validate import validate
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.events.stitching_rules import EVENT_COLUMNS
from cdp_pipeline_tests.attributes.test_elements import attributes_over_elements
from cdp_pipeline_tests.attributes.test_types import random_attributes
from cdp_pipeline_tests.attributes.worlds import attribute, entity_with, project

N = "(payload->>'n')::numeric(38,9)"


ITEMS = "jsonb_array_elements(payload->'items')"


def mistakes(attributes: Sequence[Attribute] | Entity) -> list[tuple[str, str]]:
    """The key of each mistake below its attribute, and the whole message."""
    return [(error.path, f"{error.message} {error.hint or ''}") for error in validate(project(attributes))]


def test_good_attributes_have_no_mistakes() -> None:
    assert mistakes([]) == []
    assert mistakes(random_attributes(random.Random(1))[::7]) == []


# An attribute with one mistake, the key that is wrong, and what the message says.
CASES: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"type": "last", "value": "payload->>"}, "value", ["is no SQL expression"]),
    (
        {"type": "last", "value": "type", "filter": "type = (select value from context where key = 'best')"},
        "filter",
        ["no context value `best`", "None is declared"],
    ),
    ({"type": "last", "value": "total"}, "value", ["no column `total`", "event_time, payload"]),
    ({"type": "last", "value": "(select 1)"}, "value", ["A query"]),
    ({"type": "last", "value": "sum(1)"}, "value", ["is an aggregate", "type: expression"]),
    ({"type": "last", "value": "upper(event_time)"}, "value", ["upper(event_time)", "upper"]),
    ({"type": "last", "value": "event_time - event_time"}, "value", ["interval", "Cast"]),
    ({"type": "sum", "value": "payload->>'total'"}, "value", ["over text", "(payload->>'total')::numeric(38,9)"]),
    ({"type": "avg", "value": "payload->'total'"}, "value", ["over jsonb", "(payload->>'total')::numeric(38,9)"]),
    ({"type": "avg", "value": "event_time"}, "value", ["`avg` is not defined over timestamptz"]),
    ({"type": "min", "value": "payload->'a'->'b'"}, "value", ["over jsonb", "(payload->'a'->>'b')"]),
    ({"type": "max", "value": "type = 'a'"}, "value", ["over boolean", "(type = 'a')::text"]),
    ({"type": "max", "value": "id"}, "value", ["over uuid"]),
    ({"type": "list", "value": "payload"}, "value", ["`list` is not defined over jsonb"]),
    ({"type": "num_of_unique", "value": "payload->'a'"}, "value", ["over jsonb", "(payload->>'a')"]),
    ({"type": "most_frequent", "value": "payload->'a'"}, "value", ["over jsonb"]),
    ({"type": "last", "value": "type", "filter": "type"}, "filter", ["gives text", "true or false"]),
    ({"type": "last", "value": "type", "filter": "kind = 'a'"}, "filter", ["no column `kind`"]),
    ({"type": "last", "value": "type", "filter": "count(*) > 1"}, "filter", ["is an aggregate"]),
    ({"type": "expression", "value": "payload->>'a'"}, "value", ["has no aggregate"]),
    ({"type": "expression", "value": "*"}, "value", ["has no aggregate"]),
    ({"type": "expression", "value": "max(type) || source_id"}, "value", ["`source_id` stands outside", "max("]),
    ({"type": "expression", "value": "sum(payload->>'n')"}, "value", ["(payload->>'n')::numeric(38,9)"]),
    ({"type": "expression", "value": "avg(type)"}, "value", ["over text"]),
    ({"type": "expression", "value": "max(payload->'n')"}, "value", ["over jsonb"]),
    ({"type": "expression", "value": "count(distinct payload)"}, "value", ["over jsonb"]),
    ({"type": "expression", "value": "count(type, source_id)"}, "value", ["not an aggregate of one value"]),
    ({"type": "expression", "value": "count(distinct (type, source_id))"}, "value", ["not supported"]),
    ({"type": "expression", "value": f"sum(distinct {N})"}, "value", ["distinct"]),
    ({"type": "expression", "value": "sum(count(*))"}, "value", ["has no place"]),
    ({"type": "expression", "value": "sum(*)"}, "value", ["has no place"]),
    ({"type": "expression", "value": "bool_and(type)"}, "value", ["takes boolean"]),
    ({"type": "expression", "value": "string_agg(event_time, ',')"}, "value", ["takes text"]),
    ({"type": "expression", "value": "string_agg(type, source_id)"}, "value", ["separator"]),
    ({"type": "expression", "value": "string_agg(distinct type, ',' order by id)"}, "value", ["the text itself"]),
    ({"type": "expression", "value": "count(*) filter (where type)"}, "value", ["gives text"]),
    ({"type": "expression", "value": "count(*) filter (where count(*) > 1)"}, "value", ["no place in a filter"]),
    ({"type": "expression", "value": "lower(type) filter (where true)"}, "value", ["no aggregate"]),
    ({"type": "expression", "value": "max(event_time) - min(event_time)"}, "value", ["interval", "extract(epoch"]),
    ({"type": "expression", "value": "count(*) over ()"}, "value", ["not supported"]),
    ({"type": "last", "value": "type", "data_type": "money"}, "data_type", ["no type", "numeric(38,9)"]),
    ({"type": "last", "value": "type", "data_type": "text) || (x"}, "data_type", ["no type"]),
    ({"type": "last", "value": "type", "data_type": "varchar(3)"}, "data_type", ["no type"]),
    ({"type": "last", "value": "type", "data_type": "numeric(50,2)"}, "data_type", ["no type"]),
    ({"type": "last", "value": "type", "data_type": "text[]"}, "data_type", ["no type"]),
    ({"type": "last", "value": "event_time", "data_type": "bigint"}, "data_type", ["timestamptz cannot be cast"]),
    ({"type": "last", "value": "payload->'n'", "data_type": "bigint"}, "data_type", ["jsonb cannot", "->>"]),
    ({"type": "list", "value": "type", "data_type": "text"}, "data_type", ["jsonb cannot be cast to text"]),
    ({"type": "sum", "value": N, "default": "none"}, "default", ["'none' is no", "decimal(38, 9)"]),
    ({"type": "last", "value": "event_time", "default": 0}, "default", ["0 is no timestamptz"]),
    ({"type": "list", "value": "type", "default": "nothing"}, "default", ["'nothing' is no jsonb"]),
    ({"type": "last", "value": "type", "data_type": "smallint", "default": 70000}, "default", ["70000 is no"]),
    ({"type": "sum", "value": N, "default": float("inf")}, "default", ["inf is no"]),
    ({"type": "last", "value": "type", "hidden": True, "filter": "1"}, "filter", ["true or false"]),
    ({"type": "last", "value": "type", "from": "products"}, "from", ["no meta-attribute `products`"]),
    ({"type": "last", "value": "type", "weight": "2"}, "weight", ["type last", "most_frequent and least_frequent"]),
    ({"type": "sum", "value": "1", "outer_weight": "2"}, "outer_weight", ["most_frequent and least_frequent"]),
    ({"type": "most_frequent", "value": "type", "weight": "payload->>'w'"}, "weight",
     ["over text", "(payload->>'w')::numeric(38,9)"]),
    ({"type": "most_frequent", "value": "type", "weight": "-0.5"}, "weight", ["-0.5 is negative", "0 or more"]),
    ({"type": "most_frequent", "value": "type", "weight": "n"}, "weight", ["no column `n`", "payload"]),
    ({"type": "most_frequent", "value": ITEMS, "outer_value": "value->>'a'", "outer_weight": "value->'n'"},
     "outer_weight", ["over jsonb", "(value->>'n')::numeric(38,9)"]),
    ({"type": "least_frequent", "value": "type", "outer_weight": "payload"}, "outer_weight", ["no column `payload`"]),
    ({"type": "last", "value": ITEMS, "outer_value": "type"}, "outer_value", ["no column `type`", "read: value"]),
    ({"type": "sum", "value": ITEMS, "outer_value": "value->>'n'"}, "outer_value", ["over text", "(value->>'n')::"]),
    ({"type": "last", "value": ITEMS, "outer_filter": "value"}, "outer_filter", ["gives jsonb", "true or false"]),
    ({"type": "last", "value": ITEMS, "outer_filter": "sum(1) > 1"}, "outer_filter", ["is an aggregate"]),
    ({"type": "sum", "value": ITEMS}, "value", ["over jsonb", "jsonb_array_elements_text(payload->'items')::numeric"]),
    ({"type": "last", "value": f"{ITEMS}->>'a' || type"}, "value", ["no column `type`", "read: value"]),
    ({"type": "last", "value": f"concat({ITEMS}->>'a', {ITEMS}->>'b')"}, "value", ["gives rows in 2 ways"]),
    ({"type": "last", "value": f"case when true then {ITEMS} end"}, "value", ["where a value is chosen"]),
    ({"type": "last", "value": "jsonb_array_elements()"}, "value", ["does not take 0 arguments"]),
    ({"type": "last", "value": "jsonb_array_elements(type)"}, "value", ["`type` gives text", "only jsonb"]),
    ({"type": "last", "value": "type", "filter": f"{ITEMS} = 'a'"}, "filter", ["not supported"]),
    ({"type": "expression", "value": f"max({ITEMS}->>'a')"}, "value", ["not supported"]),
    ({"type": "expression", "value": "count(*)", "outer_filter": "value = 1"}, "outer_filter", ["no meaning"]),
    ({"type": "expression", "value": "count(*)", "weight": "2"}, "weight", ["type expression"]),
    ({"type": "last", "value": "type", "multiple": True}, "multiple", ["has one value", "type list"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def told() -> list[tuple[str, str]]:
    """All mistakes of a project whose attributes are the cases."""
    return mistakes([attribute(f"x{place}", **keys) for place, (keys, _, _) in enumerate(CASES)])


@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"{case[0]['type']}: {case[0]['value']}" for case in CASES])
def test_a_mistake_has_its_place_and_a_way_out(told: list[tuple[str, str]], place: int) -> None:
    _, key, words = CASES[place]
    path = f"entities.customer.attributes[{place}]."
    found = [(where.removeprefix(path), message) for where, message in told if where.startswith(path)]
    assert [where for where, _ in found] == [key], found
    for word in words:
        assert word in found[0][1]


def test_all_mistakes_of_all_attributes_are_told_at_once() -> None:
    wrong = attribute("x", "last", "nothing", filter="type", data_type="money")
    assert [path for path, _ in mistakes([wrong, wrong])] == [
        f"entities.customer.attributes[{place}].{key}" for place in (0, 1) for key in ("filter", "value", "data_type")
    ]


def test_each_key_of_an_attribute_has_its_own_mistake() -> None:
    wrong = attribute(
        "x", "sum", "nothing", filter="type", weight="also", outer_weight="1", multiple=True,
        **{"from": "nowhere", "events": ["order"]},
    )  # fmt: skip
    told = [path.removeprefix("entities.customer.attributes[0].") for path, _ in mistakes([wrong])]
    assert told == ["outer_weight", "weight", "events", "multiple", "from"]
    wrong = attribute(
        "x", "most_frequent", ITEMS, filter="type", weight="a", outer_weight="b", outer_filter="c", outer_value="d"
    )
    told = [path.removeprefix("entities.customer.attributes[0].") for path, _ in mistakes([wrong])]
    assert told == ["filter", "weight", "outer_weight", "outer_filter", "outer_value"]


def test_good_attributes_over_elements_have_no_mistakes() -> None:
    assert mistakes(attributes_over_elements(random.Random(1))) == []
    assert mistakes([attribute("x", "list", "type", multiple=True, on_error="null")]) == []


def test_an_event_has_the_columns_that_rules_read_too() -> None:
    given = {column.alias_or_name for column in SQL["owned_events"].tree.selects}  # type: ignore[attr-defined]
    assert set(events_relation().columns) == set(EVENT_COLUMNS) == given - {"entity_id", "event_id"}


def test_a_circle_is_spelled_out() -> None:
    ((path, told),) = mistakes(
        entity_with(
            [
                attribute("a", "derived", "b + 1"),
                attribute("b", "derived", "c * 2"),
                attribute("c", "derived", "coalesce(a, (select value from context where key = 'k')::bigint)"),
            ],
            context=[ContextValue(key="k", query="select max(p.d) from profiles as p")],
        )
    )
    assert path.startswith("entities.customer.attributes[")
    assert "attribute a reads attribute b reads attribute c reads attribute a: a circle" in told


def test_mistakes_of_what_attributes_read_have_their_places() -> None:
    told = dict(
        mistakes(
            entity_with(
                [
                    attribute("x", "max", "gap"),
                    attribute("y", "custom", "select 1 from bought"),
                    attribute("z", "custom", "select a, b from base"),
                    attribute("hidden", "expression", "count(*)", hidden=True),
                    Attribute(id="w", type="identifiers", identifier="phone"),
                ],
                row_helpers=[RowHelper(id="gap", value="count(*)"), RowHelper(id="type", value="1")],
                meta_attributes=[MetaAttribute(id="bought", definition="select * from raw.orders")],
                context=[ContextValue(key="k", query="select max(p.hidden) from profiles as p")],
            )
        )
    )
    place = "entities.customer."
    assert "is a column of every event already" in told[f"{place}row_helpers[1].id"]
    assert "over (partition by" in told[f"{place}row_helpers[0].value"]
    assert "raw" in told[f"{place}meta_attributes[0].definition"]
    assert "`a`" in told[f"{place}attributes[2].value"]
    assert "`phone` is not declared" in told[f"{place}attributes[4].identifier"]
    assert "hidden" in told[f"{place}context[0].query"]
    # What reads a wrong definition is not judged.
    assert not [path for path in told if path.startswith((f"{place}attributes[0]", f"{place}attributes[1]"))]

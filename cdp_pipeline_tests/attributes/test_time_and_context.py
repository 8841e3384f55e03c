"""What is due though no event came: as time passes, as context values change, as definitions are edited."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError
from cdp_pipeline.warehouse.stage import Due
from cdp_pipeline_tests.attributes.worlds import AS_OF, START, Event, World, attribute, entity_with

DAY = timedelta(days=1)
LAST_30_DAYS = attribute(
    "last_30_days",
    "sum",
    "(payload->>'total')::numeric(38,9)",
    events=["order"],
    filter="event_time > now() - interval '30 days'",
    default=0,
)
ORDERS_OF_A_YEAR = attribute(
    "orders_of_a_year", "expression", "count(*) filter (where event_time > now() - interval '365 days')"
)
SEEN = attribute("seen", "expression", "count(*)")
DECILES = """
    select jsonb_agg(d.least order by d.decile)::text
    from (
        select n.decile, min(n.seen) as least
        from (select p.seen, ntile(10) over (order by p.seen, p.entity_id) as decile from profiles as p) as n
        group by n.decile
    ) as d
"""
ENGAGEMENT = attribute(
    "engagement",
    "derived",
    "case when seen >= ((select value from context where key = 'deciles')::jsonb ->> 8)::numeric(38,9) then 'high' "
    "else 'usual' end",
)


def order(number: int, entity: int, days_ago: float, total: int) -> Event:
    minute = int((AS_OF - START).total_seconds() // 60 - days_ago * 24 * 60)
    return Event(number, entity, {"total": total}, minute=minute)


def calculated(world: World) -> dict[int, Any]:
    return world.profiles("calculated")


def again(world: World, before: dict[int, Any]) -> set[int]:
    """Whose profiles were worked out since."""
    return {entity for entity, moment in calculated(world).items() if moment != before[entity]}


def test_an_order_leaves_a_window_as_time_passes_without_an_event_and_nobody_else_is_calculated(tmp_path: Path) -> None:
    world = World(tmp_path, [order(1, 1, 29, 100), order(2, 1, 5, 10), order(3, 2, 20, 1), order(4, 3, 364.5, 7)])
    attributes = [LAST_30_DAYS, ORDERS_OF_A_YEAR, SEEN]
    world.calculate(attributes)
    assert world.profiles("last_30_days", "orders_of_a_year") == {1: (110, 2), 2: (1, 1), 3: (0, 1)}
    before = calculated(world)
    (due_at,) = {at for (at,) in world.fetch("select min(s.due_at) from kind.attribute_states as s")}
    assert AS_OF + DAY / 2 < due_at < AS_OF + DAY
    facts = world.calculate(attributes, as_of=AS_OF + DAY / 4)
    assert facts.metrics["entities_calculated"] == 0
    assert again(world, before) == set()
    world.calculate(attributes, as_of=AS_OF + 2 * DAY)
    assert world.profiles("last_30_days", "orders_of_a_year") == {1: (10, 2), 2: (1, 1), 3: (0, 0)}
    assert again(world, before) == {1, 3}
    world.calculate(attributes, as_of=AS_OF)
    assert world.profiles("last_30_days", "orders_of_a_year") == {1: (110, 2), 2: (1, 1), 3: (0, 1)}


def test_what_reads_the_clock_otherwise_is_worked_out_once_a_day(tmp_path: Path) -> None:
    days_since = attribute("days_since", "expression", "extract(day from now() - max(event_time))")
    by_month = attribute("this_month", "expression", "count(*) filter (where event_time >= date_trunc('month', now()))")
    world = World(tmp_path, [order(1, 1, 3, 1), order(2, 2, 40, 1)])
    world.calculate([days_since, by_month])
    assert world.profiles("days_since", "this_month") == {1: (3, 0), 2: (40, 0)}
    before = calculated(world)
    world.calculate([days_since, by_month], as_of=AS_OF + DAY / 4)
    assert again(world, before) == set()
    world.calculate([days_since, by_month], as_of=AS_OF + DAY)
    assert again(world, before) == {1, 2}
    assert world.profiles("days_since")[1] == 4


def with_deciles(*more: Attribute, max_age: str = "24h", query: str = DECILES) -> Entity:
    context = [ContextValue(key="deciles", query=query, max_age=max_age)]  # type: ignore[arg-type]
    return entity_with([SEEN, ENGAGEMENT, *more], context=context)


def context_of(world: World) -> list[Any]:
    rows = world.fetch("select c.value, c.number from kind.context_values as c order by c.number")
    return [json.loads(value) for value, _ in rows]


def test_a_decile_table_over_everyone_is_read_by_an_engagement_attribute(tmp_path: Path) -> None:
    people = 20
    events = [order(entity * 100 + n, entity, 1, 1) for entity in range(1, people + 1) for n in range(entity)]
    world = World(tmp_path, events)
    world.calculate(with_deciles())
    assert context_of(world) == [[1, 3, 5, 7, 9, 11, 13, 15, 17, 19]]
    high = {entity for entity, engagement in world.profiles("engagement").items() if engagement == "high"}
    assert high == set(range(17, people + 1))
    # In between the recorded value is an input like any other.
    world.add([order(90_000 + n, 1, 1, 1) for n in range(30)], dirty=True)
    facts = world.calculate(with_deciles())
    assert facts.metrics["entities_calculated"] == 1
    assert world.profiles("engagement")[1] == "high"
    assert len(context_of(world)) == 1
    # Older than max_age it is worked out again; exactly what reads it follows.
    before = calculated(world)
    world.calculate(with_deciles(), as_of=AS_OF + DAY)
    assert context_of(world)[1] == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert len(again(world, before)) == people
    assert world.profiles("engagement")[17] == "usual"
    incremental = [row[:-3] for row in world.table()]
    world.calculate(with_deciles(), as_of=AS_OF + DAY, full=True)
    assert incremental == [row[:-3] for row in world.table()]


def test_a_context_value_is_worked_out_again_when_somebody_marks_it_or_edits_its_query(tmp_path: Path) -> None:
    world = World(tmp_path, [order(1, 1, 1, 1), order(2, 2, 1, 1), order(3, 2, 2, 1)])
    world.calculate(with_deciles())
    assert context_of(world) == [[1, 2]]
    world.run("update kind.context_values set modified = null")
    before = calculated(world)
    facts = world.calculate(with_deciles())
    assert (facts.metrics["context_values"], again(world, before)) == (1, set())
    assert world.fetch("select count(*) from kind.context_values as c where c.modified is null") == [(0,)]
    facts = world.calculate(
        with_deciles(query="select jsonb_build_array(0, 0, 0, 0, 0, 0, 0, 0, 2)::text from profiles limit 1")
    )
    assert facts.metrics["context_values_changed"] == 1
    assert len(context_of(world)) == 2
    assert world.profiles("engagement") == {1: "usual", 2: "high"}


def test_an_edited_definition_is_worked_out_again_with_what_reads_it_and_nothing_else(tmp_path: Path) -> None:
    def edited(total: str) -> list[Attribute]:
        return [
            attribute("total", "sum", total),
            attribute("double", "derived", "total * 2"),
            attribute("seen", "expression", "count(*)"),
        ]

    world = World(tmp_path, [order(1, 1, 1, 5), order(2, 2, 1, 7)])
    world.calculate(edited("(payload->>'total')::numeric(38,9)"))
    # A value that nobody may touch tells whether it was.
    world.run("update kind.profiles set seen = 77")
    world.calculate(edited("(payload->>'total')::numeric(38,9) + 1"))
    assert world.profiles("total", "double", "seen") == {1: (6, 12, 77), 2: (8, 16, 77)}


def test_who_lost_all_events_has_no_profile_though_an_attribute_is_worked_out_for_everyone(tmp_path: Path) -> None:
    only = order(1, 1, 1, 1)
    world = World(tmp_path, [only, order(2, 2, 1, 1), order(3, 3, 1, 1)])
    world.calculate(with_deciles())
    world.move(only, 2)
    facts = world.calculate(with_deciles(), as_of=AS_OF + DAY)
    assert facts.metrics["context_values_changed"] == 1
    assert world.profiles("seen") == {2: 2, 3: 1}


def test_what_is_calculated_with_a_context_value_has_a_type_before_there_is_a_value(tmp_path: Path) -> None:
    average = ContextValue(key="average", query="select avg(seen)::text from profiles")
    read = "(select value from context where key = 'average')::numeric(38,9)"
    attributes = [
        SEEN,
        attribute("share", "derived", f"seen / nullif({read}, 0)"),
        attribute("rounded", "derived", f"round({read}, 1)"),
        attribute("times", "expression", f"count(*) * {read}", on_error="null"),
        attribute("more", "custom", " ".join(("select count(*) >", read, "from base")), on_error="null"),
    ]
    world = World(
        tmp_path, [order(1, 1, 1, 1), order(2, 2, 1, 1), order(3, 2, 2, 1), order(4, 2, 2, 1), order(5, 3, 1, 1)]
    )
    world.calculate(entity_with(attributes, context=[average]))
    assert world.profiles("share", "rounded", "times", "more") == {
        1: (Decimal("0.6"), Decimal("1.7"), Decimal("1.666666667"), False),
        2: (Decimal("1.8"), Decimal("1.7"), Decimal("5.000000001"), True),
        3: (Decimal("0.6"), Decimal("1.7"), Decimal("1.666666667"), False),
    }


def test_a_window_of_what_is_only_named_event_time_or_ends_at_a_context_value_moves_on_once_a_day(
    tmp_path: Path,
) -> None:
    at = "(payload->>'at')::timestamptz"
    recent = "event_time > now() - interval '1 day'"
    both = f"select event_time from base union all select {at} from base"  # noqa: S608
    queries = {
        "in_with": f"with x(event_time) as (select {at} from base) select count(*) from x where {recent}",  # noqa: S608
        "in_from": f"select count(*) from (select {at} from base) as x(event_time) where {recent}",  # noqa: S608
        "in_union": f"select count(*) from ({both}) as x where {recent}",  # noqa: S608
    }
    of_another_time = [
        *(attribute(name, "custom", query) for name, query in queries.items()),
        attribute(
            "of_context",
            "expression",
            "count(*) filter (where event_time > now() - (select value from context where key = 'days')::interval)",
        ),
    ]
    context = [ContextValue(key="days", query="select '9 days' from events limit 1")]
    entity = entity_with(of_another_time, context=context)
    world = World(tmp_path, [Event(1, 1, {"at": (AS_OF - DAY / 2).isoformat()}, minute=order(1, 1, 8.5, 0).minute)])
    names = [each.id for each in of_another_time]
    world.calculate(entity)
    assert world.profiles(*names) == {1: (1, 1, 1, 1)}
    world.calculate(entity, as_of=AS_OF + DAY)
    assert world.profiles(*names) == {1: (0, 0, 0, 0)}


def test_who_marks_all_context_values_has_them_worked_out_once(tmp_path: Path) -> None:
    world = World(tmp_path, [order(1, 1, 1, 1), order(2, 2, 1, 1)])
    world.calculate(with_deciles())
    world.add([order(3, 2, 1, 1)], dirty=True)
    world.calculate(with_deciles(), as_of=AS_OF + DAY)
    assert len(context_of(world)) == 2
    world.run("update kind.context_values set modified = null")
    assert world.calculate(with_deciles(), as_of=AS_OF + DAY).metrics["context_values"] == 1
    world.run("update kind.context_values set modified = null")
    world.calculate([SEEN], as_of=AS_OF + DAY)  # the project has it no more
    assert world.fetch("select count(*) from kind.context_values as c where c.modified is null") == [(0,)]


def test_a_shorter_max_age_holds_from_the_next_run_on(tmp_path: Path) -> None:
    world = World(tmp_path, [order(1, 1, 1, 1)])
    now = datetime.now(UTC)
    world.calculate(with_deciles(), as_of=now)
    assert world.calculate(with_deciles(), as_of=now + DAY / 2).due is Due.NOTHING
    facts = world.calculate(with_deciles(max_age="1h"), as_of=now + DAY / 2)
    assert facts.metrics["context_values"] == 1


def test_an_asterisk_reads_everything(tmp_path: Path) -> None:
    def edited(factor: int) -> Entity:
        return entity_with(
            [
                attribute("total", "sum", f"(payload->>'total')::numeric(38,9) * {factor}"),
                attribute("large", "expression", "count(*) filter (where is_large)", from_="all_of_base"),
            ],
            row_helpers=[RowHelper(id="is_large", value=f"(payload->>'total')::numeric(38,9) * {factor} > 5")],
            meta_attributes=[MetaAttribute(id="all_of_base", definition="select * from base")],
            context=[ContextValue(key="most", query="select max(t)::text from (select * from profiles) as p(e, t, l)")],
        )

    world = World(tmp_path, [order(1, 1, 1, 3), order(2, 2, 1, 7)])
    world.calculate(edited(1))
    assert world.profiles("large") == {1: 0, 2: 1}
    world.calculate(edited(2))
    assert world.profiles("large") == {1: 1, 2: 1}
    assert [value for _, value in sorted(world.fetch("select c.number, c.value from kind.context_values as c"))] == [
        "7.000000000",
        "14.000000000",
    ]


def test_what_is_worked_out_within_the_day_agrees_with_what_it_reads_of_once_a_day(tmp_path: Path) -> None:
    def edited(factor: int, added: str) -> Entity:
        return entity_with(
            [
                attribute("age", "expression", "extract(epoch from now() - max(event_time))::bigint"),
                attribute("times", "derived", f"age * {factor}"),
                attribute("plus", "derived", "age + (select value from context where key = 'added')::bigint"),
                attribute("lately", "expression", "count(*) filter (where event_time > now() - interval '2 days')"),
                attribute("both", "derived", "age + lately"),
            ],
            context=[ContextValue(key="added", query=f"select '{added}' from events limit 1")],  # noqa: S608
        )

    world = World(tmp_path, [order(1, 1, 1, 1), order(2, 2, 1.9, 1)])
    columns = ("age", "times", "plus", "lately", "both")
    world.calculate(edited(2, "0"))
    for hour, definition in enumerate((edited(2, "0"), edited(3, "0"), edited(3, "5")), start=3):
        world.calculate(definition, as_of=AS_OF + hour * DAY / 24)
        factor = definition.attributes[1].value[-1]
        added = definition.context[0].query.split("'")[1]
        for age, times, plus, lately, both in world.profiles(*columns).values():
            assert (times, plus, both) == (age * int(factor), age + int(added), age + lately)


def test_what_fails_is_counted_once_for_each_entity_whatever_made_it_due(tmp_path: Path) -> None:
    def edited(added: int) -> list[Attribute]:
        window = "event_time > now() - interval '30 days'"
        inverse = f"1 / (payload->>'total')::int + {added}"
        return [
            attribute("inverse", "sum", inverse, on_error="null"),
            attribute("lately", "sum", "1 / (payload->>'total')::int", filter=window, on_error="null"),
        ]

    def failures(definitions: list[Attribute], hours: int) -> tuple[float, float]:
        metrics = world.calculate(definitions, as_of=AS_OF + hours * DAY / 24).metrics
        return metrics["errors in inverse"], metrics["errors in lately"]

    days = {1: 1, 2: 1, 3: 29.9, 4: 29.9}
    world = World(tmp_path, [order(entity, entity, days_ago, 0) for entity, days_ago in days.items()])
    assert failures(edited(0), 0) == (4, 4)
    world.add([order(5, 1, 1, 0), order(6, 3, 1, 0)], dirty=True)
    assert failures(edited(1), 0) == (6, 2 + 2)  # of `inverse` for everyone, of `lately` for those who are due
    world.add([order(7, 3, 1, 0)], dirty=True)
    assert failures(edited(1), 6) == (3, 2)  # 4 has lost its event of the window


def test_a_context_value_that_is_json_is_postgresqls_text_of_it(tmp_path: Path) -> None:
    query = "select jsonb_build_object('of', jsonb_agg(payload->'total' order by id), 'b', 1, 'a', 'x') from events"
    world = World(tmp_path, [order(1, 1, 1, 2)])
    world.calculate(entity_with([SEEN], context=[ContextValue(key="object", query=query)]))
    assert world.fetch("select 'is ' || c.value from kind.context_values as c") == [
        ('is {"a": "x", "b": 1, "of": [2]}',)
    ]


def test_a_context_value_is_no_array(tmp_path: Path) -> None:
    context = [ContextValue(key="all_seen", query="select array_agg(p.seen order by p.seen) from profiles as p")]
    with pytest.raises(SqlError, match="Use jsonb_agg"):
        World(tmp_path, [order(1, 1, 1, 2)]).calculate(entity_with([SEEN], context=context))

"""The stage: what it calculates when, what it leaves alone, and what it never publishes."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdp_pipeline.attributes import working_out
from cdp_pipeline.attributes.plan import SQL
from cdp_pipeline.attributes.profiles import profiles_spec
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import InvariantError
from cdp_pipeline.progress import listening
from cdp_pipeline.sql.statements import Statements, statement
from cdp_pipeline.warehouse.base import Row
from cdp_pipeline.warehouse.stage import Due, what_is_due
from cdp_pipeline_tests.attributes.test_types import random_events
from cdp_pipeline_tests.attributes.worlds import AS_OF, Event, World, attribute, project

LAST = attribute("last_text", "last", "payload->>'t'")
COUNT = attribute("events_seen", "expression", "count(*)")
FAVOURITE = attribute("favourite", "most_frequent", "type")
LIST = attribute("texts", "list", "payload->>'t'")
ALL = [LAST, COUNT, FAVOURITE, LIST]
EVENTS = [
    Event(1, 1, {"t": "a"}),
    Event(2, 1, {"t": "b"}, minute=1),
    Event(3, 2, {"t": "c"}),
    Event(4, None, {"t": "n"}),
]


def values(world: World) -> list[Row]:
    """The table without its times."""
    return [row[:-3] for row in world.table()]


def test_a_profile_is_an_entity_with_events_its_key_and_its_typed_attributes(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    before = datetime.now(UTC)
    facts = world.calculate(ALL)
    assert world.profiles("person_key", "last_text", "events_seen", "favourite", "texts") == {
        1: ("key 1", "b", 2, "order", '["a","b"]'),
        2: ("key 2", "c", 1, "order", '["c"]'),
    }
    for calculated, valid_at, modified in world.profiles("calculated", "valid_at", "modified").values():
        assert before <= calculated == modified
        assert valid_at == AS_OF
    assert facts.due is Due.ALL
    figures = {name: facts.metrics[name] for name in facts.metrics if name != "seconds"}
    assert figures == {"entities_calculated": 2, "profiles": 2, "profiles_removed": 0, "profiles_changed": 2}
    assert tuple(facts.invariants) == profiles_spec(project(ALL), "customer").invariants
    assert not any(facts.invariants.values())


def test_the_view_tells_each_attribute_in_json(tmp_path: Path) -> None:
    shown = [
        *ALL,
        attribute("seen_at", "max", "event_time"),
        attribute("amount", "sum", "1"),
        attribute("odd", "last", "'NaN'::double precision"),
        attribute("whole", "last", "payload"),
        attribute("secret", "last", "type", hidden=True),
    ]
    world = World(tmp_path, EVENTS)
    world.calculate(shown)
    rows = world.fetch("select a.attribute_id, a.value from kind.attributes as a where a.entity_id = cast(:id as uuid)", id="00000000-0000-0000-0000-000000000002")  # fmt: skip # noqa: E501
    assert dict(rows) == {
        "last_text": '"c"',
        "events_seen": "1",
        "favourite": '"order"',
        "texts": '["c"]',
        "seen_at": '"2026-04-01T12:00:00+00:00"',
        "amount": "1.000000000",
        "odd": '"NaN"',
        "whole": '{"t":"c"}',
    }
    assert world.fetch("select count(distinct a.calculated) from kind.attributes as a") == [(1,)]


def test_without_attributes_there_are_still_profiles(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate([])
    assert world.profiles("person_key") == {1: "key 1", 2: "key 2"}
    assert world.fetch("select * from kind.attributes as a") == []


def test_without_events_there_are_no_profiles(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.calculate(ALL).metrics["profiles"] == 0
    assert world.table() == []


def test_nothing_due_changes_nothing_at_all(tmp_path: Path) -> None:
    queries = [
        "select * from kind.profiles as p order by p.entity_id",
        "select * from cdp.stages as s order by s.stage",
        "select * from cdp.sequence as s",
        "select * from cdp.metrics as m order by m.metric",
    ]
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = [world.fetch(query) for query in queries]
    facts = world.calculate(ALL, as_of=AS_OF + timedelta(days=1))
    assert facts.due is Due.NOTHING
    assert facts.metrics == {}
    assert before == [world.fetch(query) for query in queries]


def test_incremental_equals_full_whatever_the_order_of_events(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = random_events(rng, 120)
    (tmp_path / "small").mkdir()
    small = World(tmp_path / "small")
    for place in range(0, len(events), 30):
        small.add(events[place : place + 30], dirty=True)
        small.calculate(ALL)
        assert small.fetch("select * from kind.dirty_entities as d") == []
    for event in rng.sample(events, 25):
        small.move(event, rng.choice([None, *small.profiles("calculated")]))
    assert small.calculate(ALL).due is Due.CHANGES
    incremental = values(small)
    assert small.calculate(ALL, full=True).due is Due.ALL
    assert incremental == values(small), seed


def test_only_dirty_entities_are_calculated_and_only_changed_ones_are_modified(tmp_path: Path) -> None:
    world = World(tmp_path, [*EVENTS, Event(5, 3, {"t": "d"})])
    world.calculate(ALL)
    before = world.profiles("calculated", "modified")
    world.add([Event(6, 1, {"t": "z"}, minute=9)], dirty=True)
    world.touch(3)
    facts = world.calculate(ALL)
    after = world.profiles("calculated", "modified")
    assert facts.metrics["entities_calculated"] == 2
    assert facts.metrics["profiles_changed"] == 1
    assert world.profiles("last_text")[1] == "z"
    assert after[2] == before[2]
    assert after[3][0] > before[3][0]
    assert after[3][1] == before[3][1]
    assert after[1][0] == after[1][1] > before[1][1]


def test_a_new_key_is_a_change(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = world.profiles("modified")
    world.run("update kind.identifiers set value = 'new name' where value = 'key 1'")
    world.touch(1)
    world.upstream_changed()
    world.calculate(ALL)
    assert world.profiles("person_key")[1] == "new name"
    assert world.profiles("modified")[1] > before[1]


def test_an_entity_that_lost_its_events_loses_its_profile(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    world.move(EVENTS[2], 1)
    facts = world.calculate(ALL)
    assert world.profiles("events_seen") == {1: 3}
    assert facts.metrics["profiles_removed"] == 1
    world.move(Event(3, 1), None)
    world.move(Event(1, 1), None)
    world.move(Event(2, 1), None)
    world.calculate(ALL)
    assert world.table() == []


@pytest.mark.parametrize("column", ["calculated", "modified"])
def test_a_profile_marked_by_hand_is_calculated_again(tmp_path: Path, column: str) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = world.profiles("calculated", "modified")
    world.run(f"update kind.profiles set {column} = null, last_text = last_text where person_key = 'key 1'")  # noqa: S608
    facts = world.calculate(ALL)
    after = world.profiles("calculated", "modified")
    assert facts.due is Due.CHANGES
    assert facts.metrics["entities_calculated"] == 1
    assert after[2] == before[2]
    assert after[1][0] > before[1][0]
    assert (after[1][1] > before[1][1]) == (column == "modified")
    assert world.calculate(ALL).due is Due.NOTHING


def test_a_value_changed_by_hand_is_mended_when_its_profile_is_due(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = values(world)
    world.run("update kind.profiles set last_text = 'wrong', calculated = null")
    world.run("insert into kind.profiles select * from kind.profiles as p where p.person_key = 'key 2'")
    world.calculate(ALL)
    assert values(world) == before


@pytest.mark.parametrize(
    "others",
    [
        [LAST, COUNT, FAVOURITE],
        [*ALL, attribute("more", "first", "type")],
        [COUNT, LAST, FAVOURITE, LIST],
        [LAST, COUNT, FAVOURITE, attribute("texts", "last", "payload->>'t'")],
        [
            LAST.model_copy(update={"data_type": "jsonb", "value": "payload->'t'", "default": "0"}),
            COUNT,
            FAVOURITE,
            LIST,
        ],
    ],
)
def test_the_columns_follow_the_project(tmp_path: Path, others: Sequence[Attribute]) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = world.profiles("events_seen", "modified")
    assert world.calculate(others).due is Due.CHANGES
    names = [name for name, _ in world.connection.columns_of("person", "profiles") or []]
    assert names == ["entity_id", "person_key", *(each.id for each in others), "calculated", "valid_at", "modified"]
    assert {row[0] for row in world.fetch("select a.attribute_id from kind.attributes as a")} == set(names[2:-3])
    assert {entity: row[0] for entity, row in world.profiles("events_seen", "modified").items()} == {
        entity: row[0] for entity, row in before.items()
    }
    incremental = values(world)
    world.calculate(others, full=True)
    assert values(world) == incremental


def test_another_definition_with_the_same_columns_keeps_modified_of_equal_values(tmp_path: Path) -> None:
    world = World(tmp_path, [*EVENTS, Event(9, 2, {"t": None}, minute=5)])
    world.calculate(ALL)
    before = world.profiles("calculated", "modified")
    facts = world.calculate([attribute("last_text", "first", "payload->>'t'"), COUNT, FAVOURITE, LIST])
    after = world.profiles("calculated", "modified")
    assert facts.due is Due.CHANGES
    assert world.profiles("last_text") == {1: "a", 2: "c"}
    assert after[2][0] > before[2][0]
    assert after[2][1] == before[2][1]
    assert after[1][1] > before[1][1]


def test_what_describes_or_is_hidden_makes_nothing_due(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    described = LAST.model_copy(update={"description": "The last text.", "pii": True})
    hidden = attribute("hidden", "last", "type", hidden=True)
    assert world.calculate([described, COUNT, FAVOURITE, LIST, hidden]).due is Due.NOTHING


def test_columns_changed_by_hand_are_mended_with_the_next_change(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    before = values(world)
    world.run("alter table kind.profiles drop column events_seen cascade")
    world.touch(1)
    world.upstream_changed()
    world.calculate(ALL)
    assert values(world) == before


def test_a_dropped_table_is_due_as_a_whole(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    spec = profiles_spec(project(ALL), "customer")
    assert what_is_due(world.connection, spec)[0] is Due.ALL
    world.calculate(ALL)
    before = values(world)
    world.run("drop table kind.profiles cascade")
    assert what_is_due(world.connection, spec)[0] is Due.ALL
    world.calculate(ALL)
    assert values(world) == before
    world.run("drop table kind.profiles cascade")
    world.touch(1)
    world.upstream_changed()
    assert world.calculate(ALL).due is Due.ALL
    assert values(world) == before


def test_a_dropped_view_comes_back_with_a_full_run(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    world.run("drop view kind.attributes")
    world.calculate(ALL, full=True)
    assert world.fetch("select count(*) from kind.attributes as a") == [(8,)]


def test_an_upstream_built_anew_makes_all_due(tmp_path: Path) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    world.upstream_changed(rebuilt=True)
    assert world.calculate(ALL).due is Due.ALL
    world.upstream_changed()
    facts = world.calculate(ALL)
    assert facts.due is Due.CHANGES
    assert facts.metrics["entities_calculated"] == 0
    assert world.calculate(ALL).due is Due.NOTHING


def test_many_events_are_calculated_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    events = [
        Event(event.number, None if event.entity is None else event.entity << 123, event.payload, minute=event.minute)
        for event in random_events(random.Random(seed), 100)
    ]
    world = World(tmp_path, events)
    world.calculate(ALL)
    before = values(world)
    monkeypatch.setattr(working_out, "EVENTS_PER_SLICE", 7)
    steps: list[tuple[str, int, int]] = []
    with listening(lambda what, done, total: steps.append((what, done, total))):
        world.calculate(ALL, full=True)
    assert values(world) == before
    assert steps[0][2] > 10
    assert steps[-1] == ("customer/profiles", steps[0][2], steps[0][2])


def broken_by(world: World) -> set[str]:
    """What a run refuses to publish, and that it left everything as it was."""
    before = world.table(), world.fetch("select * from kind.dirty_entities as d")
    with pytest.raises(InvariantError) as raised:
        world.calculate(ALL)
    assert before == (world.table(), world.fetch("select * from kind.dirty_entities as d"))
    noted = {
        metric for (metric,) in world.fetch("select m.metric from cdp.metrics as m where m.metric like 'broken %'")
    }
    assert noted == {f"broken {name}" for name in raised.value.broken}
    return set(raised.value.broken)


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize(
    ("deed", "invariant"),
    [
        ("delete from cdp.customer_events where type = 'order'", "every entity with events has a profile"),
        ("insert into kind.identifiers (identifier_id, value) select i.identifier_id, 'two' from kind.identifiers as i", "one profile per entity"),  # noqa: E501
        ("delete from kind.entities", "every profile's entity exists"),
    ],
)  # fmt: skip
def test_a_broken_invariant_is_not_published(tmp_path: Path, deed: str, invariant: str, everything: bool) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    world.run(deed)
    world.touch(1)
    world.upstream_changed(rebuilt=everything)
    assert broken_by(world) == {invariant}


@pytest.mark.parametrize("everything", [True, False])
def test_a_profile_without_events_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    world = World(tmp_path, EVENTS)
    world.calculate(ALL)
    world.move(EVENTS[2], 1)
    world.upstream_changed(rebuilt=everything)
    forgets_nothing = statement("nothing", "delete from unchanged_profiles where false")
    take = Statements.__getitem__
    monkeypatch.setattr(
        Statements, "__getitem__", lambda self, name: forgets_nothing if name.startswith("forget") else take(self, name)
    )
    assert broken_by(world) == {"every profile has events", "one profile per entity"}


def test_every_statement_is_used() -> None:
    sources = "".join(path.read_text() for path in Path(working_out.__file__).parent.glob("*.py"))
    assert [name for name in SQL.names() if f'"{name}"' not in sources] == []

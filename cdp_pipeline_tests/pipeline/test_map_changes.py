"""What a change of an identity map costs, what is the same however it comes, and what cannot be read."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from cdp_pipeline.errors import InputError, InvariantError
from cdp_pipeline.identity.identity_maps import missing_columns
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.warehouse.stage import Due, Work
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, each_statement, parsed
from cdp_pipeline_tests.pipeline.maps import (
    FIRST,
    GRAPH,
    MAP,
    MAPS,
    RENAMES,
    WHOLE,
    Link,
    add_people,
    february,
    groups,
    in_use,
    land,
    links,
    make_people,
    make_renames,
    map_rows,
    state,
    superseded,
    with_maps,
)
from cdp_pipeline_tests.pipeline.projects import row


@pytest.mark.parametrize("declared", [FIRST, WHOLE, FIRST.replace("}, updated", "}, mode: snapshot, updated")])
def test_table_that_was_dropped_and_made_again_costs_no_write(start: Start, declared: str) -> None:
    rows = [(f"w{n}", f"p{n}@x", None, 3 + n % 2) for n in range(20)]
    pipeline = start(with_maps(declared))
    make_people(pipeline, *rows)
    pipeline.run()
    assert stages_due(pipeline.connection, pipeline.project) == []
    before = pipeline.dump()
    make_people(pipeline, *rows[::-1])
    assert stages_due(pipeline.connection, pipeline.project) == []
    pipeline.run()
    assert pipeline.dump() == before
    # Rows that give nothing are something new, but change nothing; that is not looked at twice.
    add_people(pipeline, (None, "late@x", None, 4), ("nobody", None, None, 4))
    assert stages_due(pipeline.connection, pipeline.project) == [MAPS]
    assert {facts.due for facts in pipeline.run().values()} == {Due.NOTHING}
    assert stages_due(pipeline.connection, pipeline.project) == []
    assert pipeline.dump(without=("map_cursors",)) == {
        name: rows for name, rows in before.items() if name != "customer.map_cursors"
    }


@pytest.mark.parametrize("declared", [FIRST, WHOLE])
def test_only_rows_that_changed_are_written_and_only_their_people_worked_out(start: Start, declared: str) -> None:
    rows: list[tuple[Any, ...]] = [(f"w{n}", f"p{n}@x", None, 3) for n in range(20)]
    pipeline = start(with_maps(declared))
    make_people(pipeline, *rows)
    pipeline.run(until=MAP)
    before = map_rows(pipeline)
    make_people(pipeline, *rows[:-1], ("w19", "other@x", None, 3.5))
    facts = pipeline.run(until=MAP)
    after = map_rows(pipeline)
    assert {name for name in after if after[name] != before[name]} == {"w19"}
    assert facts[MAPS].metrics["map_rows_written"] == 1
    assert facts[GRAPH].due is Due.CHANGES
    assert facts[GRAPH].metrics["identifiers_touched"] == 3  # w19, and its person as it was and as it is
    assert facts[MAP].metrics["components_solved"] == 1


def test_any_change_of_a_row_touches_its_ids(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 3), ("w2", "bert@x", None, 3))
    pipeline.run(until=MAP)
    pipeline.execute("update raw.people set changed = changed + interval '1 hour' where id = 'w1'")
    pipeline.run(until=GRAPH)
    touched = pipeline.column(
        "select v.value from kind.touched_identifiers as t "
        "join kind.identifier_values as v on v.identifier_id = t.identifier_id order by 1"
    )
    assert touched == ["ann@x", "w1"]
    assert in_use(pipeline)["ann@x"] == (february(3) + timedelta(hours=1),) * 2 + (0,)


def test_row_that_comes_to_light_a_day_late_is_read_and_a_future_one_hides_nothing(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 10), ("w2", "bert@x", None, 1_000_000))
    pipeline.run(until=GRAPH)
    add_people(pipeline, ("w3", "cid@x", None, 9.5))
    assert stages_due(pipeline.connection, pipeline.project)[0] == MAPS
    pipeline.run(until=GRAPH)
    assert {"w1", "w2", "w3"} < in_use(pipeline).keys()
    add_people(pipeline, ("w5", "eve@x", None, None))
    pipeline.run(until=GRAPH)
    assert "w5" in in_use(pipeline), "a row that says no time is always looked at"
    add_people(pipeline, ("w4", "dora@x", None, 8.5))
    pipeline.run(until=GRAPH)
    assert "w4" not in in_use(pipeline), "it is older than what is looked at again"
    pipeline.run(full=True, until=GRAPH)
    assert "w4" in in_use(pipeline)


def test_incremental_runs_give_what_a_full_one_gives(start: Start, seed: int) -> None:
    """Random rows come, change and go in three maps, beside events that hold some of the same ids."""
    rng = random.Random(seed)
    deleted = FIRST.replace("}, updated", "}, deleted: gone, resolve: all, updated")
    pipeline = start(with_maps(deleted, RENAMES, RENAMES.replace("renames", "more")))
    make_people(pipeline)
    people: dict[str, tuple[Any, ...]] = {}
    webs = [f"w{n}" for n in range(8)]
    for step in range(4):
        for web in rng.sample(webs, 3):
            mail, crm = rng.choice([None, "ann@x", "bert@x"]), rng.choice([None, 1, 2])
            people[web] = (web, mail, crm, 3 + step + rng.randrange(2) / 2, rng.random() < 0.2)
        make_people(pipeline, *people.values())
        renames = {name: random_renames(rng, webs) for name in ("renames", "more")}
        for name, pairs in renames.items():
            make_renames(pipeline, *pairs, table=name)
        land(pipeline, *(random_event(rng, f"{step}-{n}", webs) for n in range(2)), number=2 + step % 3)
        pipeline.run(until=MAP)
        check_links(pipeline, people)
        check_renames(pipeline, list(renames.values()))
        before = state(pipeline)
        pipeline.run(full=True, until=MAP)
        after = state(pipeline)
        assert {name: rows for name, rows in before.items() if rows != after[name]} == {}, f"seed {seed}, step {step}"


def random_renames(rng: random.Random, webs: Sequence[str]) -> list[Link]:
    return [(old, rng.choice(webs)) for old in rng.sample(list(webs), rng.randrange(5))]


def random_event(rng: random.Random, number: str, webs: Sequence[str]) -> dict[str, Any]:
    return row(number, web=rng.sample(list(webs), rng.randrange(3)), email=rng.choice([None, "ann@x"]))


def check_links(pipeline: Pipeline, people: dict[str, tuple[Any, ...]]) -> None:
    """Compare the links of the map of people with its table."""
    wanted = {
        (person, web, february(number).date().isoformat()[5:])
        for web, mail, crm, number, gone in people.values()
        for person in (mail, crm and str(crm))
        if person and not gone
    }
    assert {link[:3] for link in links(pipeline) if not link[0].startswith("w")} == wanted


def check_renames(pipeline: Pipeline, renames: list[list[Link]]) -> None:
    """Compare the links of two maps of renames, and how many steps lead on from each id, with their tables."""
    targets: dict[str, str] = {}
    pairs = [(old, new) for of_map in renames for old, new in of_map if old != new]
    for old, new in pairs:
        targets.setdefault(old, new)
    found = {link[:2] for link in links(pipeline) if link[0].startswith("w")}
    assert {frozenset(link) for link in found} == {frozenset(pair) for pair in pairs}
    assert {(old, new) for new, old in found if (new, old) not in pairs} >= {
        (old, new) for old, new in pairs if (new, old) not in pairs
    }
    steps = {}
    for web in targets:
        walked = [web]
        while walked[-1] in targets and targets[walked[-1]] not in walked:
            walked.append(targets[walked[-1]])
        last = walked[-1]
        steps[web] = walked.index(targets[last]) if last in targets else len(walked) - 1
    assert superseded(pipeline) == {web: number for web, number in steps.items() if number}


# What cannot be read -------------------------------------------------------------------------------------------------


def test_table_or_column_that_is_missing_is_told_with_those_that_are_there(start: Start) -> None:
    pipeline = start(with_maps(FIRST, RENAMES))
    path = "entities.customer.identity_maps"
    errors = missing_columns(pipeline.connection, pipeline.project)
    assert [error.path for error in errors] == [f"{path}[0].table", f"{path}[1].table"]
    with pytest.raises(InputError, match=r"identity_maps\[0\].table: the warehouse has no table raw.people"):
        pipeline.run()
    make_people(pipeline)
    make_renames(pipeline)
    pipeline.rewrite(
        with_maps(FIRST.replace("crm: crm", "crm: customer_id").replace("updated_at: changed", "updated_at: gone"))
    )
    errors = missing_columns(pipeline.connection, pipeline.project)
    assert [(error.path, error.line) for error in errors] == [
        (f"{path}[0].persons.crm", 13),
        (f"{path}[0].updated_at", 13),
    ]
    assert "raw.people has no column customer_id. It has id, mail, crm, changed, gone." in str(errors[0])
    assert "the column gone of raw.people is of type boolean. It must be a time, or a text" in str(errors[1])
    with pytest.raises(InputError, match="has no column customer_id"):
        pipeline.run()


@pytest.mark.parametrize(
    ("invariant", "damage", "within"),
    [
        (
            "one row for each map and primary id",
            "insert into kind.identity_map_rows select m.* from kind.identity_map_rows as m where m.changed_in > 1",
            "identity_maps.add",
        ),
        (
            "the value of every id is known",
            "delete from kind.identifier_values as v where v.value = 'ann@x'",
            "identity_maps.add_values",
        ),
    ],
)
def test_broken_invariant_writes_nothing(start: Start, invariant: str, damage: str, within: str) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline)
    pipeline.run(until=MAPS)
    before = pipeline.dump(without=("metrics",))
    add_people(pipeline, ("w1", "ann@x", None, 3))

    def do_damage(work: Work, name: str) -> None:
        if name == within:
            work.connection.run(parsed(damage).bind(work.spec.schemas))

    with each_statement(do_damage), pytest.raises(InvariantError) as caught:
        pipeline.run(until=MAPS)
    assert caught.value.broken == {invariant: 1}
    assert pipeline.dump(without=("metrics",)) == before


class BrokenOffError(Exception):
    """The stage was broken off."""


@pytest.mark.parametrize("asset", [MAPS, GRAPH])
def test_stage_that_is_broken_off_leaves_all_as_it_was(start: Start, seed: int, asset: str) -> None:
    rng = random.Random(seed)
    pipeline = start(with_maps(FIRST, RENAMES))
    make_people(pipeline, ("w1", "ann@x", None, 3))
    make_renames(pipeline, ("w1", "w2"))
    pipeline.run()
    add_people(pipeline, ("w1", "bert@x", None, 4), ("w5", None, 7, 4))
    make_renames(pipeline, ("w2", "w3"))
    before = pipeline.dump()
    for place in rng.sample(range(20), 2):
        left = [place]

        def break_off(work: Work, name: str, left: list[int] = left) -> None:
            left[0] -= work.spec.asset == asset
            if left[0] < 0:
                raise BrokenOffError(name)

        with each_statement(break_off), pytest.raises(BrokenOffError):
            pipeline.run(until=asset)
        if asset == MAPS:
            assert pipeline.dump() == before, f"seed {seed}, statement {place}"
    pipeline.run()
    ended = state(pipeline)
    assert groups(pipeline) == ["7 w5", "bert@x w1", "w2 w3"]
    pipeline.run(full=True)
    assert state(pipeline) == ended

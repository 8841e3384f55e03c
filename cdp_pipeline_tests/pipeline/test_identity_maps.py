"""Identity maps that users bring: what a row gives, what takes it away, and what a change of a map costs."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from cdp_pipeline.errors import InputError, InvariantError
from cdp_pipeline.identity.identity_maps import missing_columns, read_maps
from cdp_pipeline.identity.renames import count_steps
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.warehouse.stage import Due, Facts, StageSpec, Work, stage
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows, each_statement, parsed
from cdp_pipeline_tests.pipeline.projects import WEB, day, lines, project, row

MAPS, GRAPH, MAP = (f"customer/{name}" for name in ("identity_maps", "identity_graph", "entity_map"))
FIRST = "{table: raw.people, primary: {type: web, column: id}, persons: {email: mail, crm: crm}, updated_at: changed}"
WHOLE = "{table: raw.people, primary: {type: web, column: id}, persons: {email: mail, crm: crm}}"
RENAMES = "{table: raw.renames, primary: {type: web, column: old}, persons: {web: new}, mode: snapshot}"
# What differs between two runs that say the same.
OF_THE_RUN = (
    "changed_in", "stages", "sequence", "metrics", "runs", "removed_map_rows", "removed_event_identifiers",
    "landed_in", "landed_files", "removed_events", "issued_in", "recorded_from", "entity_map_history",
    "entity_changes", "touched_identifiers",
)  # fmt: skip

Link: TypeAlias = tuple[str, str]


def with_maps(*maps: str) -> str:
    """Return a project with these identity maps."""
    entity = """\
  customer:
    identifiers: [{type: crm}, {type: email, normalize: [trim, lower], valid: '@'}, {type: web, blocked: [nobody]}]
    stitching:
      - {identifier: web, value: "payload->'web'"}
      - {identifier: email, value: "payload->>'email'"}
"""
    listed = "".join(f"      - {each}\n" for each in maps)
    return project(WEB, entity + (f"    identity_maps:\n{listed}" if maps else ""))


def make_people(pipeline: Pipeline, *rows: tuple[Any, ...]) -> None:
    """Make the table raw.people: id, mail, crm, day of February on which it changed, whether it is deleted."""
    if not pipeline.connection.has_schema("raw"):
        pipeline.execute("create schema raw")
    pipeline.execute("drop table if exists raw.people")
    pipeline.execute("create table raw.people (id text, mail text, crm integer, changed timestamptz, gone boolean)")
    add_people(pipeline, *rows)


def add_people(pipeline: Pipeline, *rows: tuple[Any, ...]) -> None:
    for each in rows:
        filled: list[Any] = [*each, None, None, None][:5]
        id_, mail, crm, number, gone = filled
        pipeline.execute(
            "insert into raw.people (id, mail, crm, changed, gone) values "
            "(:id, :mail, :crm, cast(:changed as timestamptz), :gone)",
            id=id_,
            mail=mail,
            crm=crm,
            changed=None if number is None else february(number),
            gone=gone,
        )


def make_renames(pipeline: Pipeline, *pairs: Link, table: str = "renames") -> None:
    """Make a table of old ids and new ones."""
    if not pipeline.connection.has_schema("raw"):
        pipeline.execute("create schema raw")
    pipeline.execute(f"drop table if exists raw.{table}")
    pipeline.execute(f"create table raw.{table} (old text, new text)")
    for old, new in pairs:
        pipeline.execute(f"insert into raw.{table} values (:old, :new)", old=old, new=new)  # noqa: S608


def february(number: float) -> datetime:
    """Return 10:00 on a day of February, or a part of a day later."""
    return datetime(2026, 2, 1, 10, tzinfo=UTC) + timedelta(days=number - 1)


def land(pipeline: Pipeline, *rows: dict[str, Any], number: int = 2) -> None:
    pipeline.write(f"landing/{day(number)}/web.ndjson", lines(*rows))


def links(pipeline: Pipeline, *kinds: str) -> list[tuple[str, str, str, int]]:
    """Return the links of some kinds: the more important end, the other, the day of arrival, events."""
    found = pipeline.query(
        "select v.value, w.value, g.arrived_on, g.events, g.kind from kind.identity_graph as g "
        "join kind.identifier_values as v on v.identifier_id = g.identifier_id "
        "join kind.identifier_values as w on w.identifier_id = g.other_id"
    )
    kinds = kinds or ("map",)
    return sorted(
        (a, b, arrived_on.isoformat()[5:], events) for a, b, arrived_on, events, kind in found if kind in kinds
    )


def in_use(pipeline: Pipeline) -> dict[str, tuple[datetime, datetime, int]]:
    """Return the identifiers in use: first seen, last seen, events."""
    found = pipeline.query("select i.value, i.first_seen, i.last_seen, i.events from kind.identifiers as i")
    return {value: tuple(rest) for value, *rest in found}


def superseded(pipeline: Pipeline) -> dict[str, int]:
    found = pipeline.query("select i.value, i.superseded from kind.identifiers as i where i.superseded <> 0")
    return dict(found)


def groups(pipeline: Pipeline) -> list[str]:
    """Return the values of each entity, as one text."""
    found = defaultdict(list)
    for entity, value in pipeline.query(
        "select m.entity_id, i.value from kind.entity_map as m "
        "join kind.identifiers as i on i.identifier_id = m.identifier_id"
    ):
        found[entity].append(value)
    return sorted(" ".join(sorted(values)) for values in found.values())


def map_rows(pipeline: Pipeline) -> dict[str, int]:
    """Return the primary ids of the rows that are kept, each with the number that wrote its row."""
    return dict(
        pipeline.query(
            "select v.value, m.changed_in from kind.identity_map_rows as m "
            "join kind.identifier_values as v on v.identifier_id = m.primary_id"
        )
    )


def state(pipeline: Pipeline) -> dict[str, Rows]:
    return pipeline.dump(without=(*OF_THE_RUN, "calculated", "modified", "valid_at", "stitched", "replays"))


# What a row gives ----------------------------------------------------------------------------------------------------


def test_row_links_its_id_with_the_first_person_id_and_brings_both_into_use(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(
        pipeline,
        ("w1", "  ANN@x ", None, 3),
        ("w2", "bert@x", 7, 4),  # crm is more important than email, whatever the order in the file
        ("w3", "no mail", 0, 5),  # neither counts, so the row says only that there is a w3
        ("nobody", "cid@x", 8, 6),
        (None, "dora@x", 9, 6),
    )
    land(pipeline, row(1, web="w1"))
    facts = pipeline.run(until=MAP)
    assert links(pipeline) == [("7", "w2", "02-04", 0), ("ann@x", "w1", "02-03", 0)]
    assert in_use(pipeline) == {
        "w1": (datetime(2026, 2, 1, 10, tzinfo=UTC), february(3), 1),
        "ann@x": (february(3), february(3), 0),
        "7": (february(4), february(4), 0),
        "w2": (february(4), february(4), 0),
        "w3": (february(5), february(5), 0),
    }
    assert groups(pipeline) == ["7 w2", "ann@x w1", "w3"]
    figures = {name: int(value) for name, value in facts[MAPS].metrics.items() if value and name != "seconds"}
    assert figures == {"map_rows": 3, "map_rows_read": 5, "map_rows_written": 3, "rows_without_valid_primary": 2,
                       "invalid_values": 1, "blocked_values": 2}  # fmt: skip
    assert pipeline.query("select distinct g.first_event_id from kind.identity_graph as g") == [(None,)]


def test_resolve_all_links_every_person_id(start: Start) -> None:
    pipeline = start(with_maps(FIRST.replace("updated_at", "resolve: all, updated_at")))
    make_people(pipeline, ("w1", "ann@x", 7, 3))
    pipeline.run(until=GRAPH)
    assert links(pipeline) == [("7", "w1", "02-03", 0), ("ann@x", "w1", "02-03", 0)]
    ((person_ids,),) = pipeline.query("select m.person_ids from kind.identity_map_rows as m")
    values: dict[str, str] = dict(pipeline.query("select v.identifier_id, v.value from kind.identifier_values as v"))
    assert [values[each] for each in person_ids] == ["7", "ann@x"]


def test_values_are_read_as_those_of_events(start: Start) -> None:
    """Numbers, arrays and JSON, a text for a time, another for a boolean; names in another case."""
    pipeline = start(
        with_maps(
            "{table: raw.odd, primary: {type: web, column: ID}, persons: {email: mails, crm: crm}, resolve: all, "
            "updated_at: changed, deleted: gone}"
        )
    )
    pipeline.execute("create schema raw")
    pipeline.execute("create table raw.odd (id jsonb, mails text[], crm double precision, changed text, gone text)")
    for id_, mails, crm, changed, gone in (
        ('"w1"', "array['b@x', 'B@x ', 'a@x', '']", "42", "'2026-02-03T10:00:00Z'", "'f'"),
        ("12345", "array['c@x']", "1.5", "'2026-02-04 10:00'", "null"),
        ('["w3", "w4"]', "null", "43", "'some day'", "'no'"),
        ('{"id": "w5"}', "array['e@x']", "44", "'2026-02-03'", "null"),
        ('"w6"', "array['f@x']", "45", "'2026-02-03'", "' TRUE'"),
    ):
        pipeline.execute(f"insert into raw.odd values (cast('{id_}' as jsonb), {mails}, {crm}, {changed}, {gone})")  # noqa: S608
    facts = pipeline.run(until=GRAPH)
    assert links(pipeline) == [
        ("42", "w1", "02-03", 0),
        ("43", "w3", "01-01", 0),
        ("a@x", "w1", "02-03", 0),
        ("b@x", "w1", "02-03", 0),
        ("c@x", "12345", "02-04", 0),
    ]
    figures = facts[MAPS].metrics
    assert (figures["deleted_rows"], figures["unreadable_times"], figures["rows_without_valid_primary"]) == (1, 1, 1)
    assert (figures["invalid_values"], figures["blocked_values"]) == (2, 1)
    assert MAPS not in stages_due(pipeline.connection, pipeline.project)


def test_times_that_are_far_off_are_days_of_arrival_of_links_alone(start: Start) -> None:
    """The server keeps days apart by month; it makes room for those in the table of links, and in no other."""
    pipeline = start(with_maps(FIRST))
    make_people(pipeline)
    for number, text in enumerate(("0001-05-01", "1987-01-31", "9998-12-31", "infinity", "-infinity")):
        pipeline.execute(
            "insert into raw.people values (:id, 'ann@x', null, cast(:changed as timestamptz), false)",
            id=f"w{number}",
            changed=f"{text} 10:00:00+00" if text[-1].isdigit() else text,
        )
    facts = pipeline.run(until=MAP)
    days = pipeline.column("select cast(g.arrived_on as text) from kind.identity_graph as g order by g.arrived_on")
    assert days == ["0001-05-01", "1987-01-31", "2026-01-01", "2026-01-01", "9998-12-31"]
    assert facts[MAPS].metrics["unreadable_times"] == 2
    assert facts[GRAPH].days == {date(2026, 1, 1): {"links": 2}}
    assert MAPS not in stages_due(pipeline.connection, pipeline.project)
    assert pipeline.connection.columns_of("customer", "event_identifiers_1987_01") is None


# What takes it away --------------------------------------------------------------------------------------------------


def test_nulled_person_id_withdraws_what_the_map_said_and_nothing_else(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 3), ("w2", "ann@x", None, 3))
    land(pipeline, row(1, web="w1", email="ann@x"), row(2, web="w2"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x w1 w2"]
    add_people(pipeline, ("w1", None, None, 4), ("w2", None, None, 4))  # the newest row counts
    pipeline.run(until=MAP)
    assert links(pipeline) == []
    assert groups(pipeline) == ["ann@x w1", "w2"], "an event carries both w1 and ann@x"
    assert in_use(pipeline)["w2"][1] == february(4)


def test_what_events_and_map_say_of_a_pair_on_one_day_comes_and_goes_apart(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 3))
    of_both = [("ann@x", "w1", "02-03", 0), *[("ann@x", "w1", "02-03", 1)] * 2]
    for rows, wanted in (([row(1, web="w1", email="ann@x")], of_both), ([row(1, web="w1")], of_both[:1])):
        land(pipeline, *rows, number=3)
        pipeline.run(until=GRAPH)
        assert links(pipeline, "map", "anchor", "next") == wanted
    land(pipeline, row(1, web="w1", email="ann@x"), number=3)
    pipeline.run(until=GRAPH)
    add_people(pipeline, ("w1", None, None, 4))
    pipeline.run(until=GRAPH)
    assert links(pipeline, "map", "anchor", "next") == of_both[1:]


def test_deleted_row_gives_nothing_and_its_ids_go_out_of_use(start: Start) -> None:
    pipeline = start(with_maps(FIRST.replace("}, updated", "}, deleted: gone, updated")))
    make_people(pipeline, ("w1", "ann@x", None, 3), ("w2", "bert@x", None, 3))
    land(pipeline, row(1, web="w2"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x w1", "bert@x w2"]
    pipeline.execute("update raw.people set gone = true, changed = changed + interval '1 day'")
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["w2"]
    assert map_rows(pipeline) == {}
    assert links(pipeline) == []


def test_missing_row_of_a_mirror_stays_and_of_a_snapshot_is_deleted(start: Start) -> None:
    for declared, left in (
        (WHOLE, ["ann@x w1", "bert@x w2"]),
        (FIRST, ["ann@x w1", "bert@x w2"]),
        (WHOLE.replace("}}", "}, mode: snapshot}"), ["bert@x w2"]),
        (FIRST.replace("}, updated", "}, mode: snapshot, updated"), ["bert@x w2"]),
    ):
        pipeline = start(with_maps(declared))
        make_people(pipeline, ("w1", "ann@x", None, 3), ("w2", "bert@x", None, 4))
        pipeline.run(until=MAP)
        pipeline.execute("delete from raw.people where id = 'w1'")
        pipeline.run(until=MAP)
        assert groups(pipeline) == left, declared
        assert pipeline.run(full=True, until=MAPS)[MAPS].due is Due.NOTHING
        assert groups(pipeline) == left, declared
        assert MAPS not in stages_due(pipeline.connection, pipeline.project)


def test_newest_row_counts_and_of_equal_ones_the_same_whatever_their_order(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    rows = [("w1", f"mail{n}@x", None, 3) for n in range(5)]
    make_people(pipeline, ("w1", "newest@x", None, 1), *rows, ("w1", "oldest@x", None, 0))
    pipeline.run(until=GRAPH)
    won = links(pipeline)[0][0]
    assert won.startswith("mail")
    add_people(pipeline, ("w1", "late@x", None, 2.5))
    pipeline.run(until=GRAPH)
    assert links(pipeline)[0][0] == won, "a row that comes late and is older says nothing"
    pipeline.execute("delete from raw.people where changed >= cast('2026-02-03' as timestamptz)")
    pipeline.run(until=GRAPH)
    assert links(pipeline)[0][0] == won, "nor does it when the newer ones are missing"
    other = start(with_maps(FIRST))
    make_people(other, *rows[3:], *rows[:3])
    other.run(until=GRAPH)
    assert links(other)[0][0] == won


def test_map_that_is_declared_no_more_withdraws_what_it_gave(start: Start) -> None:
    second = WHOLE.replace("people", "others")
    pipeline = start(with_maps(FIRST, second))
    make_people(pipeline, ("w9", "zoe@x", None, 3))
    pipeline.execute("create table raw.others as select p.id, 'bert@x' as mail, p.crm from raw.people as p")
    make_people(pipeline, ("w1", "ann@x", None, 3))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x w1", "bert@x w9"]
    # The other map moves up, and keeps a row that its table has no more.
    pipeline.execute("delete from raw.others")
    pipeline.rewrite(with_maps(second))
    assert stages_due(pipeline.connection, pipeline.project)[0] == MAPS
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["bert@x w9"]
    assert pipeline.query("select distinct m.map_number from kind.identity_map_rows as m") == [(0,)]
    pipeline.rewrite(with_maps())
    pipeline.run(until=MAP)
    assert groups(pipeline) == []
    assert MAPS not in stages_due(pipeline.connection, pipeline.project)


def test_map_that_is_declared_otherwise_is_read_anew(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", 7, 3), ("w2", "bert@x", None, 3))
    pipeline.run(until=GRAPH)
    before = map_rows(pipeline)
    pipeline.rewrite(with_maps(FIRST.replace("updated_at", "resolve: all, updated_at")))
    pipeline.run(until=GRAPH)
    assert links(pipeline) == [("7", "w1", "02-03", 0), ("ann@x", "w1", "02-03", 0), ("bert@x", "w2", "02-03", 0)]
    assert map_rows(pipeline)["w2"] == before["w2"], "a row that says the same is not written"


def test_several_maps_say_a_link_once_a_day(start: Start) -> None:
    second = FIRST.replace("people", "others")
    pipeline = start(with_maps(FIRST, second))
    make_people(pipeline, ("w1", "ann@x", None, 3.25))
    pipeline.execute("create table raw.others as select p.* from raw.people as p")
    make_people(pipeline, ("w1", "ann@x", None, 3))
    pipeline.run(until=GRAPH)
    spans = "select g.first_seen, g.last_seen from kind.identity_graph as g"
    assert pipeline.query(spans) == [(february(3), february(3.25))]
    add_people(pipeline, ("w1", None, None, 4))
    pipeline.run(until=GRAPH)
    assert pipeline.query(spans) == [(february(3.25), february(3.25))]


# Old ids and new ones ------------------------------------------------------------------------------------------------


def test_chain_of_renames_is_followed_to_its_end(start: Start) -> None:
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline, ("a", "b"), ("b", "c"))
    land(pipeline, row(1, web=["a", "z"]), row(2, web="c"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["a b c z"]
    assert superseded(pipeline) == {"a": 2, "b": 1}
    assert [link[:2] for link in links(pipeline)] == [("b", "a"), ("c", "b")]
    make_renames(pipeline, ("a", "b"), ("b", "c"), ("c", "d"))
    land(pipeline, row(3, web="b"), number=3)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 3, "b": 2, "c": 1}
    land(pipeline, row(4, web="a"), row(5, web="c"), number=4)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 3, "b": 2, "c": 1}, "to be seen again changes nothing"
    make_renames(pipeline, ("a", "b"), ("c", "d"))
    pipeline.run(until=MAP)
    assert superseded(pipeline) == {"a": 1, "c": 1}
    assert groups(pipeline) == ["a b z", "c d"]


def test_circle_ends_and_what_leads_into_it_does_too(start: Start) -> None:
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline, ("a", "b"), ("b", "a"), ("c", "a"), ("d", "c"), ("e", "e"))
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"c": 1, "d": 2}
    assert "e" in in_use(pipeline)
    assert len(links(pipeline)) == 3
    make_renames(pipeline, ("a", "b"), ("c", "a"), ("d", "c"))
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 1, "c": 2, "d": 3}


def test_an_id_follows_the_first_map_that_renames_it(start: Start) -> None:
    pipeline = start(with_maps(RENAMES, RENAMES.replace("renames", "more")))
    make_renames(pipeline, ("a", "b"))
    make_renames(pipeline, ("a", "c"), ("c", "d"), table="more")
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 1, "c": 1}
    make_renames(pipeline)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 2, "c": 1}


def test_link_has_one_direction_whatever_says_it(start: Start) -> None:
    """An event with both ids, on two days: its links turn when a map says which of them is the new one."""
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline)
    for number in (2, 3):
        land(pipeline, row(number, web=["a", "b"]), number=number)
    pipeline.run(until=GRAPH)
    ((first, second),) = {link[:2] for link in links(pipeline, "anchor", "next")}
    for pairs, wanted in (
        ([(first, second)], (second, first)),
        ([(first, second), (second, first)], (first, second)),
        ([(second, first)], (first, second)),
        ([(first, second)], (second, first)),
    ):
        make_renames(pipeline, *pairs)
        pipeline.run(until=GRAPH)
        assert {link[:2] for link in links(pipeline, "anchor", "next", "map")} == {wanted}
        assert len(links(pipeline, "anchor", "next")) == 4
    # Events that come later find the direction that the map gives.
    land(pipeline, row(4, web=["a", "b"]), number=4)
    pipeline.run(until=GRAPH)
    assert {link[:2] for link in links(pipeline, "anchor", "next", "map")} == {(second, first)}
    assert pipeline.run(until=GRAPH)[GRAPH].due is Due.NOTHING


def test_steps_are_counted_on_chains_circles_and_trees() -> None:
    targets = {"a": "b", "b": "c", "d": "b", "x": "y", "y": "z", "z": "x", "t": "y", "u": "k"}
    assert count_steps(targets, {"k": 5}) == {"a": 2, "b": 1, "d": 2, "x": 0, "y": 0, "z": 0, "t": 1, "u": 6}


# What a change costs -------------------------------------------------------------------------------------------------


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


# Decisions -----------------------------------------------------------------------------------------------------------


def decide(pipeline: Pipeline, verdict: str, a: str, b: str, number: float, *, withdrawn: bool = False) -> None:
    """Write a decision as `cdp decide` does, or take it back; the next run is told of it."""
    with stage(
        pipeline.connection, StageSpec("customer/decisions", "customer", pipeline.schemas()), pipeline.new_run()
    ) as work:
        work.facts.due = Due.CHANGES
        ids = "(select v.identifier_id from kind.identifier_values as v where v.value = :{})"
        if withdrawn:
            pipeline.execute(
                "update kind.decisions set withdrawn_at = at where decision_id = :number",
                number=int(number * 100),
            )
        else:
            pipeline.execute(
                "insert into kind.decisions (identifier_id, other_id, verdict, at, decision_id) values "  # noqa: S608
                f"({ids.format('a')}, {ids.format('b')}, :verdict, :at, :number)",
                a=a,
                b=b,
                verdict=verdict,
                at=february(number),
                number=int(number * 100),
            )
        _ = work.number


def test_members_of_a_class_of_decisions_are_linked_in_a_row(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w4", "dora@x", None, 3))
    land(pipeline, *(row(n, web=f"w{n}") for n in (1, 2, 3)), row(9, email="ann@x"))
    pipeline.run(until=MAP)
    decide(pipeline, "same", "w1", "w2", 10)
    decide(pipeline, "same", "w3", "ann@x", 11)
    decide(pipeline, "different", "w1", "w3", 12)
    decide(pipeline, "same", "dora@x", "w3", 13)
    assert stages_due(pipeline.connection, pipeline.project)[0] == GRAPH
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w3 w4", "w1 w2"]
    assert sorted(each[2:] for each in links(pipeline, "same")) == [("02-10", 0), ("02-13", 0), ("02-13", 0)]
    ends = pipeline.query(
        "select i.priority, j.priority, i.identifier_id, j.identifier_id from kind.identity_graph as g "
        "join kind.identifiers as i on i.identifier_id = g.identifier_id "
        "join kind.identifiers as j on j.identifier_id = g.other_id where g.kind = 'same'"
    )
    assert all((a, first) < (b, second) for a, b, first, second in ends)
    decide(pipeline, "same", "w2", "w1", 10.25)
    pipeline.run(until=MAP)
    assert pipeline.column("select g.last_seen from kind.identity_graph as g where g.kind = 'same' order by 1") == [
        february(10.25),
        february(13),
        february(13),
    ]
    before = state(pipeline)
    pipeline.run(full=True, until=MAP)
    assert state(pipeline) == before
    # A member that goes out of use is passed over, and comes back.
    pipeline.execute("delete from raw.people")
    land(pipeline, row(1, web="w1"), row(2, web="w2"), row(9, email="ann@x"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w4", "w1 w2"]
    for number in (10, 10.25):
        decide(pipeline, "same", "w1", "w2", number, withdrawn=True)
    facts = pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w4", "w1", "w2"]
    assert facts[MAP].metrics["components_solved"] == 2


def test_facts_of_a_map_reading_are_of_its_stage(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 3))
    facts: Facts = read_maps(pipeline.connection, pipeline.project, "customer", pipeline.new_run())
    assert (facts.asset, facts.due, facts.days) == (MAPS, Due.CHANGES, {})
    told = pipeline.run(until=GRAPH)[GRAPH].days
    assert told == {date(2026, 2, 3): {"links": 1}}

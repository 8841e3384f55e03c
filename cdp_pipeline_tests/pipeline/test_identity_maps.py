"""Identity maps that users bring: what a row gives, and what takes it away."""

from datetime import UTC, date, datetime

from cdp_pipeline.identity.identity_maps import read_maps
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.warehouse.stage import Due, Facts
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.maps import (
    FIRST,
    GRAPH,
    MAP,
    MAPS,
    WHOLE,
    add_people,
    february,
    groups,
    in_use,
    land,
    links,
    make_people,
    map_rows,
    with_maps,
)
from cdp_pipeline_tests.pipeline.projects import row

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


def test_facts_of_a_map_reading_are_of_its_stage(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w1", "ann@x", None, 3))
    facts: Facts = read_maps(pipeline.connection, pipeline.project, "customer", pipeline.new_run())
    assert (facts.asset, facts.due, facts.days) == (MAPS, Due.CHANGES, {})
    told = pipeline.run(until=GRAPH)[GRAPH].days
    assert told == {date(2026, 2, 3): {"links": 1}}


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

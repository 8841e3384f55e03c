"""What is published held against a rebuild: healthy worlds pass, and each thing that was tampered with is named.

That random histories pass is shown beside the full run at their end, in `rebuild.check_full_run`.
"""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.operations.session import Session
from cdp_pipeline.operations.verify import VerifyReport, verify
from cdp_pipeline.operations.verify_rows import TableVerdict
from cdp_pipeline.operations.verify_slice import Slice, SliceVerdict, slice_of_run, verify_slice
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import lines

PROJECT = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web: {files: 'landing/{day}/*', event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers: [{type: crm, max_per_entity: 1}, {type: email}, {type: cookie}]
    stitching:
      - {identifier: crm, value: "payload->>'crm'"}
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: cookie, value: "payload->>'cookie'"}
    attributes:
      - {id: n_events, type: expression, value: count(*)}
      - {id: weight, type: expression, value: "max((payload->>'kilos')::double precision)"}
"""


def seen(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "type": "seen", "at": f"2026-01-01T10:{number:02}:00Z", "kilos": 0.1 * number, **more}


# Two people share a tablet, six are alone, one event is nobody's.
ROWS = (
    seen(1, crm="1", cookie="tablet"),
    seen(2, crm="2", cookie="tablet"),
    seen(3, email="ann", cookie="a"),
    seen(4, email="ann", cookie="a"),
    seen(5, email="bob", cookie="b"),
    seen(6, email="cid", cookie="c"),
    seen(7, email="dan", cookie="d"),
    seen(8, email="eve", cookie="e"),
    seen(9, email="fay", cookie="f"),
    seen(10),
)
WHOLE = Slice(0, 1)


@pytest.fixture
def shop(start: Start) -> Pipeline:
    """Return a shop that has run."""
    pipeline = start(PROJECT)
    pipeline.write("landing/2026-01-01/events.ndjson", lines(*ROWS))
    pipeline.run()
    return pipeline


def verify_all(pipeline: Pipeline) -> VerifyReport:
    with pipeline.connection.rehearsal():
        return verify(Session(pipeline.connection, pipeline.project, "verify", rehearsal=True))


def verify_part(pipeline: Pipeline, part: Slice = WHOLE) -> SliceVerdict:
    return verify_slice(pipeline.connection, pipeline.project, "customer", pipeline.new_run(), part)


def named(tables: Iterable[TableVerdict]) -> dict[str, set[str]]:
    """Return what differs: by table, the names of what stands in the keys of the rows."""
    return {
        table.table: {
            difference.names[str(value)]
            for difference in table.differences
            for column, value in difference.key.items()
            if column == next(iter(difference.key))
        }
        for table in tables
        if table.differing
    }


def test_a_healthy_world_is_the_same_and_nothing_of_the_comparison_stays(shop: Pipeline) -> None:
    before = shop.dump()
    report = verify_all(shop)
    assert (report.same, report.notes) == (True, [])
    rows = {table.table: table.rows for table in report.kinds[0].tables}
    assert (rows["stitched_events"], rows["profiles"], rows["event_identifiers"]) == (10, 8, 9)
    whole = verify_part(shop)
    assert (whole.same, whole.events, whole.entities) == (True, 10, 8)
    parts = [verify_part(shop, Slice(number, 2)) for number in range(2)]
    assert all(part.same for part in parts)
    for figure in ("identifiers", "events", "entities"):
        assert sum(getattr(part, figure) for part in parts) == getattr(whole, figure), figure
    assert shop.dump() == before


# What somebody did, and the rows that a rebuild gives in another way: by table, the names in their keys. `:id_…` is the
# identifier of a value, `:of_…` its owner.
BY_HAND: dict[str, tuple[str, dict[str, set[str]]]] = {
    "an event that was given to somebody else": (
        "update kind.stitched_events as s set entity_id = cast(:of_ann as uuid) "
        "where s.anchor_id = cast(:id_bob as uuid)",
        {"stitched_events": {"web e5"}},
    ),
    "a link that was counted wrongly": (
        "update kind.identity_graph as g set events = 7 where g.identifier_id = cast(:id_cid as uuid) "
        "and g.kind = 'anchor'",
        {"identity_graph": {"email:cid"}},
    ),
    "a link that no event holds": (
        "insert into kind.identity_graph (arrived_on, identifier_id, other_id, kind, first_seen, last_seen, events) "
        "select g.arrived_on, g.identifier_id, cast(:id_tablet as uuid), 'next', g.first_seen, g.last_seen, 1 "
        "from kind.identity_graph as g where g.identifier_id = cast(:id_dan as uuid) and g.kind = 'anchor'",
        {"identity_graph": {"email:dan"}},
    ),
    "an event whose identifiers were lost": (
        "delete from kind.event_identifiers as e where e.anchor_id = cast(:id_eve as uuid)",
        {"event_identifiers": {"web e8"}},
    ),
    "a wrong value of a profile": (
        "update kind.profiles as p set n_events = 40 where p.entity_id = cast(:of_ann as uuid)",
        {"profiles": {"email:ann"}},
    ),
    "a sum of doubles in another order": (
        "update kind.profiles as p set weight = p.weight + 0.00000000000001 where p.entity_id = cast(:of_bob as uuid)",
        {},
    ),
    "a stale group": (
        "update kind.identifier_groups as g set entity_id = cast(:of_ann as uuid) "
        "where g.identifier_id = cast(:id_f as uuid)",
        {"identifier_groups": {"cookie:f"}},
    ),
    "an owner that is another one": (
        "update kind.entity_map as m set entity_id = cast(:of_dan as uuid) where m.identifier_id = cast(:id_b as uuid)",
        {"entity_map": {"cookie:b"}},
    ),
}


def tamper(shop: Pipeline, text: str) -> None:
    ids = shop.query(
        "select v.value, v.identifier_id, m.entity_id from kind.identifier_values as v "
        "join kind.identifier_groups as m on m.identifier_id = v.identifier_id"
    )
    places = {f"id_{value}": identifier for value, identifier, _ in ids}
    places |= {f"of_{value}": entity for value, _, entity in ids}
    assert shop.execute(text, **{name: places[name] for name in re.findall(r":(\w+_\w+)", text)}) == 1


def test_what_somebody_did_by_hand_is_named_and_a_full_run_makes_up_for_it(shop: Pipeline) -> None:
    for text, _ in BY_HAND.values():
        tamper(shop, text)
    wanted: dict[str, set[str]] = {}
    for _, names in BY_HAND.values():
        for table, found in names.items():
            wanted.setdefault(table, set()).update(found)
    report = verify_all(shop)
    assert not report.same
    assert named(report.kinds[0].tables) == wanted
    assert named(verify_part(shop).tables) == wanted
    (profile,) = next(table for table in report.kinds[0].tables if table.table == "profiles").differences
    assert profile.columns == ["n_events"]
    assert (profile.published[0]["n_events"], profile.rebuilt[0]["n_events"]) == (40, 2)
    shop.run(full=True)
    assert verify_all(shop).same


def test_what_a_rebuild_could_not_publish_is_told(shop: Pipeline) -> None:
    tamper(shop, "delete from kind.stitched_events as s where s.anchor_id = cast(:id_bob as uuid)")
    parts = [verify_part(shop, Slice(number, 2)) for number in range(2)]
    assert not any(part.same for part in parts)
    assert sum("no event is missing" in part.broken for part in parts) == 1, "each counts them, one brings it back"


def test_what_is_still_due_is_taken_in_first_and_told(shop: Pipeline) -> None:
    shop.execute("update kind.stitched_events as s set stitched = null, entity_id = null where s.entity_id is not null")
    shop.write("landing/2026-01-02/events.ndjson", lines(seen(11, email="new")))
    before = shop.dump()
    report = verify_all(shop)
    assert report.same
    assert report.notes[0].startswith("Not landed yet, and not looked at: landing/2026-01-02/events.ndjson.")
    assert [note.partition(" was due")[0] for note in report.notes[1:]] == [
        "customer/stitched_events",
        "customer/profiles",
    ]
    assert shop.dump() == before


EDITED = PROJECT.replace("payload->>'email'", "lower(payload->>'email')")


def test_an_edited_project_has_nothing_to_compare_with(shop: Pipeline) -> None:
    shop.rewrite(EDITED)
    for look in (verify_all, verify_part):
        with pytest.raises(
            WarehouseError, match=r"customer/event_identifiers was due \(the project defines it in another way\)"
        ):
            look(shop)


def test_an_edited_attribute_is_taken_in_first(shop: Pipeline) -> None:
    shop.rewrite(PROJECT.replace("count(*)", "2 * count(*)"))
    report = verify_all(shop)
    assert report.same
    assert any("customer/profiles was due (the project defines it in another way)" in note for note in report.notes)


def test_every_slice_has_its_turn(shop: Pipeline) -> None:
    run = shop.new_run()
    assert slice_of_run(shop.connection, shop.project, run, 1.0) == WHOLE
    assert slice_of_run(shop.connection, shop.project, run, 0.01).of == 100
    numbers = []
    for _ in range(3):
        run = shop.new_run()
        session = Session(shop.connection, shop.project, run.run)
        session.start("")
        numbers.append(slice_of_run(shop.connection, shop.project, run, 0.3).number)
    assert sorted(numbers) == [0, 1, 2]
    slices = [Slice(number, 7) for number in range(7)]
    for first, last in (("low", "high"), ("first_id", "last_id")):
        bounds = [(each.ends | each.ids) for each in slices]
        starts = [int(each[first].replace("-", ""), 16) for each in bounds]
        ends = [int(each[last].replace("-", ""), 16) for each in bounds]
        assert (starts[0], {*bounds[-1][last]} - {"-"}) == (0, {"f"})
        assert [end + 1 for end in ends[:-1]] == starts[1:]

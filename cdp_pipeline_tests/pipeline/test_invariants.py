"""Every invariant of events and identity, in a world in which it does not hold.

Tables are damaged by hand, as somebody with a SQL shell may do it, before the stage in question. Where no damage from
outside leads there, the damage is done between two statements of the stage, as a mistake in the stage would do it.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.errors import InvariantError
from cdp_pipeline.events.customer_events import customer_events_spec
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.warehouse.stage import Work
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.pipeline.driver import EVENTS, Pipeline, each_statement, open_pipeline, parsed
from cdp_pipeline_tests.pipeline.projects import day, lines, project, row

IDENTIFIERS, GRAPH, MAP, STITCHED = (
    f"customer/{name}" for name in ("event_identifiers", "identity_graph", "entity_map", "stitched_events")
)
STAGES = (EVENTS, "cdp/event_counts", IDENTIFIERS, GRAPH, MAP, STITCHED)
BASE = [row(1, email="anna", cookie="c1"), row(2, email="bert", cookie="c2"), row(3, cookie="c3")]
NEW = {f"landing/{day(3)}/web.ndjson": [row(4, email="anna", cookie="c4")]}
ON_THE_SAME_DAY = {f"landing/{day(2)}/web-more.ndjson": [row(9, cookie="c9")]}
GROWN = {f"landing/{day(2)}/web.ndjson": [*BASE, row(9, cookie="c9")]}
SMALLER = {f"landing/{day(2)}/web.ndjson": BASE[:2]}

COLUMNS = "source_id, source_event_id, type, version, arrived_on, payload, landed_from, place, place_row, landed_in"
ANNAS = "(select v.identifier_id from kind.identifier_values as v where v.value = 'anna')"
BERTS = "(select v.identifier_id from kind.identifier_values as v where v.value = 'bert')"
ONE_ROW_TWICE = f"insert into kind.entity_map select m.* from kind.entity_map as m where m.identifier_id = {ANNAS}"  # noqa: S608


@dataclass(frozen=True)
class Case:
    """A damage.

    Attributes:
        stage: The stage that must notice it.
        invariant: What it breaks.
        damage: The damage, done before the stage.
        rows: How many rows break the invariant then.
        lands: What lies there anew.
        within: The statement of the stage after which the damage is done, if it is done within the stage.
        healed: Whether a full run makes up for it.
    """

    stage: str
    invariant: str
    damage: str
    rows: int = 1
    lands: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: NEW)
    within: str | None = None
    healed: bool = True

    def __str__(self) -> str:
        return f"{self.stage}: {self.invariant}"


CASES = [
    Case(
        EVENTS,
        "landed rows are events or rejected rows",
        "update cdp.landed_rows set landed_rows = landed_rows + 1",
        lands=ON_THE_SAME_DAY,
        healed=False,
    ),
    Case(
        EVENTS,
        "every event once",
        "insert into cdp.customer_events select e.* from cdp.customer_events as e where e.source_event_id = '1'",
        lands=GROWN,
        within="customer_events.add_winners",
    ),
    Case(
        EVENTS,
        "no landed event is missing",
        "delete from cdp.customer_events where source_event_id = '9'",
        lands=GROWN,
        within="customer_events.add_winners",
    ),
    Case(
        IDENTIFIERS,
        "every event once",
        f"insert into cdp.customer_events (event_id, event_time, {COLUMNS}) "  # noqa: S608
        f"select e.event_id, e.event_time + interval '1 hour', {COLUMNS} from cdp.customer_events as e "
        "where e.source_event_id = '4'",
        healed=False,
    ),
    Case(
        IDENTIFIERS,
        "every row's event exists",
        "delete from cdp.customer_events where source_event_id = '4'",
        within="event_identifiers.add",
    ),
    Case(
        IDENTIFIERS,
        "the anchor is the first identifier",
        "update kind.event_identifiers set anchor_id = identifier_ids[2]",
        within="event_identifiers.add",
    ),
    Case(
        GRAPH,
        "every identifier in use has an event or a map's row",
        "delete from kind.identifier_sightings as s",
        rows=2,
        within="in_use.add_identifiers",
    ),
    Case(
        GRAPH,
        "both ends of a link are in use",
        "delete from kind.identifiers as i where i.value = 'c2'",
        lands=ON_THE_SAME_DAY,
    ),
    Case(
        GRAPH,
        "every event's identifiers are in use",
        "delete from kind.identifier_values as v where v.value = 'c4'",
    ),
    Case(
        GRAPH,
        "the identifiers of every map's row are in use",
        "insert into kind.identity_map_rows (map_number, primary_id, person_ids, updated_at, row_hash, changed_in) "
        "select 0, cast('00000000-0000-4000-8000-000000000001' as uuid), cast(array[] as uuid[]), "
        "timestamptz '2026-02-03 10:00:00+00', 'by hand', s.number from cdp.sequence as s",
    ),
    Case(MAP, "one owner for each identifier and moment", ONE_ROW_TWICE),
    Case(
        MAP,
        "exactly the identifiers in use have a group",
        f"delete from kind.identifier_groups as g where g.identifier_id = {ANNAS}",  # noqa: S608
        within="entity_ids.add_changed_groups",
    ),
    Case(
        MAP,
        "every owner is an entity of today",
        "update kind.entity_map set entity_id = cast('00000000-0000-4000-8000-000000000001' as uuid) "  # noqa: S608
        f"where identifier_id = {ANNAS}",
        within="entity_map.add_fresh",
    ),
    Case(
        MAP,
        "every entity has a key of its own",
        "insert into kind.entities (entity_id, key_id, founder_id, ordinal, issued_in) "  # noqa: S608
        f"select r.entity_id, {BERTS}, r.founder_id, r.ordinal, r.issued_in from kind.entities as r "
        f"where r.key_id = {ANNAS}",
        healed=False,
    ),
    Case(STITCHED, "every event once", ONE_ROW_TWICE),
    Case(
        STITCHED,
        "no event is missing",
        "delete from kind.stitched_events as s where s.arrived_on = date '2026-02-02'",
        rows=3,
    ),
    Case(
        STITCHED,
        "every stitched event's entity exists",
        f"delete from kind.entities as r where r.key_id = {ANNAS}",  # noqa: S608
    ),
    Case(
        STITCHED,
        "every event belongs to the owner of its anchor",
        f"insert into kind.entity_map (identifier_id, entity_id) select {ANNAS}, m.entity_id "  # noqa: S608
        f"from kind.entity_map as m where m.identifier_id = {BERTS}",
        rows=2,
    ),
]


@pytest.fixture(scope="module")
def prepared(engine: engines.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder in which three events were worked out."""
    folder = tmp_path_factory.mktemp(f"prepared-{engine.name}")
    with open_pipeline(folder, project()) as pipeline:
        pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*BASE))
        pipeline.run(until=STITCHED)
    return folder


@pytest.fixture
def pipeline(prepared: Path, tmp_path: Path) -> Iterator[Pipeline]:
    """Return a pipeline of the test's own over the prepared folder."""
    folder = engines.current().copy(prepared, tmp_path / "project")
    with open_pipeline(folder, project()) as opened:
        yield opened


def test_every_invariant_has_a_world_in_which_it_does_not_hold(pipeline: Pipeline) -> None:
    specs = [customer_events_spec(pipeline.project)]
    specs += [spec(pipeline.project, "customer") for spec, _ in STAGES_OF_A_KIND]
    declared = [(spec.asset, invariant) for spec in specs for invariant in spec.invariants if spec.asset in STAGES]
    assert sorted(declared) == sorted((case.stage, case.invariant) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_broken_invariant_publishes_nothing_and_is_told(pipeline: Pipeline, case: Case) -> None:
    for place, rows in case.lands.items():
        pipeline.write(place, lines(*rows))
    if case.stage != EVENTS:
        pipeline.run(until=STAGES[STAGES.index(case.stage) - 1])
    if case.within is None:
        assert pipeline.execute(case.damage) > 0

    before = pipeline.dump(without=("metrics",))
    within = nullcontext() if case.within is None else each_statement(damage_after(case))
    with within, pytest.raises(InvariantError) as caught:
        pipeline.run(until=case.stage)
    assert caught.value.stage == case.stage
    assert caught.value.broken[case.invariant] == case.rows
    assert f"{case.stage} was not published" in str(caught.value)
    assert case.invariant in str(caught.value)
    assert pipeline.dump(without=("metrics",)) == before

    told = pipeline.query("select m.metric, m.value from cdp.metrics as m where m.run = :run and m.stage = :stage",
                          run=pipeline.last_run, stage=case.stage)  # fmt: skip
    assert (f"broken {case.invariant}", case.rows) in told
    if case.healed:
        pipeline.run(full=True, until=case.stage)


def damage_after(case: Case) -> Any:
    """Return what does the damage after the statement that the case names."""

    def damage(work: Work, name: str) -> None:
        if name == case.within:
            statement = parsed(case.damage).bind(work.spec.schemas)
            assert work.connection.run(statement) > 0

    return damage

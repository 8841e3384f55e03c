"""Random histories with limits, hubs, shared devices, decisions and identity maps: all tables equal the oracle's.

A failure names its seed. `CDP_TEST_SEED=…` tries other histories, `CDP_TEST_LIMITED_HISTORIES=1000` more of them.
"""

import os
from pathlib import Path

import pytest

from cdp_pipeline_tests.engines import shared_out
from cdp_pipeline_tests.oracle.events import Step
from cdp_pipeline_tests.oracle.histories import Cut, deliveries, final_content, to_history
from cdp_pipeline_tests.oracle.simulation import ALL, EVENTS, MAPS, simulate
from cdp_pipeline_tests.oracle.worlds import LIMITED_SHAPES
from cdp_pipeline_tests.pipeline.comparison import check_equal, expected, facts_by_group, published
from cdp_pipeline_tests.pipeline.driver import open_pipeline
from cdp_pipeline_tests.pipeline.limited import limited_history, make_maps, project_of, run_limited_cut
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

MANY = int(os.environ.get("CDP_TEST_LIMITED_HISTORIES", "8"))
FEW = max(1, MANY // 8)
# The stages after which a run may stop, and how far it has come then.
STAGES = {
    "cdp/customer_events": EVENTS,
    "customer/event_identifiers": EVENTS,
    "customer/identity_maps": MAPS,
    "customer/identity_graph": MAPS,
    "customer/entity_map": ALL,
    "customer/stitched_events": ALL,
}


@pytest.mark.parametrize(
    ("engine", "number"), shared_out(MANY, len(LIMITED_SHAPES)), indirect=["engine"], scope="module"
)
def test_every_table_equals_the_oracle_after_every_cut(tmp_path: Path, seed: int, number: int) -> None:
    _, shape, cuts, where = limited_history(seed, number)
    with open_pipeline(tmp_path, project_of(shape.kind)) as pipeline:
        make_maps(pipeline, shape.kind)
        for place, (cut, state) in enumerate(zip(cuts, simulate(to_history(cuts), shape.kind), strict=True)):
            run_limited_cut(pipeline, shape.kind, cut)
            check_equal(published(pipeline, shape.kind), expected(state), f"{where}, cut {place}")
            assert facts_by_group(pipeline, shape.kind) == state.facts_by_group, f"{where}, cut {place}"
        check_full_run(pipeline, where, proof=True)


@pytest.mark.parametrize("number", range(FEW))
def test_run_that_stops_between_stages_loses_and_repeats_nothing(tmp_path: Path, seed: int, number: int) -> None:
    rng, shape, cuts, where = limited_history(seed, 40_000 + number)
    stops = [*rng.choices((*STAGES, None), k=len(cuts) - 1), None]
    with open_pipeline(tmp_path, project_of(shape.kind)) as pipeline:
        make_maps(pipeline, shape.kind)
        for cut, stop in zip(cuts, stops, strict=True):
            run_limited_cut(pipeline, shape.kind, cut, until=stop)
        reached = [ALL if stop is None else STAGES[stop] for stop in stops]
        *_, wanted = simulate(to_history(cuts), shape.kind, reached=reached)
        check_equal(published(pipeline, shape.kind), expected(wanted), f"{where}, stops {stops}")
        assert facts_by_group(pipeline, shape.kind) == wanted.facts_by_group, where


@pytest.mark.parametrize("number", range(FEW))
def test_same_content_gives_the_same_groups_however_it_is_delivered(tmp_path: Path, seed: int, number: int) -> None:
    """What operators decided and the maps hold at last comes after all files, in a run of its own."""
    rng, shape, cuts, where = limited_history(seed, 50_000 + number)
    decisions = tuple(decision for cut in cuts for decision in cut.decisions)
    tables = next((cut.maps for cut in reversed(cuts) if cut.maps is not None), None)
    for name, delivery in deliveries(final_content(cuts), rng).items():
        history = [*to_history(delivery), Step({}, decisions=decisions, maps=tables)]
        wanted = simulate(history, shape.kind)[-1]
        with open_pipeline(tmp_path / name, project_of(shape.kind)) as pipeline:
            make_maps(pipeline, shape.kind)
            for cut in (*delivery, Cut({}, decisions=decisions, maps=tables)):
                run_limited_cut(pipeline, shape.kind, cut)
            check_equal(published(pipeline, shape.kind), expected(wanted), f"{where}, {name}")
            assert facts_by_group(pipeline, shape.kind) == wanted.facts_by_group, f"{where}, {name}"

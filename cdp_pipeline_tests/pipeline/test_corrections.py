"""Random histories of everything: files, corrections, deletions, decisions, maps, erasures and changed rules.

After every cut an incremental run left exactly what a full one leaves; at the end everything is landed again from the
files, and it is the same, without those who were erased. A failure names its seed; `CDP_TEST_CORRECTIONS=200` tries
more.
"""

import os
import random
from pathlib import Path

import pytest

from cdp_pipeline.events.landing import Days
from cdp_pipeline.operations.erase import erase
from cdp_pipeline.operations.receipts import broken_receipts, list_receipts
from cdp_pipeline.operations.search import search_everywhere
from cdp_pipeline.operations.session import Session
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.pipeline.comparison import facts_by_group
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline
from cdp_pipeline_tests.pipeline.limited import limited_history, make_maps, project_of, run_limited_cut
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

MANY = int(os.environ.get("CDP_TEST_CORRECTIONS", "1"))
IN_USE = "select i.identifier_type, i.value, i.identifier_id from kind.identifiers as i order by i.identifier_id"


@pytest.mark.parametrize("number", range(MANY))
def test_an_incremental_run_leaves_what_a_full_one_does_whatever_happened(
    tmp_path: Path, seed: int, number: int
) -> None:
    rng, shape, cuts, where = limited_history(seed, 60_000 + number)
    with open_pipeline(tmp_path, project_of(shape.kind)) as pipeline:
        make_maps(pipeline, shape.kind)
        gone: set[str] = set()
        for place, cut in enumerate(cuts):
            if rng.random() < 0.3:
                change_a_rule(pipeline, shape.kind, rng)
            run_limited_cut(pipeline, shape.kind, cut)
            if place % 2:
                gone |= erase_somebody(pipeline, rng)
            check_full_run(pipeline, f"{where}, cut {place}")
        before = facts_by_group(pipeline, shape.kind)
        pipeline.run(Days(pipeline.project.start, pipeline.now.date()), full=True)
        assert facts_by_group(pipeline, shape.kind) == before, f"{where}, landed again"
        in_use = set(pipeline.column("select i.identifier_id from kind.identifiers as i"))
        assert not in_use & gone, where
        assert broken_receipts(list_receipts(pipeline.connection, pipeline.project)) == [], where


def change_a_rule(pipeline: Pipeline, kind: EntityKind, rng: random.Random) -> None:
    """Leave a stitching rule out, or all in."""
    text = project_of(kind)
    rules = [line for line in text.splitlines() if "{identifier: " in line]
    left_out = rng.choice([*rules[1:], None])
    pipeline.rewrite(text if left_out is None else text.replace(left_out + "\n", ""))


def erase_somebody(pipeline: Pipeline, rng: random.Random) -> set[str]:
    """Erase a person or an identifier that is in use; returns the ids of the identifiers that are gone for good."""
    in_use = pipeline.query(IN_USE)
    if not in_use:
        return set()
    identifier_type, value, _ = rng.choice(in_use)
    session = Session(pipeline.connection, pipeline.project, pipeline.new_run().run)
    only = rng.random() < 0.5 or not pipeline.query(
        "select m.entity_id from kind.entity_map as m join kind.identifiers as i on i.identifier_id = m.identifier_id "
        "where i.identifier_type = :type and i.value = :value and m.valid_to is null",
        type=identifier_type,
        value=value,
    )
    done = erase(session, f"{identifier_type}:{value}", only_identifier=only, by="test", why="a test")
    erased = [(each.value, each.identifier_id) for each in done.preview.erased]
    assert search_everywhere(pipeline.connection, pipeline.project, erased) == {}
    return {str(identifier_id) for _, identifier_id in erased}

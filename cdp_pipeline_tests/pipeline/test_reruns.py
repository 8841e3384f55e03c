"""Runs again: one that has nothing to do changes no row, and one that was broken off loses and repeats nothing."""

import random
from datetime import date

import pytest

from cdp_pipeline.events.landing import Days
from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.warehouse.stage import Due, Work
from cdp_pipeline_tests.oracle.histories import CUSTOMER, Cut, Shape, random_history, to_history, write_cut
from cdp_pipeline_tests.oracle.simulation import simulate
from cdp_pipeline_tests.pipeline.comparison import check_equal, expected, published
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline, each_statement
from cdp_pipeline_tests.pipeline.projects import CUSTOMER as KIND
from cdp_pipeline_tests.pipeline.projects import HISTORIES, WEB, day, lines, project, row

BREAKS_PER_STAGE = 1
ATTRIBUTES = """\
    attributes:
      - {id: visits, type: expression, value: count(*)}
"""


def two_days(pipeline: Pipeline) -> None:
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1, email="anna", cookie="c1"), row(1), "broken", row(2)))
    pipeline.write(f"landing/{day(3)}/web.ndjson", lines(row(3, cookie="c1"), row(4, email="bert", cookie="c2")))


def test_second_run_changes_no_row_of_any_table(start: Start) -> None:
    account = KIND.replace("customer", "account") + ATTRIBUTES
    pipeline = start(project(WEB, KIND + ATTRIBUTES + account))
    two_days(pipeline)
    pipeline.run()
    before = pipeline.dump()
    assert not stages_due(pipeline.connection, pipeline.project)
    facts = pipeline.run()
    assert {each.due for each in facts.values()} == {Due.NOTHING}
    assert pipeline.dump() == before
    pipeline.set_up()
    assert pipeline.dump() == before
    assert {"customer.profiles", "account.profiles", "customer.entity_changes", "cdp.metrics"} < before.keys()


def test_day_that_is_replaced_by_itself_changes_no_event_and_nothing_after_it(start: Start) -> None:
    pipeline = start(project(WEB, KIND + ATTRIBUTES))
    two_days(pipeline)
    pipeline.run()
    of_the_run = ("metrics", "landed_files", "stages", "sequence", "replays")
    before = pipeline.dump(without=of_the_run)
    pipeline.run(Days(date(2026, 2, 2), date(2026, 2, 3)))
    assert pipeline.dump(without=of_the_run) == before


def test_marked_events_are_stitched_again(start: Start) -> None:
    pipeline = start(project())
    two_days(pipeline)
    pipeline.run()
    before = pipeline.dump(without=("stitched",))["customer.stitched_events"]
    pipeline.execute(
        "update kind.stitched_events set stitched = null, entity_id = null where arrived_on = date '2026-02-03'"
    )
    assert stages_due(pipeline.connection, pipeline.project) == ["customer/stitched_events"]
    facts = pipeline.run()
    assert facts["customer/stitched_events"].due is Due.CHANGES
    assert facts["customer/entity_map"].due is Due.NOTHING
    assert pipeline.dump(without=("stitched",))["customer.stitched_events"] == before
    assert pipeline.column("select count(*) from kind.stitched_events as s where s.stitched is null") == [0]


class BrokenOffError(Exception):
    """The stage was broken off."""


def test_stage_that_is_broken_off_leaves_all_as_it_was_and_the_next_run_finishes(start: Start, seed: int) -> None:
    """Each stage of a run is broken off after some of its statements, the last one among them."""
    rng = random.Random(seed)
    *cuts, last = random_history(rng, Shape(cuts=4))
    pipeline = start(HISTORIES)
    for cut in cuts:
        run_cut(pipeline, cut)
    counts = statements_of_each_stage(start, [*cuts, last])
    write_cut(last, pipeline.folder)
    days = Days(*last.interval) if last.replaces else None
    runs = {}
    for stage, count in counts.items():
        before = pipeline.dump()
        for place in {*rng.sample(range(count), BREAKS_PER_STAGE), count - 1}:
            with pytest.raises(BrokenOffError), each_statement(BreakOff(stage, place)):
                pipeline.run(days, until=stage)
            assert pipeline.dump() == before, f"seed {seed}, {stage}, statement {place}"
        pipeline.run(days, until=stage)
        runs[stage] = pipeline.last_run
        # The stages before it are done: what they replaced must not be replaced again.
        days = None
    state = simulate(to_history([*cuts, last]), CUSTOMER)[-1]
    pipeline.last_run = runs["customer/entity_map"]
    check_equal(published(pipeline, CUSTOMER), expected(state), f"seed {seed}")


def run_cut(pipeline: Pipeline, cut: Cut) -> None:
    write_cut(cut, pipeline.folder)
    pipeline.run(Days(*cut.interval) if cut.replaces else None)


def statements_of_each_stage(start: Start, cuts: list[Cut]) -> dict[str, int]:
    """Return how many statements each stage runs in the last cut."""
    pipeline = start(HISTORIES)
    for cut in cuts[:-1]:
        run_cut(pipeline, cut)
    counts: dict[str, int] = {}

    def count(work: Work, _: str) -> None:
        counts[work.spec.asset] = counts.get(work.spec.asset, 0) + 1

    with each_statement(count):
        run_cut(pipeline, cuts[-1])
    return counts


class BreakOff:
    """Raises after one of the statements of a stage."""

    def __init__(self, stage: str, place: int) -> None:
        self.stage = stage
        self.left = place

    def __call__(self, work: Work, name: str) -> None:
        if work.spec.asset == self.stage:
            self.left -= 1
            if self.left < 0:
                raise BrokenOffError(name)

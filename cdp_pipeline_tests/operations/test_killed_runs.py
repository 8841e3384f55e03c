"""`kill -9` at any moment: the next run begins at once, finishes the work, and nothing is lost or done twice."""

import re
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from cdp_pipeline.automation.main_run import RunReport, run_main
from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.tiny import Rows, copy_of, published, quick_folder, run_without_dagster, runs
from cdp_pipeline_tests.engines import Engine
from cdp_pipeline_tests.operations.children import Child, Moment

OF_DAYS = {"cdp.customer_events", "customer.event_identifiers", "customer.identity_graph", "customer.identifiers"}


class Death(NamedTuple):
    """When a run dies, how many events there are by then, and which tables differ from before; None: not looked at."""

    at: Moment
    events: int
    changed: set[str] | None


# A whole `cdp run` costs 10 to 20 CPU seconds, so each engine dies at moments of its own; what a stage has begun is the
# business of the crash test, which needs no Dagster.
DEATHS = {
    "duckdb": {
        "while it maps": Death(Moment("entity_map.record_changes"), 8, OF_DAYS | {"cdp.event_counts"}),
        "before it says that it is done": Death(Moment("runs.end_run"), 8, None),
    },
    "postgresql": {
        "while it calculates profiles": Death(Moment("profiles.insert"), 8, None),
    },
}


@pytest.fixture(scope="module")
def undisturbed(two_days: Path) -> dict[str, Rows]:
    """Return what is published when nothing happens."""
    with quick_folder() as folder:
        project = copy_of(two_days, folder / "tiny")
        run_without_dagster(project)
        return published(project)


def run_now(project: Project) -> tuple[RunReport, list[str]]:
    """Run the main job in this process; what came of it, and what it had to say at once."""
    said: list[str] = []
    return run_main(project, None, None, full=False, listener=lambda *_: None, tell=said.append), said


def statuses(project: Project) -> dict[str, dg.DagsterRunStatus]:
    with instance_of(project) as instance:
        return {record.run_id: record.status for record in instance.get_runs()}


@pytest.mark.parametrize(
    ("engine", "death"),
    [(engine, death) for engine, deaths in DEATHS.items() for death in deaths],
    indirect=["engine"],
    scope="module",
)
def test_the_next_run_finishes_what_a_killed_one_left(
    engine: Engine, death: str, project: Project, folder: Path, undisturbed: dict[str, Rows]
) -> None:
    before = published(project)
    at, events, changed = DEATHS[engine.name][death]
    child = Child(folder, "killed", "run", "--project", str(project.folder), at=at, die=True)
    assert child.end() == -9, child.said

    ((dead, status),) = statuses(project).items()
    assert status is dg.DagsterRunStatus.STARTED
    now = published(project)
    assert len(now["cdp.customer_events"]) == events
    if changed is not None:
        assert {name for name in now if now[name] != before[name]} == changed

    report, said = run_now(project)
    assert report.success
    assert report.run is not None
    assert said == []
    assert published(project) == undisturbed
    assert statuses(project) == {
        dead: dg.DagsterRunStatus.FAILURE,
        report.run: dg.DagsterRunStatus.SUCCESS,
    }
    assert runs(project)[1:] == [(dead, "", "failed"), (report.run, "", "done")]
    assert run_now(project)[0].run is None


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True, scope="module")
def test_whoever_waits_goes_on_when_the_holder_is_killed(
    project: Project, folder: Path, undisturbed: dict[str, Rows]
) -> None:
    words = ("run", "--project", str(project.folder))
    holder = Child(folder, "holder", *words, at=Moment("entity_map.record_changes"))
    holder.wait_until_reached()
    waiter = Child(folder, "waiter", *words)
    waiter.wait_until_it_says("Waiting for the warehouse")
    ((run, _),) = [each for each in statuses(project).items() if each[1] is dg.DagsterRunStatus.STARTED][:1]
    assert re.search(rf"which is held by process \d+, run (\w+ )?{run}, since ", waiter.said)
    holder.kill()
    assert waiter.end() == 0, waiter.said
    assert published(project) == undisturbed
    assert [status for _, _, status in runs(project)] == ["done", "failed", "done"]
    assert statuses(project)[run] is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True, scope="module")
def test_two_at_once_take_turns_and_a_dead_waiter_blocks_nobody(
    project: Project, folder: Path, undisturbed: dict[str, Rows]
) -> None:
    words = ("run", "--project", str(project.folder))
    first = Child(folder, "first", *words, at=Moment("event_identifiers.make_occurrences"))
    first.wait_until_reached()
    dead, second = Child(folder, "dead", *words), Child(folder, "second", *words)
    for waiter in (dead, second):
        waiter.wait_until_it_says("which is held by process ")
    dead.kill()
    assert first.end() == 0, first.said
    assert second.end() == 0, second.said
    assert "Nothing new" in second.said
    assert published(project) == undisturbed
    assert [status for _, _, status in runs(project)] == ["done", "done"]
    (run,) = re.findall("^Run ([0-9a-f-]+) done", first.said, re.MULTILINE)
    assert statuses(project) == {run: dg.DagsterRunStatus.SUCCESS}

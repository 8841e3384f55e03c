"""What Dagster shows of a broken invariant, of a bad health figure, and of other failures."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cdp_pipeline.automation.launch import launch
from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline.errors import InputError, WarehouseBusy
from cdp_pipeline.events.landing import Days, plan_landing
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse import stage as stage_module
from cdp_pipeline.warehouse.assets import check_name
from cdp_pipeline.warehouse.stage import Work
from cdp_pipeline_tests.automation.driver import assets_of, evaluations, run_job, steps, why_failed
from cdp_pipeline_tests.automation.test_definitions import HEALTH, INVARIANTS, LINEAGE
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    SECOND,
    THIRD,
    TINY,
    change,
    copy_of,
    every_row,
    land,
    metrics,
    quick_folder,
    run_without_dagster,
    runs,
    write_tiny,
)

Event = dg.DagsterEventType
# Each stage's main asset and its step, in the order in which they run.
STAGES = {
    "cdp/customer_events": "customer_events",
    "customer/event_identifiers": "customer__event_identifiers",
    "customer/identity_graph": "customer__identity_graph",
    "customer/entity_map": "customer__entity_map",
    "customer/stitched_events": "customer__stitched_events",
    "customer/profiles": "customer__profiles",
}
ORDER = list(STAGES.values())
LOGS = {"cdp.runs", "cdp.metrics"}


@pytest.fixture(scope="module")
def done() -> Iterator[Project]:
    """Return a project whose first two days have run, and whose third lies there."""
    with quick_folder() as folder:
        project = write_tiny(folder, days={day: rows for day, rows in DAYS.items() if day != THIRD})
        run_without_dagster(project)
        land(folder, THIRD, DAYS[THIRD])
        yield project


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def assets_of_steps(project: Project, names: list[str]) -> set[str]:
    """Return the assets that steps write."""
    found = [asset for asset in build_definitions(project).assets or () if isinstance(asset, dg.AssetsDefinition)]
    return {key.to_user_string() for asset in found if asset.op.name in names for key in asset.keys}


@pytest.mark.parametrize("broken", STAGES)
def test_a_broken_invariant_stops_the_run_before_anything_is_published(
    broken: str, done: Project, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each invariant of the stage is said to be broken by another number of rows, the last by none."""
    project = copy_of(done.folder, folder / "tiny")
    before = every_row(project)
    close = stage_module._close
    wanted: dict[str, int] = {}

    def break_invariants(work: Work) -> None:
        if work.spec.asset == broken:
            last = len(work.spec.invariants) - 1
            work.facts.invariants = {name: last - number for number, name in enumerate(work.spec.invariants)}
            wanted.update(work.facts.invariants)
        close(work)

    monkeypatch.setattr(stage_module, "_close", break_invariants)
    result = run_job(project, "run_all", THIRD, instance)

    assert not result.success
    verdicts = {name: told for name, told in evaluations(result).items() if name.startswith(f"{broken}:")}
    assert verdicts == {
        f"{broken}:{check_name(name)}": (not rows, "ERROR", {"rows that break it": rows})
        for name, rows in wanted.items()
    }
    assert set(verdicts) == {name for name in INVARIANTS if name.startswith(f"{broken}:")}
    place = ORDER.index(STAGES[broken])
    written = assets_of_steps(project, ORDER[:place])
    assert assets_of(result) == written
    assert steps(result, Event.STEP_FAILURE) == [ORDER[place]]
    assert steps(result, Event.STEP_UP_FOR_RETRY) == []
    assert steps(result, Event.STEP_SUCCESS) == ORDER[:place]

    reason = why_failed(result)[ORDER[place]]
    assert all(f"{name}: {rows} rows" in reason for name, rows in wanted.items() if rows)
    assert "cdp run --full" in reason
    assert runs(project)[-1] == (result.run_id, "", "failed")
    figures = metrics(project, result.run_id)
    assert {name: figures[broken, f"broken {name}"] for name, rows in wanted.items() if rows} == {
        name: rows for name, rows in wanted.items() if rows
    }
    after = every_row(project)
    for name in {asset.replace("/", ".") for asset in set(LINEAGE) - written} - LOGS:
        assert after.get(name) == before.get(name), name


def test_a_table_changed_by_hand_fails_its_check_until_all_is_calculated_again(
    done: Project, folder: Path, instance: dg.DagsterInstance
) -> None:
    project = copy_of(done.folder, folder / "tiny")
    change(project, "insert into kind.stitched_events select s.* from kind.stitched_events as s")
    result = run_job(project, "run_all", THIRD, instance)
    assert not result.success
    passed, severity, told = evaluations(result)["customer/stitched_events:every_event_once"]
    assert (passed, severity) == (False, "ERROR")
    assert told["rows that break it"] > 0
    assert "customer/profiles" not in assets_of(result)
    assert run_job(project, "rebuild", THIRD, instance).success


def test_what_a_rebuild_gives_in_another_way_is_told_without_values_and_holds_nothing_up(
    done: Project, folder: Path, instance: dg.DagsterInstance
) -> None:
    project = copy_of(done.folder, folder / "tiny")
    file = project.folder / "project.yaml"
    file.write_text(file.read_text().replace("    attributes:", "    checks: {rebuild_share: 1}\n    attributes:"))
    change(project, "update kind.profiles as p set n_events = 70 where p.person_key = 'bob'")
    result = run_job(load_valid_project(project.folder, {}), "run_all", THIRD, instance)
    assert result.success
    passed, severity, told = evaluations(result)["customer/profiles:same_as_rebuild"]
    assert (passed, severity) == (False, "ERROR")
    assert (told["slice"], told["entities"], told["rows that differ"]) == ("1 of 1", 2, 1)
    assert re.fullmatch("- profiles, entity_id [0-9a-f-]{36}: another n_events", told["what differs"])
    assert "cdp run --full" in told["what to do"]
    assert runs(project)[-1][2] == "done"


def test_a_second_run_does_what_a_failed_one_left(
    done: Project, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(done.folder, folder / "tiny")

    def refuse(*_: object, **__: object) -> None:
        raise InputError("the map is out of order today")

    with monkeypatch.context() as patch:
        patch.setattr("cdp_pipeline.identity.entity_map.map_entities", refuse)
        result = run_job(project, "run_all", THIRD, instance)
    assert why_failed(result) == {"customer__entity_map": "the map is out of order today"}
    assert steps(result, Event.STEP_UP_FOR_RETRY) == []
    again = run_job(project, "run_all", THIRD, instance)
    assert again.success
    assert [status for _, _, status in runs(project)] == ["done", "failed", "done"]


def test_only_a_transient_failure_is_tried_again(
    done: Project, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(done.folder, folder / "tiny")
    attempts = []

    def busy_at_first(*arguments: Any) -> Any:
        attempts.append(1)
        if len(attempts) == 1:
            raise WarehouseBusy("somebody reads the file")
        return plan_landing(*arguments)

    monkeypatch.setattr("cdp_pipeline.events.customer_events.plan_landing", busy_at_first)
    result = run_job(project, "run_all", THIRD, instance)
    assert result.success
    assert steps(result, Event.STEP_UP_FOR_RETRY) == ["customer_events"]
    assert len(attempts) == 2


STRICT = TINY.replace("{max_rejected_share: 0.2}", "{max_rejected_share: 0.1, max_duplicate_share: 0.1}").replace(
    "    attributes:",
    "    checks: {min_identified_share: 0.99, max_entity_size: 2, max_null_share: 0.4}\n    attributes:",
)
NEVER_SEEN = "      - {id: nothing, type: first, value: type, events: refund}\n"


def test_bad_health_is_a_warning_with_its_figure_and_blocks_nothing(folder: Path, instance: dg.DagsterInstance) -> None:
    """All health checks fail at once, but for the one attribute that everybody has."""
    project = write_tiny(folder / "strict", STRICT + NEVER_SEEN)
    result = run_job(project, "run_all", SECOND, instance)
    assert result.success
    assert assets_of(result) == {*LINEAGE, "customer/attributes/nothing"}
    found = evaluations(result)
    health = {name: found[name] for name in [*HEALTH, "customer/attributes/nothing:null_share"]}
    assert {severity for _, severity, _ in health.values()} == {"WARN"}
    assert {name: passed for name, (passed, _, _) in health.items()} == {
        "cdp/customer_events:duplicate_share": False,
        "cdp/customer_events:rejected_share": False,
        "customer/attributes/n_events:null_share": True,
        "customer/attributes/nothing:null_share": False,
        "customer/attributes/revenue:null_share": False,
        "customer/entity_map:largest_entity": False,
        "customer/stitched_events:identified_share": False,
    }
    figures = {name: told["value"] for name, (_, _, told) in health.items()}
    assert figures["cdp/customer_events:rejected_share"] == pytest.approx(1 / 9)
    assert figures["customer/entity_map:largest_entity"] == 3
    assert health["customer/stitched_events:identified_share"][2]["expected"] == "at least 0.99"
    assert runs(project)[-1][2] == "done"


def test_a_health_check_that_cannot_run_fails_the_run_and_is_no_verdict(
    done: Project, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(done.folder, folder / "tiny")

    def crash(_: object) -> None:
        raise ZeroDivisionError("no columns")

    monkeypatch.setattr("cdp_pipeline.quality.expectations._validate", crash)
    result = run_job(project, "run_all", THIRD, instance)
    assert not result.success
    assert steps(result, Event.STEP_FAILURE) == ["health"]
    assert not set(HEALTH) & set(evaluations(result))
    assert assets_of(result) == set(LINEAGE)


def test_a_run_that_cannot_open_its_warehouse_says_why(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, job: str) -> None:
        raise WarehouseBusy("a notebook has the file open")

    monkeypatch.setattr("cdp_pipeline.automation.resource.open_session", busy)
    days = Days(SECOND, SECOND)
    launched = launch(project, days=days, replace_days=False, full=False, listener=lambda *_: None, tell=print)
    assert not launched.success
    assert launched.failures == {"The run": "cdp_pipeline.errors.WarehouseBusy: a notebook has the file open"}

"""Runs through Dagster: both jobs, days of arrival, and selections of a few assets."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.driver import (
    Result,
    assets_of,
    evaluations,
    instance_of,
    materialize,
    materialized,
    run_job,
    steps,
)
from cdp_pipeline_tests.automation.test_definitions import HEALTH, INVARIANTS, LINEAGE, PROOF
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    FIRST,
    SECOND,
    THIRD,
    change,
    copy_of,
    every_row,
    land,
    metrics,
    published,
    quick_folder,
    row,
    run_without_dagster,
    runs,
    write_tiny,
)
from cdp_pipeline_tests.engines import Engine

EVENTS, IDENTIFIERS, GRAPH = "cdp/customer_events", "customer/event_identifiers", "customer/identity_graph"
STAGES = ("customer__event_identifiers", "customer__identity_graph", "customer__entity_map",
          "customer__stitched_events", "customer__profiles")  # fmt: skip

pytestmark = pytest.mark.usefixtures("engine")


class Ran(NamedTuple):
    """A project after one run of run_all, filed under the second day."""

    project: Project
    result: Result
    record: dg.DagsterRun
    partitions: set[str]


@pytest.fixture(scope="module")
def ran(engine: Engine) -> Iterator[Ran]:
    with quick_folder() as folder:
        project = write_tiny(folder / "ran")
        with instance_of(project) as instance:
            result = run_job(project, "run_all", SECOND, instance)
            (record,) = instance.get_runs()
            partitions = instance.get_materialized_partitions(dg.AssetKey(EVENTS.split("/")))
        yield Ran(project, result, record, partitions)


@pytest.fixture
def again(ran: Ran, folder: Path) -> Project:
    """Return a copy of the project that ran."""
    return copy_of(ran.project.folder, folder / "again")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def dues(result: Result) -> dict[str, str]:
    """Return what each stage had to do."""
    return {
        asset: metadata.get("due") or metadata["whole run: due"]
        for (asset, _), metadata in materialized(result).items()
        if "due" in metadata or "whole run: due" in metadata
    }


def test_run_all_brings_every_asset_up_to_date(ran: Ran) -> None:
    assert ran.result.success
    assert assets_of(ran.result) == set(LINEAGE)
    verdicts = {name: passed for name, (passed, _, _) in evaluations(ran.result).items()}
    assert verdicts == dict.fromkeys(INVARIANTS + HEALTH + PROOF, True)
    assert steps(ran.result, dg.DagsterEventType.STEP_SUCCESS) == [
        "customer_events",
        *STAGES,
        "metrics",
        "health",
        "same_as_rebuild",
    ]


def test_the_run_is_in_the_instance_and_in_the_warehouse(ran: Ran) -> None:
    assert ran.record.run_id == ran.result.run_id
    assert (ran.record.job_name, ran.record.status) == ("run_all", dg.DagsterRunStatus.SUCCESS)
    assert runs(ran.project) == [(ran.result.run_id, "", "done")]
    stages = {stage for stage, _ in metrics(ran.project, ran.result.run_id)}
    assert stages >= {
        EVENTS,
        IDENTIFIERS,
        GRAPH,
        "customer/entity_map",
        "customer/stitched_events",
        "customer/profiles",
    }


def test_every_table_says_how_many_rows_it_has(ran: Ran) -> None:
    rows = every_row(ran.project)
    told = {asset: metadata for (asset, _), metadata in materialized(ran.result).items()}
    views = {"customer/entity_redirects", "customer/events", "customer/attributes", "customer/resolved_web"}
    alone = {"customer/attributes/n_events", "customer/attributes/revenue"}
    for asset in set(LINEAGE) - views - alone - {EVENTS, IDENTIFIERS, GRAPH}:
        assert told[asset]["dagster/row_count"] == len(rows[asset.replace("/", ".")]), asset
    assert {asset.replace("/", ".") for asset in set(LINEAGE) - alone - {"customer/resolved_web"}} <= set(rows)


def test_profiles_show_the_types_that_the_warehouse_gave_them(ran: Ran, engine: Engine) -> None:
    schema = materialized(ran.result)["customer/profiles", None]["dagster/column_schema"]
    types = {column.name: column.type for column in schema.columns}
    assert list(types) == ["entity_id", "person_key", "n_events", "revenue", "calculated", "valid_at", "modified"]
    own = {"duckdb": ("BIGINT", "DECIMAL(38,9)"), "postgresql": ("bigint", "numeric(38,9)")}
    assert (types["n_events"], types["revenue"]) == own[engine.name]


def test_each_day_has_its_own_figures_on_its_own_partition(ran: Ran) -> None:
    told = materialized(ran.result)
    counts = {
        (asset, str(day)): told[asset, str(day)]["dagster/partition_row_count"]
        for asset in (EVENTS, IDENTIFIERS, GRAPH)
        for day in DAYS
        if (asset, str(day)) in told
    }
    assert counts == {
        (EVENTS, "2026-01-01"): 3, (EVENTS, "2026-01-02"): 3, (EVENTS, "2026-01-03"): 1,
        (IDENTIFIERS, "2026-01-01"): 3, (IDENTIFIERS, "2026-01-02"): 2, (IDENTIFIERS, "2026-01-03"): 1,
        (GRAPH, "2026-01-02"): 4, (GRAPH, "2026-01-03"): 2,
    }  # fmt: skip
    assert told[EVENTS, "2026-01-01"] == {
        "dagster/partition_row_count": 3, "web landed rows": 3, "web events": 3, "web rejected rows": 0,
        "web duplicates": 0,
    }  # fmt: skip
    # The day that the run is filed under shows the whole run's figures too, and says so.
    filed = told[EVENTS, "2026-01-02"]
    assert (filed["web landed rows"], filed["web rejected rows"], filed["web duplicates"]) == (5, 2, 1)
    assert (filed["whole run: landed_rows"], filed["dagster/row_count"]) == (9, 7)
    assert "landed_rows" not in filed
    assert ran.partitions == {"2026-01-01", "2026-01-02", "2026-01-03"}


def last_changes(result: Result) -> list[int]:
    """Return the last change of the map, as the map and the replay tell it."""
    told = materialized(result)
    return [told[f"customer/{table}", None]["to_change"] for table in ("entity_map", "stitched_events")]


def test_run_all_with_nothing_new_changes_no_row(again: Project, instance: dg.DagsterInstance, ran: Ran) -> None:
    before = every_row(again)
    result = run_job(again, "run_all", SECOND, instance)
    assert result.success
    assert last_changes(result) == last_changes(ran.result) == [5, 5]
    assert set(dues(result).values()) == {"nothing"}
    logs = {"cdp.runs", "cdp.metrics"}
    after = every_row(again)
    assert {name: after[name] for name in set(after) - logs} == {name: before[name] for name in set(before) - logs}


def test_a_range_of_days_is_replaced_in_one_run_and_no_other_day(again: Project, instance: dg.DagsterInstance) -> None:
    land(again.folder, FIRST, DAYS[FIRST][:1])
    land(again.folder, SECOND, [])
    land(again.folder, THIRD, [*DAYS[THIRD], row(9, THIRD)])
    result = materialize(again, instance, EVENTS, IDENTIFIERS, GRAPH, days=[FIRST, SECOND])
    assert result.success
    told = materialized(result)
    days = sorted(str(day) for asset, day in told if asset == EVENTS)
    assert days == ["2026-01-01", "2026-01-02"]
    assert [told[EVENTS, day]["dagster/partition_row_count"] for day in days] == [1, 0]
    assert [told[IDENTIFIERS, day]["dagster/partition_row_count"] for day in days] == [1, 0]
    assert [told[GRAPH, day]["dagster/partition_row_count"] for day in days] == [0, 0]
    assert sorted(each[2] for each in published(again)["cdp.customer_events"]) == ["e1", "e7"]
    assert runs(again)[-1] == (result.run_id, "2026-01-01..2026-01-02", "done")
    # What was not selected is due, and the next run does it.
    assert dues(run_job(again, "run_all", THIRD, instance))["customer/entity_map"] == "changes"
    fresh = write_tiny(again.folder / "fresh", days={FIRST: DAYS[FIRST][:1], THIRD: [*DAYS[THIRD], row(9, THIRD)]})
    run_without_dagster(fresh)
    of_days = ("cdp.customer_events", "customer.event_identifiers", "customer.identity_graph", "customer.identifiers")
    here, there = published(again), published(fresh)
    assert {name: here[name] for name in of_days} == {name: there[name] for name in of_days}


def test_rebuild_calculates_all_after_the_events_and_keeps_the_ids(
    again: Project, instance: dg.DagsterInstance
) -> None:
    before = published(again)
    result = run_job(again, "rebuild", THIRD, instance)
    assert result.success
    assert assets_of(result) == set(LINEAGE) - {EVENTS, "cdp/rejected_events", "cdp/event_counts"}
    assert set(dues(result).values()) == {"all"}
    assert published(again) == before


def test_one_attribute_can_be_materialized_alone(again: Project, instance: dg.DagsterInstance) -> None:
    result = materialize(again, instance, "customer/attributes/revenue")
    assert result.success
    assert assets_of(result) == {"customer/attributes/revenue"}
    assert set(evaluations(result)) == {"customer/attributes/revenue:null_share"}


def test_what_depends_on_a_selected_attribute_is_not_skipped(again: Project, instance: dg.DagsterInstance) -> None:
    wanted = ("customer/attributes/revenue", "customer/profiles", "cdp/metrics")
    result = materialize(again, instance, *wanted)
    assert result.success
    assert assets_of(result) == set(wanted)
    assert not steps(result, dg.DagsterEventType.STEP_SKIPPED)


def test_the_events_of_a_day_can_be_materialized_alone(again: Project, instance: dg.DagsterInstance) -> None:
    land(again.folder, FIRST, [])
    result = materialize(again, instance, EVENTS, days=[FIRST])
    assert result.success
    # The event whose duplicate came a day later takes over there, which is told on that day.
    assert set(materialized(result)) == {(EVENTS, "2026-01-01"), (EVENTS, "2026-01-02")}
    assert sorted(each[2] for each in published(again)["cdp.customer_events"]) == ["e1", "e4", "e5", "e6", "e7"]


def test_rejected_rows_alone_land_nothing(again: Project, instance: dg.DagsterInstance) -> None:
    """A backfill of days gives what has no partitions a run of its own, which must not land other days."""
    land(again.folder, THIRD, [])
    before = published(again)
    result = materialize(again, instance, "cdp/rejected_events")
    assert result.success
    assert materialized(result) == {("cdp/rejected_events", None): {"dagster/row_count": 2}}
    assert published(again) == before


def test_the_identifiers_of_a_day_are_worked_out_again_when_asked_for(
    again: Project, instance: dg.DagsterInstance
) -> None:
    result = materialize(again, instance, IDENTIFIERS, days=[SECOND])
    told = materialized(result)
    assert set(told) == {(IDENTIFIERS, "2026-01-02")}
    assert told[IDENTIFIERS, "2026-01-02"]["whole run: events_identified"] == 2
    assert dues(result) == {IDENTIFIERS: "changes"}


@pytest.mark.parametrize("selected", [[GRAPH], [IDENTIFIERS, GRAPH]])
def test_days_that_are_asked_for_make_up_for_what_was_done_by_hand(
    again: Project, instance: dg.DagsterInstance, selected: list[str]
) -> None:
    before = published(again)["customer.identifiers"]
    change(again, "update kind.identifiers as i set events = 7")
    assert materialize(again, instance, *selected, days=[FIRST, SECOND, THIRD]).success
    assert published(again)["customer.identifiers"] == before

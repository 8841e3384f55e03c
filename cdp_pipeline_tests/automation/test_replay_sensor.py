"""The sensor that asks for a replay, and the job: only what no run has replayed is asked for, once."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline_tests.automation.driver import (
    SILENT,
    assets_of,
    instance_of,
    materialized,
    range_tags,
    steps,
)
from cdp_pipeline_tests.automation.test_definitions import ACCOUNT
from cdp_pipeline_tests.automation.ticks import put_run, tick
from cdp_pipeline_tests.automation.tiny import (
    FIRST,
    THIRD,
    TINY,
    land,
    published,
    row,
    run_without_dagster,
    write_tiny,
)

REPLAY = "replay_changes"
DONE: tuple[list[dg.RunRequest], str] = ([], "Every change of the entity map that a run told has been replayed.")
UP_TO_THE_MAP = ("cdp/customer_events", "customer/event_identifiers", "customer/identity_graph",
                 "customer/identifiers", "customer/entity_map", "customer/entity_changes")  # fmt: skip


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    with instance_of(project) as opened:
        yield opened


def tell(instance: dg.DagsterInstance, asset: str, **figures: int) -> None:
    """Tell of a materialization, as a run does."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset.split("/"), metadata=figures))


def test_a_map_ahead_of_its_events_is_replayed_up_to_its_last_change(
    project: Project, instance: dg.DagsterInstance
) -> None:
    assert tick(project, instance, REPLAY)[:2] == DONE
    tell(instance, "customer/entity_map", to_change=7)
    (request,), _, _ = tick(project, instance, REPLAY)
    assert (request.run_key, request.job_name) == ("customer:7", "replay")
    assert tick(project, instance, REPLAY)[0] == [request]  # as after a restart: one key makes one run
    tell(instance, "customer/stitched_events", to_change=6)
    tell(instance, "customer/entity_map", to_change=7)  # it was looked at again and had not changed
    assert tick(project, instance, REPLAY)[0] == [request]
    tell(instance, "customer/stitched_events", to_change=7)
    assert tick(project, instance, REPLAY)[:2] == DONE
    tell(instance, "customer/entity_map")  # by hand in the UI, where nobody says how far it is
    assert tick(project, instance, REPLAY)[:2] == DONE


def test_who_will_replay_or_does_so_is_waited_for(project: Project, instance: dg.DagsterInstance) -> None:
    tell(instance, "customer/entity_map", to_change=7)
    for job, status in (
        ("replay", dg.DagsterRunStatus.NOT_STARTED),
        ("replay", dg.DagsterRunStatus.STARTED),
        ("run_all", dg.DagsterRunStatus.STARTED),
        ("rebuild", dg.DagsterRunStatus.STARTED),
    ):
        run = put_run(instance, project, job, status)
        waits: tuple[list[dg.RunRequest], str] = ([], f"Changes are to be replayed; run {run} of {job} is under way.")
        assert tick(project, instance, REPLAY)[:2] == waits
        instance.delete_run(run)
    put_run(instance, project, "plan", dg.DagsterRunStatus.STARTED)
    put_run(instance, project, "replay", dg.DagsterRunStatus.STARTED, dead=True)
    assert len(tick(project, instance, REPLAY)[0]) == 1


def test_kinds_are_replayed_together_and_a_key_names_only_those_that_changed(folder: Path, home: Path) -> None:
    shutil.copytree(home, folder / ".dagster")
    project = write_tiny(folder, TINY + ACCOUNT, {})
    with instance_of(project) as instance:
        tell(instance, "customer/entity_map", to_change=7)
        tell(instance, "account/entity_map", to_change=2)
        assert tick(project, instance, REPLAY)[0][0].run_key == "customer:7,account:2"
        tell(instance, "customer/stitched_events", to_change=7)
        assert tick(project, instance, REPLAY)[0][0].run_key == "account:2"


def test_a_map_that_is_made_alone_after_a_late_log_in(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the map's own run is at work it may go on to replay; once it has ended, nobody else will."""
    monkeypatch.setitem(sys.modules, "great_expectations", None)  # it takes seconds to import, and is not the matter
    land(project.folder, THIRD, [])
    run_without_dagster(project)
    assert owners(project)["e2"] == "b"
    land(project.folder, THIRD, [row(7, FIRST, cookie="b", email="ann")])
    run_id, answers = str(uuid4()), []

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.is_step_success and event.step_key == "customer__entity_map":
            answers.append(tick(project, instance, REPLAY)[:2])

    instance.add_event_listener(run_id, listen)
    made = build_definitions(project).resolve_implicit_global_asset_job_def().execute_in_process(
        run_config=SILENT, instance=instance, run_id=run_id, tags=range_tags([THIRD]),
        asset_selection=[dg.AssetKey(key.split("/")) for key in UP_TO_THE_MAP],
    )  # fmt: skip
    assert made.success
    assert answers == [([], f"Changes are to be replayed; run {run_id} of {made.job_def.name} is under way.")]
    change = materialized(made)[("customer/entity_map", None)]["to_change"]
    (request,), _, _ = tick(project, instance, REPLAY)
    assert request.run_key == f"customer:{change}"
    assert owners(project)["e2"] == "b"  # of before

    replay = build_definitions(project).resolve_job_def("replay")
    done = replay.execute_in_process(run_config=SILENT, instance=instance)
    assert steps(done, dg.DagsterEventType.STEP_SUCCESS)[:2] == ["customer__stitched_events", "customer__profiles"]
    assert {"customer/profiles", "customer/replays", "customer/events", "cdp/metrics"} <= assets_of(done)
    told = materialized(done)[("customer/stitched_events", None)]
    assert (told["to_change"], told["events_rekeyed"]) == (change, 1)
    assert owners(project)["e2"] == "ann"
    assert tick(project, instance, REPLAY)[:2] == DONE


def owners(project: Project) -> dict[str, str]:
    """Return each event's person, by the event's own id."""
    return {each[2]: each[-1] for each in published(project)["customer.events"]}

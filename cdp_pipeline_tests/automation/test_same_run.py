"""A run that `cdp` starts and one that Dagster starts are the same run."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from cdp_pipeline.automation.launch import open_instance
from cdp_pipeline.automation.main_run import run_main
from cdp_pipeline.automation.resource import HOST_TAG, PROCESS_TAG, RUN_TAG, WAREHOUSE_TAG, fail_dead_runs, process_mark
from cdp_pipeline_tests.automation.driver import instance_of, run_job
from cdp_pipeline_tests.automation.tiny import FIRST, THIRD, TINY, published, runs, write_tiny

Event = dg.DagsterEventType
TOLD = {
    Event.STEP_START,
    Event.STEP_SUCCESS,
    Event.ASSET_MATERIALIZATION,
    Event.ASSET_CHECK_EVALUATION,
    Event.RUN_SUCCESS,
}


def test_cdp_and_dagster_run_the_same_job_to_the_same_tables(folder: Path, home: Path) -> None:
    shutil.copytree(home, folder / "cdp" / ".dagster")
    by_cdp, by_dagster = write_tiny(folder / "cdp"), write_tiny(folder / "dagster")
    report = run_main(by_cdp, None, None, full=False, listener=lambda *_: None, tell=print)
    assert report.success
    with instance_of(by_cdp) as instance:
        result = run_job(by_dagster, "run_all", THIRD, instance)
        records = {record.run_id: record for record in instance.get_runs()}
        told = {run: events_of(instance, run) for run in records}
    assert published(by_cdp) == published(by_dagster)
    ours = report.run or ""
    assert set(records) == {ours, result.run_id}
    assert {(run.job_name, run.status) for run in records.values()} == {("run_all", dg.DagsterRunStatus.SUCCESS)}
    assert records[ours].run_config["ops"] == records[result.run_id].run_config["ops"]
    assert told[ours] == told[result.run_id]
    assert [status for _, _, status in runs(by_cdp) + runs(by_dagster)] == ["done", "done"]


def events_of(instance: dg.DagsterInstance, run: str) -> list[tuple[Any, ...]]:
    """Return what happened in a run, but for how its process and resources came up."""
    entries = [entry.dagster_event for entry in instance.all_logs(run)]
    wanted = [event for event in entries if event is not None and event.event_type in TOLD]
    return [(event.event_type, event.step_key, event.asset_key, event.partition) for event in wanted]


def test_without_dagster_home_the_runs_are_kept_in_the_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = write_tiny(folder / "here", days={}), write_tiny(folder / "there", days={})
    for project in (here, there):
        with open_instance(project) as instance:
            assert Path(instance.root_directory) == project.folder / ".dagster"
            assert not instance.telemetry_enabled
    assert "DAGSTER_HOME" not in os.environ
    monkeypatch.setenv("DAGSTER_HOME", str(here.folder / ".dagster"))
    with open_instance(there) as instance:
        assert Path(instance.root_directory) == here.folder / ".dagster"


def test_runs_whose_process_is_gone_are_marked_failed_and_no_others(folder: Path) -> None:
    """A number that another process has, no process, ourselves, another warehouse or host, a run tried again."""
    project = write_tiny(folder, TINY, {FIRST: []})
    own = process_mark(os.getpid())
    assert own is not None
    gone = "4194303:7"
    marks = {"taken": f"{os.getpid()}:1", "gone": gone, "ours": own, "elsewhere": gone, "far": gone, "again": gone}
    job = dg.GraphDefinition(name="anything", node_defs=[]).to_job()
    with dg.DagsterInstance.ephemeral() as instance:
        ids = {}
        for name, mark in marks.items():
            warehouse = "other" if name == "elsewhere" else project.warehouse_name
            host = "another" if name == "far" else socket.gethostname()
            run_id = str(uuid4())
            of_run = "the first" if name == "again" else run_id
            tags = {PROCESS_TAG: mark, WAREHOUSE_TAG: warehouse, HOST_TAG: host, RUN_TAG: of_run}
            started = dg.DagsterRunStatus.STARTED
            run = instance.create_run_for_job(job, run_id=run_id, status=started, tags=tags)
            ids[run.run_id] = name
        dead = fail_dead_runs(instance, project.warehouse_name)
        failed = [run.run_id for run in instance.get_runs() if run.status is dg.DagsterRunStatus.FAILURE]
    assert {ids[run] for run in dead} == {ids[run] for run in failed} == {"taken", "gone"}


def test_a_zombie_is_no_living_process() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        while process_mark(child.pid) is not None:  # it ends, and nobody has asked how yet
            time.sleep(0.01)
        assert Path(f"/proc/{child.pid}").exists() or not Path("/proc/self").exists()
    assert process_mark(child.pid) is None

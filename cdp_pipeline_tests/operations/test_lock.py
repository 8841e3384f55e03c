"""The writer's lock: one at a time, named to those who wait, free when its holder is gone."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from cdp_pipeline.automation.launch import launch
from cdp_pipeline.config.model import Project
from cdp_pipeline.events.landing import Days
from cdp_pipeline.warehouse.lock import Holder, read_holder, writer_lock
from cdp_pipeline.warehouse.opening import lock_path
from cdp_pipeline_tests.automation.tiny import THIRD

_FORK = multiprocessing.get_context("forkserver")


def hold(path: Path, run: str, go: Path) -> None:
    """Hold the lock until a file is there."""
    with writer_lock(path, run, lambda holder: None):
        while not go.exists():
            time.sleep(0.02)


def start_holder(path: Path, run: str, go: Path) -> "multiprocessing.context.ForkServerProcess":
    process = _FORK.Process(target=hold, args=(path, run, go))
    process.start()
    while (holder := read_holder(path)) is None or holder.pid != process.pid:
        assert process.exitcode is None
        time.sleep(0.02)
    return process


def not_waiting(holder: Holder | None) -> None:
    raise AssertionError(f"had to wait for {holder}")


def test_a_free_lock_is_taken_at_once_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "warehouse.duckdb.lock"
    with writer_lock(path, "run-1", not_waiting) as dead:
        assert dead is None
        holder = read_holder(path)
        assert holder is not None
        assert (holder.pid, holder.run) == (os.getpid(), "run-1")
        assert str(holder) == f"process {os.getpid()}, run run-1, since {holder.since}"
        assert holder.since.endswith("+00:00")
    assert path.read_text() == ""
    with writer_lock(path, "run-2", not_waiting) as dead:
        assert dead is None


def test_the_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), writer_lock(path, "run-1", not_waiting):
        raise ZeroDivisionError
    with writer_lock(path, "run-2", not_waiting) as dead:
        assert dead is None


def test_a_waiter_is_told_once_and_gets_the_lock_when_the_holder_ends(tmp_path: Path) -> None:
    path, go = tmp_path / "lock", tmp_path / "go"
    holder = start_holder(path, "run-1", go)
    told: list[Holder | None] = []

    def waiting(named: Holder | None) -> None:
        told.append(named)
        go.touch()

    with writer_lock(path, "run-2", waiting) as dead:
        assert dead is None
    holder.join()
    assert [(named.pid, named.run) for named in told if named] == [(holder.pid, "run-1")]


def test_a_killed_holder_frees_the_lock_and_is_known_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = start_holder(path, "run-1", tmp_path / "never")
    holder.kill()
    holder.join()
    with writer_lock(path, "run-2", not_waiting) as dead:
        assert dead is not None
        assert (dead.pid, dead.run) == (holder.pid, "run-1")
    with writer_lock(path, "run-3", not_waiting) as dead:
        assert dead is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', json.dumps({"pid": 1, "run": "a", "since": "b", "x": 1})]
)
def test_a_text_that_names_nobody_is_no_holder(text: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(text)
    assert read_holder(path) is None
    with writer_lock(path, "run-1", not_waiting) as dead:
        assert dead is None
    assert read_holder(tmp_path / "missing") is None


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_a_dagster_run_that_has_to_wait_tells_the_terminal_too(project: Project, folder: Path) -> None:
    """Between the look for work and the run, somebody else took the lock."""
    go = folder / "go"
    holder = start_holder(lock_path(project.warehouse, project.folder), "another-run", go)
    told = []

    def tell(message: str) -> None:
        told.append(message)
        go.touch()

    days = Days(THIRD, THIRD)
    launched = launch(project, days=days, replace_days=False, full=False, listener=lambda *_: None, tell=tell)
    holder.join()
    assert launched.success
    assert [message.partition(", since")[0] for message in told] == [
        f"Waiting for the warehouse, which is held by process {holder.pid}, run another-run"
    ]

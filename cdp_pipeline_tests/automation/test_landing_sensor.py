"""The sensor of a landing folder: what is new, changed or there again requests the main run, and nothing else does."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdp_pipeline.automation import requests
from cdp_pipeline.automation.landing_state import new_spans, packed, state_of, unpacked
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.files import LandingFile
from cdp_pipeline.operations.session import open_session
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.ticks import age, put_run, tick
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, THIRD, TINY, land, landing_file, write_tiny

WEB = "landing_web"


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    age(project.folder)
    with instance_of(project) as opened:
        yield opened


def days_asked(asked: list[dg.RunRequest]) -> str:
    (request,) = asked
    return request.tags["cdp/days"]


def test_the_first_look_asks_for_all_that_lies_there_and_the_next_for_nothing(
    project: Project, instance: dg.DagsterInstance
) -> None:
    (request,), _, cursor = tick(project, instance, WEB)
    assert (request.job_name, request.partition_key) == ("run_all", "2026-01-03")
    assert request.run_config == {"ops": {"customer_events": {"config": {"replace_days": False}}}}
    assert request.tags["cdp/source"] == "web"
    assert request.tags["cdp/days"] == "2026-01-01, 2026-01-02, 2026-01-03"
    assert tick(project, instance, WEB)[0] == [request]  # a daemon that died before it kept the cursor
    asked, why, after = tick(project, instance, WEB, cursor)
    assert (asked, why, after) == ([], "Nothing new under landing/web/{day}/* (3 files).", cursor)
    assert tick(project, instance, WEB, "spoilt by hand")[0] == [request]


def test_only_the_days_on_which_something_is_new_or_changed_are_told(
    project: Project, instance: dg.DagsterInstance
) -> None:
    _, _, cursor = tick(project, instance, WEB)
    land(project.folder, SECOND, DAYS[SECOND][:1])
    age(project.folder)
    changed, _, cursor = tick(project, instance, WEB, cursor)
    assert (days_asked(changed), changed[0].partition_key) == ("2026-01-02", "2026-01-02")
    moved = landing_file(project.folder, FIRST).rename(landing_file(project.folder, FIRST).with_name("more.ndjson"))
    shutil.copy2(moved, landing_file(project.folder, THIRD).with_name("old.ndjson"))  # keeps its time of long ago
    named_anew, _, cursor = tick(project, instance, WEB, cursor)
    assert (days_asked(named_anew), named_anew[0].partition_key) == ("2026-01-01, 2026-01-03", "2026-01-03")
    assert tick(project, instance, WEB, cursor)[0] == []


def test_a_file_that_went_requests_nothing_and_one_that_is_there_again_does(
    project: Project, instance: dg.DagsterInstance
) -> None:
    first, _, cursor = tick(project, instance, WEB)
    file, place = landing_file(project.folder, SECOND), project.folder / "elsewhere"
    shutil.copy2(file, file.with_name("second.ndjson"))
    both, _, cursor = tick(project, instance, WEB, cursor)
    assert days_asked(both) == "2026-01-02"
    file.rename(place)
    asked, why, cursor = tick(project, instance, WEB, cursor)
    assert (asked, why) == ([], "Nothing new under landing/web/{day}/* (3 files).")
    place.rename(file)
    again, _, cursor = tick(project, instance, WEB, cursor)
    assert days_asked(again) == "2026-01-02"
    assert len({asked[0].run_key for asked in (first, both, again)}) == 3
    shutil.rmtree(file.parent)
    assert tick(project, instance, WEB, cursor)[0] == []


def test_a_file_that_is_being_written_waits_for_the_next_look(project: Project, instance: dg.DagsterInstance) -> None:
    _, _, cursor = tick(project, instance, WEB)
    land(project.folder, SECOND, DAYS[SECOND][:1])
    asked, why, cursor = tick(project, instance, WEB, cursor)
    assert (asked, why) == ([], "1 of 3 files were changed just now, and wait.")
    age(project.folder)
    asked, _, cursor = tick(project, instance, WEB, cursor)
    assert days_asked(asked) == "2026-01-02"
    ahead = time.time() + 3600  # the clock of whoever wrote it is wrong
    os.utime(landing_file(project.folder, THIRD), (ahead, ahead))
    assert days_asked(tick(project, instance, WEB, cursor)[0]) == "2026-01-03"


def test_a_day_that_has_not_come_waits_and_one_before_the_start_is_filed_under_it(folder: Path, home: Path) -> None:
    shutil.copytree(home, folder / ".dagster")
    today = datetime.now(UTC).date()
    month = timedelta(days=30)  # so that it makes no difference whether the day ends within the test
    start = today - month
    text = TINY.replace("start: 2026-01-01\nend: 2026-01-03", f"start: {start}")
    project = write_tiny(folder, text, {today + month: DAYS[FIRST]})
    age(folder)
    with instance_of(project) as instance:
        asked, why, cursor = tick(project, instance, WEB)
        assert (asked, why) == ([], "Nothing new under landing/web/{day}/* (0 files).")
        land(folder, start - timedelta(days=40), [])
        age(folder)
        (early,), _, _ = tick(project, instance, WEB, cursor)
    assert early.partition_key == str(start)  # the run says what is wrong with it
    assert early.tags["cdp/days"] in (f"{start - timedelta(days=40)}", f"{start - timedelta(days=40)}"[:7])


def test_a_folder_that_cannot_be_read_is_told(project: Project, instance: dg.DagsterInstance) -> None:
    (project.folder / "landing/web/2026-1-4").mkdir()
    (project.folder / "landing/web/2026-1-4/a.ndjson").touch()
    with pytest.raises(InputError, match="`2026-1-4` stands where the day of arrival should be"):
        tick(project, instance, WEB)


def test_it_waits_for_the_run_that_it_asked_for_unless_that_is_dead(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, cursor = tick(project, instance, WEB)
    land(project.folder, SECOND, [])
    age(project.folder)
    of_another_sensor = put_run(instance, project, "run_all", dg.DagsterRunStatus.STARTED, sensor="landing_other")
    for status in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED):
        run = put_run(instance, project, "run_all", status, sensor=WEB)
        asked, why, after = tick(project, instance, WEB, cursor)
        assert (asked, why) == ([], f"Something is new, and waits until run {run} has ended.")
        assert after in (None, cursor)
        instance.delete_run(run)
    dead = put_run(instance, project, "run_all", dg.DagsterRunStatus.STARTED, sensor=WEB, dead=True)
    assert days_asked(tick(project, instance, WEB, cursor)[0]) == "2026-01-02"
    states = {run.run_id: run.status for run in instance.get_runs()}
    assert states == {dead: dg.DagsterRunStatus.FAILURE, of_another_sensor: dg.DagsterRunStatus.STARTED}
    put_run(instance, project, "run_all", dg.DagsterRunStatus.NOT_STARTED, sensor=WEB)
    monkeypatch.setattr(requests, "_SECONDS_TO_BEGIN", 0)  # it has had its time, and never opened the warehouse
    assert days_asked(tick(project, instance, WEB, cursor)[0]) == "2026-01-02"


def test_it_never_opens_the_warehouse(project: Project, instance: dg.DagsterInstance) -> None:
    """A run has it, and nobody may wait for that; and a sensor does not make it."""
    _, _, cursor = tick(project, instance, WEB)
    assert not (project.folder / "warehouse.duckdb").exists()
    land(project.folder, SECOND, [])
    age(project.folder)
    with open_session(project, "another", lambda holder: None):
        assert days_asked(tick(project, instance, WEB, cursor)[0]) == "2026-01-02"


def files(days: int, per_day: int, today: date) -> list[LandingFile]:
    return [
        LandingFile(f"landing/web/{day}/{number}.ndjson", Path("a"), day, number * 100, 1.7e9 + number)
        for day in (today - timedelta(days=back) for back in range(days))
        for number in range(per_day)
    ]


@pytest.mark.parametrize(("days", "per_day"), [(1, 10_000), (60, 166), (100, 100), (1_000, 10), (2_500, 4)])
def test_what_is_remembered_of_many_files_is_small(days: int, per_day: int) -> None:
    today = date(2026, 5, 17)
    state = state_of(files(days, per_day, today), today)
    text = packed(state)
    assert len(text) < 8_000
    assert unpacked(text) == state


def test_days_become_months_and_what_changed_before_or_then_is_found() -> None:
    may, june = date(2026, 5, 31), date(2026, 6, 1)
    lying = files(100, 3, may)
    before = state_of(lying, may)
    assert {"2026-04-01", "2026-03"} <= set(before)
    assert "2026-04" in state_of(lying, june)
    assert new_spans(before, state_of(lying, june), june) == []
    assert new_spans(before, state_of(lying[:-5], june), june) == []
    grown = LandingFile(lying[150].place, Path("a"), lying[150].day, 7, 1.7e9)
    assert str(grown.day) == "2026-04-11"
    changed = [*lying[:150], grown, *lying[151:]]
    assert new_spans(before, state_of(changed, may), may) == ["2026-04-11"]
    assert new_spans(before, state_of(changed[:-5], june), june) == ["2026-04"]


def test_fewer_files_of_which_one_is_new_are_something_new() -> None:
    """Somebody puts the small files of a day together into one."""
    today = date(2026, 5, 17)
    small = files(1, 5, today)
    before = state_of(small, today)
    assert new_spans(before, state_of(small[2:], today), today) == []
    together = LandingFile("landing/web/together.ndjson", Path("a"), today, 1_000, 1.7e9)
    assert new_spans(before, state_of([*small[:2], together], today), today) == ["2026-05-17"]

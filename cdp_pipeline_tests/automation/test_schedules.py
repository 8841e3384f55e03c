"""What runs by itself: which sensors and schedules a project has, that they are on, and what the schedule asks for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.test_definitions import ACCOUNT
from cdp_pipeline_tests.automation.test_table_sensor import WITH_TABLE
from cdp_pipeline_tests.automation.tiny import TINY, quick_folder, write_tiny
from cdp_pipeline_tests.config.test_automation import GAPS

MANY = TINY + ACCOUNT


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def load(place: Path, text: str) -> tuple[Project, dg.RepositoryDefinition]:
    project = write_tiny(place, text, {})
    return project, build_definitions(project).get_repository_def()


def late_after(place: Path, text: str) -> dict[str, timedelta]:
    """Return after how long assets are late."""
    specs = build_definitions(write_tiny(place, text, {})).resolve_all_asset_specs()
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in specs}
    return {
        name: policy.fail_window.to_timedelta()
        for name, policy in policies.items()
        if policy is not None and hasattr(policy, "fail_window")
    }


def test_all_is_there_and_on_unless_the_project_says_otherwise(place: Path) -> None:
    _, loaded = load(place, TINY)
    sensors = {sensor.name: sensor for sensor in loaded.sensor_defs}
    assert set(sensors) == {"landing_web", "replay_changes"}
    assert {sensor.default_status for sensor in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert all(sensor.description for sensor in sensors.values())
    (schedule,) = loaded.schedule_defs
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "UTC")

    _, off = load(place, f"automation: {{run: off, replay: off}}\n{TINY}")
    assert [sensor.name for sensor in off.sensor_defs] == ["landing_web"]
    assert list(off.schedule_defs) == []


def test_context_values_are_renewed_each_night_where_there_are_any(place: Path) -> None:
    context = "    context: [{key: usual, query: 'select avg(p.n_events) from profiles as p'}]\n"
    _, loaded = load(place, TINY + context)
    told = {schedule.name: (schedule.cron_schedule, schedule.job_name) for schedule in loaded.schedule_defs}
    assert told == {
        "scheduled_run": ("0 3 * * *", "run_all"),
        "scheduled_context": ("0 2 * * *", "refresh_context"),
    }
    _, off = load(place, f"automation: {{context: off}}\n{TINY}{context}")
    assert [schedule.name for schedule in off.schedule_defs] == ["scheduled_run"]


def test_the_interval_of_the_replay_is_the_projects(place: Path) -> None:
    _, loaded = load(place, f"automation: {{replay: {{every: 15m}}}}\n{TINY}")
    assert loaded.get_sensor_def("replay_changes").minimum_interval_seconds == 900


def test_a_table_has_a_sensor_only_where_it_can_be_read_beside_a_run(place: Path) -> None:
    _, on_duckdb = load(place, WITH_TABLE)
    assert "landing_crm" not in {sensor.name for sensor in on_duckdb.sensor_defs}
    _, on_a_server = load(place, WITH_TABLE.replace("duckdb:///warehouse.duckdb", "postgresql://nobody@127.0.0.1/none"))
    assert {"landing_crm", "landing_web"} <= {sensor.name for sensor in on_a_server.sensor_defs}


@pytest.mark.parametrize("expression", GAPS)
def test_dagster_takes_every_cron_expression_that_we_take(place: Path, expression: str) -> None:
    _, loaded = load(place, f"automation: {{run: '{expression}'}}\n{TINY}")
    assert [schedule.cron_schedule for schedule in loaded.schedule_defs] == [expression]


def test_the_schedule_asks_for_the_main_run_and_files_it_under_the_last_day(
    folder: Path, home: Path, project: Project
) -> None:
    with instance_of(project) as instance:
        for text, partition, why in (
            (TINY, "2026-01-03", None),
            (TINY.replace("end: 2026-01-03\n", ""), str(datetime.now(UTC).date()), None),
            (TINY.replace("2026-01-0", "9998-01-0"), None, "The project starts on 9998-01-01."),
        ):
            _, loaded = load(folder / "other", text)
            with dg.build_schedule_context(instance, datetime.now(UTC), repository_def=loaded) as context:
                told = loaded.get_schedule_def("scheduled_run").evaluate_tick(context)
            assert told.skip_message == why
            assert [(each.job_name, each.partition_key) for each in told.run_requests or ()] == (
                [("run_all", partition)] if partition else []
            )


def test_profiles_are_late_when_a_scheduled_run_did_not_come(place: Path) -> None:
    assert late_after(place, MANY) == dict.fromkeys(("customer/profiles", "account/profiles"), timedelta(hours=25))
    on_workdays = late_after(place, f"automation: {{run: '0 3 * * mon-fri'}}\n{TINY}")
    assert on_workdays == {"customer/profiles": timedelta(hours=73)}
    assert late_after(place, f"automation: {{run: off}}\n{TINY}") == {}

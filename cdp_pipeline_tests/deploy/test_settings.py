"""dagster.yaml of the deployment with a real server: it loads, it stores runs there, and it says what is missing."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from cdp_pipeline_tests.automation.processes import run
from cdp_pipeline_tests.automation.tiny import quick_folder
from cdp_pipeline_tests.deploy.stack import DEPLOY, Stack
from cdp_pipeline_tests.postgres_server import PostgresServer

SETTINGS = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
VARIABLES = re.findall(r"\{env: (\w+)\}", (DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def home(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a Dagster home with the settings, in an environment as the webserver's."""
    with quick_folder() as folder:
        stack = Stack(server, folder, folder)
        for name, value in stack.environment("webserver").items():
            monkeypatch.setenv(name, value)
        shutil.copyfile(DEPLOY / "dagster.yaml", folder / "dagster.yaml")
        yield folder


def test_it_says_what_a_team_needs(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_start_timeout_seconds == 300
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 1
        assert not instance.run_retries_retry_on_asset_or_op_failure
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 4
    assert queue.tag_concurrency_limits == [{"key": "dagster/backfill", "limit": 1}]
    assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay == 3600
    assert "pools" not in SETTINGS["concurrency"]
    assert set(SETTINGS["retention"]) == {"schedule", "sensor", "auto_materialize"}
    for ticks in SETTINGS["retention"].values():
        assert all(days > 0 for days in ticks["purge_after_days"].values())
        assert len(ticks["purge_after_days"]) == 4


def test_all_that_differs_from_place_to_place_comes_from_the_environment() -> None:
    address = dict(SETTINGS["storage"]["postgres"]["postgres_db"])
    assert address.pop("scheme") == "postgresql+psycopg2"
    assert [set(value) for value in address.values()] == [{"env"}] * 5
    assert {value["env"] for value in address.values()} == set(VARIABLES)


def test_it_agrees_with_the_settings_for_one_person() -> None:
    alone = yaml.safe_load((DEPLOY.parent / "dagster.yaml").read_text(encoding="utf-8"))
    for part in ("telemetry", "nux", "python_logs"):
        assert SETTINGS[part] == alone[part]
    shared = SETTINGS["concurrency"]["runs"]["max_concurrent_runs"]
    assert shared == alone["concurrency"]["runs"]["max_concurrent_runs"]


def test_runs_are_stored_in_the_servers_database(home: Path, server: PostgresServer) -> None:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def little() -> None:
        nothing()

    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = little.execute_in_process(instance=instance)
        assert [record.run_id for record in instance.get_runs()] == [result.run_id]
    assert server.execute("select run_id, status from runs", database="dagster") == [(result.run_id, "SUCCESS")]
    [(events,)] = server.execute("select count(*) from event_logs", database="dagster")
    assert events > 5
    assert list(home.rglob("*.db")) == []


def test_an_empty_database_is_migrated_and_so_is_one_that_is_new(home: Path, server: PostgresServer) -> None:
    server.execute("drop schema public cascade", database="dagster")
    server.execute("create schema public", database="dagster")
    server.execute("grant usage, create on schema public to dagster", database="dagster")
    variables = {"DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"} | {name: os.environ[name] for name in VARIABLES}
    for _ in range(2):
        done = run("dagster", "instance", "migrate", variables=variables)
        assert done.returncode == 0, done.stderr
    [(version,)] = server.execute("select version_num from alembic_version", database="dagster")
    assert version
    tables = {
        name
        for (name,) in server.execute("select tablename from pg_tables where schemaname = 'public'", database="dagster")
    }
    assert {"runs", "event_logs", "bulk_actions", "job_ticks", "daemon_heartbeats"} <= tables


@pytest.mark.parametrize("missing", VARIABLES)
def test_a_variable_that_is_missing_is_named(home: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(Exception, match=f'environment variable "{missing}" which is not set'):
        dg.DagsterInstance.from_config(str(home))

"""The project as the `dagster` command and Dagster's own server see it, in processes of their own."""

import time
from pathlib import Path

import dagster as dg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.driver import instance_of
from cdp_pipeline_tests.automation.processes import environment, run
from cdp_pipeline_tests.automation.ticks import age
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    FIRST,
    SECOND,
    THIRD,
    TINY,
    every_row,
    land,
    published,
    run_without_dagster,
    runs,
    write_tiny,
)
from cdp_pipeline_tests.automation.webserver import states
from scripts.dev_server import dev_server, free_port, load_errors

MODULE = ("-m", "cdp_pipeline.definitions")
# A beta and a supersession of Dagster's own command line.
WARNINGS = {"PYTHONWARNINGS": "ignore"}


def on(project: Project) -> dict[str, str]:
    """Return the variables by which Dagster finds the project and its runs."""
    return {"CDP_PROJECT": str(project.folder), "DAGSTER_HOME": str(project.folder / ".dagster"), **WARNINGS}


def on_files(folder: Path) -> dict[str, str]:
    return {"CDP_PROJECT": str(folder), **WARNINGS}


def event_ids(project: Project) -> list[str]:
    return sorted(each[2] for each in published(project)["cdp.customer_events"])


def test_definitions_load_with_nothing_but_the_project_in_the_environment(folder: Path) -> None:
    write_tiny(folder, days={})
    done = run("dagster", "definitions", "validate", *MODULE, cwd=folder, variables=on_files(folder))
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["project.yaml"]


def test_a_project_with_mistakes_does_not_load_and_says_all_of_them(folder: Path) -> None:
    (folder / "project.yaml").write_text(TINY.replace("2026-01-01", "2026-01-41").replace("sum,", "summ,"))
    done = run("dagster", "definitions", "validate", *MODULE, cwd=folder, variables=on_files(folder))
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "project.yaml:3: start: '2026-01-41' is not a day." in told
    assert "project.yaml:16: entities.customer.attributes[1].type: 'summ' is not accepted here." in told


def test_the_command_materializes_a_day_and_a_range_of_days(project: Project) -> None:
    run_without_dagster(project)
    land(project.folder, FIRST, DAYS[FIRST][:1])
    land(project.folder, SECOND, [])
    land(project.folder, THIRD, [])
    one = run("dagster", "asset", "materialize", *MODULE, "--select", "cdp/customer_events", "--partition",
              "2026-01-01", variables=on(project))  # fmt: skip
    assert one.returncode == 0, one.stderr[-3000:]
    assert runs(project)[-1][1:] == ("2026-01-01..2026-01-01", "done")
    assert event_ids(project) == ["e1", "e4", "e5", "e6", "e7"]

    several = run("dagster", "asset", "materialize", *MODULE, "--select", "*", "--partition-range",
                  "2026-01-01...2026-01-02", variables=on(project))  # fmt: skip
    assert several.returncode == 0, several.stderr[-3000:]
    with instance_of(project) as instance:
        records = instance.get_runs()
    assert [record.status for record in records] == [dg.DagsterRunStatus.SUCCESS] * 2
    assert runs(project)[-1] == (records[0].run_id, "2026-01-01..2026-01-02", "done")
    assert event_ids(project) == ["e1", "e7"]
    assert len(every_row(project)["customer.profiles"]) == 2


def run_of_sensor_ends(url: str) -> None:
    """Wait until the run that the landing sensor asked for has succeeded."""
    end = time.monotonic() + 120
    while (found := states(url, "dagster/sensor_name", "landing_web")) != ["SUCCESS"]:
        assert "FAILURE" not in found
        assert time.monotonic() < end, found
        time.sleep(0.3)


def test_the_daemon_lands_what_lies_there_without_a_hand(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make ui` starts it, on the engine whose file one process at a time can open."""
    for name, value in environment(**WARNINGS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    age(project.folder)
    with dev_server(project.folder, free_port(), project.folder / "server.log") as server:
        assert load_errors(server.url) == {}
        run_of_sensor_ends(server.url)
    assert [(days, status) for _, days, status in runs(project)] == [("", "done")]
    assert len(every_row(project)["customer.profiles"]) == 2

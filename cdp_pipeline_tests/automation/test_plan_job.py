"""The job `plan` in Dagster: what the UI shows of it, and that the warehouse does not know that it ran."""

from pathlib import Path
from typing import Any

import dagster as dg

from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline_tests.automation.driver import SILENT, Result, why_failed
from cdp_pipeline_tests.automation.tiny import every_row, run_without_dagster


def plan(project: Project) -> Result:
    """Run the job as a user of the UI does."""
    job = build_definitions(project).resolve_job_def("plan")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(run_config=SILENT, instance=instance, raise_on_error=False)


def told(result: Result) -> dict[str, Any]:
    """Return the metadata of the one output."""
    (output,) = [
        event.step_output_data for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_OUTPUT
    ]
    assert output is not None
    return {name: value.value for name, value in output.metadata.items()}


def edited(folder: Path, *replaced: tuple[str, str]) -> Project:
    text = (folder / "project.yaml").read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (folder / "project.yaml").write_text(text)
    return load_valid_project(folder, {})


def test_its_figures_are_metadata_and_the_warehouse_is_as_it_was(project: Project) -> None:
    run_without_dagster(project)
    before = every_row(project)
    result = plan(project)
    assert result.success
    assert told(result)["changes nothing"] is True

    fused = ("{identifier: email, value: \"payload->>'email'\"}", "{identifier: email, value: \"'ann@x.org'\"}")
    result = plan(edited(project.folder, fused, ("count(*)", "2 * count(*)")))
    assert result.success
    metadata = told(result)
    assert metadata["changes nothing"] is False
    assert (metadata["customer: people"], metadata["customer: people then"]) == (2, 1)
    words = metadata["customer: in words"]
    assert "| people | 2 | 1 |" in words
    assert "- customer/profiles: all of it again (the project defines it in another way)" in words
    assert "| n\\_events | 1 |" in words
    assert "ann@x.org" not in words, "values are nobody's business here"
    assert "email " in words
    assert every_row(project) == before


def test_a_run_that_would_fail_says_why(project: Project) -> None:
    run_without_dagster(project)
    before = every_row(project)
    result = plan(edited(project.folder, ("count(*)", "max((payload->>'cookie')::int)")))
    assert not result.success
    assert "customer attribute n_events" in why_failed(result)["compare"]
    assert every_row(project) == before


def test_nothing_can_be_planned_before_the_first_run(project: Project) -> None:
    result = plan(project)
    assert not result.success
    assert every_row(project) == {}

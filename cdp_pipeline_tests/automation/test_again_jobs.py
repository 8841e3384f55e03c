"""The jobs `restitch` and `recalculate`: what `cdp` does by these names, with run config."""

from typing import Any

import dagster as dg

from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline_tests.automation.driver import SILENT, why_failed
from cdp_pipeline_tests.automation.test_plan_job import told
from cdp_pipeline_tests.automation.tiny import every_row, run_without_dagster, runs


def test_the_jobs_do_what_their_config_says(project: Project) -> None:
    run_without_dagster(project)
    before = every_row(project)
    with dg.DagsterInstance.ephemeral() as instance:

        def run(job: str, **config: Any) -> Any:
            definition = build_definitions(project).resolve_job_def(job)
            asked = SILENT | {"ops": {f"do_{job}": {"config": config}}}
            return definition.execute_in_process(run_config=asked, instance=instance, raise_on_error=False)

        tried = run("recalculate", everybody=True, dry_run=True)
        assert told(tried)["customer: profiles calculated"] == 2
        assert every_row(project) == before
        again = run("restitch", everybody=True)
        assert (again.success, told(again)["customer: events moved"]) == (True, 0)
        assert runs(project)[-1][1:] == ("", "done")
        refused = run("recalculate")
        assert not refused.success
        assert "or say --all" in why_failed(refused)["do_recalculate"]

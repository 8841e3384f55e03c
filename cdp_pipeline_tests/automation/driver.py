"""Runs a project's jobs and assets in Dagster, in this process, and says in plain words what happened."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeAlias

import dagster as dg

from cdp_pipeline.automation.launch import open_instance
from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions

Result: TypeAlias = dg.ExecuteInProcessResult
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def instance_of(project: Project) -> Iterator[dg.DagsterInstance]:
    """Open the instance in which `cdp` keeps the project's runs."""
    with open_instance(project) as instance:
        yield instance


def range_tags(days: Sequence[date]) -> dict[str, str]:
    """Return the tags of one run over the partitions of all days from the first to the last."""
    names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return {name: day.isoformat() for name, day in zip(names, (min(days), max(days)), strict=True)}


def run_job(project: Project, name: str, day: date, instance: dg.DagsterInstance) -> Result:
    """Run a job as the UI does: the partition brings the job's own run config."""
    job = build_definitions(project).resolve_job_def(name)
    partition = day.isoformat()
    config = {**job.get_run_config_for_partition_key(partition), **SILENT}
    return job.execute_in_process(partition_key=partition, run_config=config, instance=instance, raise_on_error=False)


def materialize(
    project: Project,
    instance: dg.DagsterInstance,
    *keys: str,
    days: Sequence[date] = (),
    config: Mapping[str, Any] | None = None,
) -> Result:
    """Materialize assets, all of them if none is named, with the partitions of these days."""
    definitions = build_definitions(project)
    all_assets = (*(definitions.assets or ()), *(definitions.asset_checks or ()))
    wanted = [dg.AssetKey(key.split("/")) for key in keys]
    return dg.materialize(
        [each for each in all_assets if isinstance(each, dg.AssetsDefinition)],
        selection=dg.AssetSelection.assets(*wanted) if wanted else None,
        instance=instance,
        resources=dict(definitions.resources or {}),
        run_config={**SILENT, **(config or {})},
        tags=range_tags(days) if days else None,
        raise_on_error=False,
    )


def materialized(result: Result) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Return the metadata of every materialization, by asset and partition."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            told = event.materialization
            place = (told.asset_key.to_user_string(), told.partition)
            assert place not in found, f"{place} was materialized twice"
            found[place] = {name: value.value for name, value in told.metadata.items()}
    return found


def assets_of(result: Result) -> set[str]:
    """Return the assets that were materialized."""
    return {asset for asset, _ in materialized(result)}


def evaluations(result: Result) -> dict[str, tuple[bool, str, dict[str, Any]]]:
    """Return each check's verdict, severity and metadata, by `asset:check`."""
    return {
        f"{each.asset_key.to_user_string()}:{each.check_name}": (
            each.passed,
            each.severity.value,
            {name: value.value for name, value in each.metadata.items()},
        )
        for each in result.get_asset_check_evaluations()
    }


def steps(result: Result, kind: dg.DagsterEventType) -> list[str]:
    """Return the steps to which this happened, in order, once for each time."""
    return [event.step_key or "" for event in result.all_events if event.event_type is kind]


def why_failed(result: Result) -> dict[str, str]:
    """Return the description of each step's failure."""
    found: dict[str, str] = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            found[event.step_key or ""] = (data.user_failure_data and data.user_failure_data.description) or ""
    return found

"""What Dagster loads of the project that CDP_PROJECT names: assets, checks, jobs, schedules, sensors, its warehouse."""

import os
from pathlib import Path

import dagster as dg

from cdp_pipeline.attributes.assets import build_assets as attribute_assets
from cdp_pipeline.automation.jobs import build_jobs
from cdp_pipeline.automation.resource import warehouse_resource
from cdp_pipeline.automation.schedules import build_schedules, expecting_profiles
from cdp_pipeline.automation.sensors import build_sensors
from cdp_pipeline.config.model import Project
from cdp_pipeline.events.assets import build_assets as event_assets
from cdp_pipeline.identity.assets import build_assets as identity_assets
from cdp_pipeline.quality.assets import build_assets as quality_assets
from cdp_pipeline.quality.checks import build_checks
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse.assets import WAREHOUSE


def build_definitions(project: Project) -> dg.Definitions:
    """Everything that Dagster knows of a project."""
    assets = [
        *event_assets(project),
        *identity_assets(project),
        *attribute_assets(project),
        *quality_assets(project),
    ]

    def with_policies(spec: dg.AssetSpec) -> dg.AssetSpec:
        spec = expecting_profiles(project, spec)
        return spec.replace_attributes(kinds={*spec.kinds, project.engine}) if "sql" in spec.kinds else spec

    return dg.Definitions(
        assets=dg.map_asset_specs(with_policies, assets),
        asset_checks=build_checks(project),
        jobs=build_jobs(project),
        schedules=build_schedules(project),
        sensors=build_sensors(project),
        resources={WAREHOUSE: warehouse_resource(project)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The project in the folder CDP_PROJECT, else in the current folder.

    Raises:
        ProjectErrors: there is no project there, or it has mistakes.
    """
    return build_definitions(load_valid_project(Path(os.environ.get("CDP_PROJECT") or Path.cwd())))

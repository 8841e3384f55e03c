"""The jobs: `run_all` (what is out of date), `rebuild`, `replay`, `plan`, `restitch` and `recalculate`.

`rebuild` calculates all after `customer_events` again. `replay` begins where the map ends: events whose owner changed
move to their new one, and what is known about the two is calculated again. A map that changed without that, by a run of
its own or one that failed after it, is made good so.
"""

from typing import Any

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.automation.again import build_again_jobs
from cdp_pipeline.automation.plan import build_plan_job
from cdp_pipeline.config.model import Project
from cdp_pipeline.warehouse.assets import table_key

RUN_ALL = "run_all"
REBUILD = "rebuild"
REPLAY = "replay"
_LANDED = (tables.CUSTOMER_EVENTS, tables.REJECTED_EVENTS, tables.EVENT_COUNTS)
_REPLAYED = (tables.STITCHED_EVENTS, tables.REPLAYS, tables.EVENTS)
STEPS_OF_A_KIND = ("event_identifiers", "identity_maps", "identity_graph", "entity_map", "stitched_events", "profiles")


def full_config(project: Project) -> dict[str, Any]:
    """Run config that asks every stage after `customer_events` to calculate all of it again."""
    steps = [f"{kind}__{step}" for kind in project.entities for step in steps_of(project, kind)]
    return {"ops": {step: {"config": {"full": True}} for step in steps}}


def accepting_config(project: Project, accept_merge: str) -> dict[str, Any]:
    """Run config that lets through what the publication gate held back in a run."""
    config = {"config": {"accept_merge": accept_merge}}
    return {"ops": {f"{kind}__entity_map": config for kind in project.entities}}


def steps_of(project: Project, kind: str) -> list[str]:
    """The steps of a kind of entity; identity maps are read by a step of their own only where there are any."""
    has_maps = bool(project.entities[kind].identity_maps)
    return [step for step in STEPS_OF_A_KIND if step != "identity_maps" or has_maps]


def landing_config(*, replace_days: bool) -> dict[str, Any]:
    """Run config of the landing: replace the days of the run's partitions, or land what is new and changed."""
    return {"ops": {"customer_events": {"config": {"replace_days": replace_days}}}}


def build_jobs(project: Project) -> list[Any]:
    """The jobs of a project."""
    everything = dg.AssetSelection.all()
    replayed = dg.AssetSelection.assets(*(table_key(table, kind) for kind in project.entities for table in _REPLAYED))
    replay = dg.define_asset_job(
        REPLAY,
        replayed.downstream(),
        description="Move the events whose owner changed since the last replay, and calculate again what is known "
        "about whoever gained or lost one.",
    )
    return [
        dg.define_asset_job(
            RUN_ALL,
            everything,
            config=landing_config(replace_days=False),
            description="Land what is new and changed, of whichever day of arrival, then bring all tables up to date "
            "with it. The partition is only the day that the run is filed under.",
        ),
        dg.define_asset_job(
            REBUILD,
            everything - dg.AssetSelection.assets(*(table_key(table, None) for table in _LANDED)),
            config=full_config(project),
            description="Calculate again all that comes after customer_events. The registry of ids, the last published "
            "map and the landed events are kept.",
        ),
        *([replay] if project.entities else []),
        build_plan_job(project),
        *build_again_jobs(project),
    ]

"""The assets of the events room: landing folders, events, rejected rows, and the identifiers of events for each kind.

All are partitioned by day of ARRIVAL, except the landing folders and the rejected rows. Materializing partitions
replaces those days with what lies there now. The job run_all lands whatever is new or changed, of whichever day: its
partition is but the day that Dagster files the run under, and the other days it touches are noted one by one.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.events import event_identifiers
from cdp_pipeline.events.customer_events import customer_events_spec, land_events
from cdp_pipeline.events.event_counts import SQL as COUNTS
from cdp_pipeline.events.event_counts import count_events, event_counts_spec
from cdp_pipeline.events.event_identifiers import event_identifiers_spec, identify_events
from cdp_pipeline.events.landing import SQL, Days
from cdp_pipeline.warehouse.assets import (
    ONE_RUN,
    OWNERS,
    RETRY,
    WAREHOUSE,
    StageConfig,
    count_days,
    count_rows,
    days_told,
    fail,
    invariant_specs,
    is_selected,
    run_days,
    sql_metadata,
    stage_results,
    table_key,
    table_spec,
)
from cdp_pipeline.warehouse.stage import Due, Facts

GROUP = "events"
IDENTITY = "identity"  # where readers look for what belongs to a kind of entity


class LandingConfig(dg.Config):
    """Which rows a run lands."""

    replace_days: bool = Field(
        default=True,
        description="Replace the days of the run's partitions with what lies there now, nothing included. If not, land "
        "whatever is new or changed, of whichever day; the job run_all does so.",
    )


EVENTS = table_key(tables.CUSTOMER_EVENTS, None)
REJECTED = table_key(tables.REJECTED_EVENTS, None)


def daily(project: Project) -> dg.DailyPartitionsDefinition:
    """The days of arrival, up to and with today or the project's end (UTC)."""
    end = None if project.end is None else (project.end + timedelta(days=1)).isoformat()  # Dagster's end is excluded
    start = project.start.isoformat()
    return dg.DailyPartitionsDefinition(start_date=start, end_date=end, end_offset=1, timezone="UTC")


def build_assets(project: Project) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of this room."""
    erasures = table_spec(tables.ERASURES, customer_events_spec(project), GROUP, [])  # `cdp erase` writes it
    return [
        *_landing(project),
        erasures,
        _customer_events(project),
        *(_event_identifiers(project, k) for k in project.entities),
    ]


def _landing(project: Project) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            ["landing", source.name],
            description=f"What lands under `{source.files}`." if source.files else f"The table {source.table}.",
            group_name="landing",
            kinds={"file"} if source.files else {"table"},
            owners=OWNERS,
            metadata={"source": dg.MetadataValue.json(source.model_dump(mode="json", exclude_none=True))},
        )
        for source in project.sources.values()
    ]


def _customer_events(project: Project) -> dg.AssetsDefinition:
    stage = customer_events_spec(project)
    landing = [dg.AssetKey(["landing", name]) for name in project.sources]
    landing.append(table_key(tables.ERASURES, None))
    specs = [
        table_spec(
            tables.CUSTOMER_EVENTS, stage, GROUP, landing, partitions=daily(project), metadata=sql_metadata(SQL)
        ),
        table_spec(tables.REJECTED_EVENTS, stage, GROUP, landing),
        table_spec(tables.EVENT_COUNTS, event_counts_spec(project), GROUP, [EVENTS], metadata=sql_metadata(COUNTS)),
    ]

    @dg.multi_asset(
        name="customer_events",
        specs=specs,
        check_specs=invariant_specs(stage, EVENTS),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def customer_events(context: dg.AssetExecutionContext, config: LandingConfig) -> Iterator[Any]:
        warehouse = context.resources.warehouse
        asked = run_days(context) if config.replace_days else None
        facts = Facts(stage.asset, None, Due.NOTHING)
        try:
            # A backfill of days brings what has no partitions in a run of its own, which must not land other days.
            if EVENTS in context.selected_asset_keys:
                facts = land_events(warehouse.connection, project, warehouse.run, Days(*asked) if asked else None)
            count_events(warehouse.connection, project, warehouse.run)
        except CdpError as error:
            yield from fail(stage, EVENTS, error)
            return
        counts = {
            table_key(table, None): count_rows(warehouse.connection, table, stage)
            for table in (tables.CUSTOMER_EVENTS, tables.REJECTED_EVENTS, tables.EVENT_COUNTS)
        }
        by_day = count_days(warehouse.connection, tables.CUSTOMER_EVENTS, stage, days_told(context, facts))
        yield from stage_results(context, stage, facts, EVENTS, counts, by_day)

    return customer_events


def _event_identifiers(project: Project, kind: str) -> dg.AssetsDefinition:
    stage = event_identifiers_spec(project, kind)
    entity = project.entities[kind]
    key = table_key(tables.EVENT_IDENTIFIERS, kind)
    rules = [rule.model_dump(mode="json", exclude_none=True) for rule in entity.stitching]
    metadata = {"rules": dg.MetadataValue.json(rules)} | sql_metadata(event_identifiers.SQL)
    partitions = daily(project)

    @dg.multi_asset(
        name=f"{kind}__event_identifiers",
        specs=[
            table_spec(tables.EVENT_IDENTIFIERS, stage, IDENTITY, [EVENTS], partitions=partitions, metadata=metadata)
        ],
        check_specs=invariant_specs(stage, key),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def identifiers(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        warehouse = context.resources.warehouse
        # Days asked for together with customer_events are told by what changed there.
        asked = None if is_selected(context, EVENTS) else run_days(context)
        days = Days(*asked) if asked else None
        try:
            facts = identify_events(warehouse.connection, project, kind, warehouse.run, days=days, full=config.full)
        except CdpError as error:
            yield from fail(stage, key, error)
            return
        rows = count_rows(warehouse.connection, tables.EVENT_IDENTIFIERS, stage)
        by_day = count_days(warehouse.connection, tables.EVENT_IDENTIFIERS, stage, days_told(context, facts))
        yield from stage_results(context, stage, facts, key, {key: rows}, by_day)

    return identifiers

"""The assets of the identity room: links, the entity map with its registry and changes, and stitched events.

Links are partitioned by day of arrival. The map and all below it are not: they are one state, brought up to date with
what changed. Replay is the asset `<kind>/stitched_events`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.events.assets import EVENTS, daily
from cdp_pipeline.events.landing import Days
from cdp_pipeline.identity import entity_map, identity_graph, stitched_events
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.assets import (
    ONE_RUN,
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
from cdp_pipeline.warehouse.stage import Facts, StageSpec

GROUP = "identity"
Key = dg.AssetKey


class MapConfig(StageConfig):
    """How the entity map is asked to work."""

    accept_merge: str = Field(
        default="",
        description="The run whose map the publication gate held back: let exactly that result through, this once.",
    )


@dataclass(frozen=True)
class _Step:
    """A step: the stage it runs, the tables it writes (the first carries figures and checks) and the view it makes."""

    name: str
    stage: StageSpec
    sql: Sequence[Statements]
    work: Callable[..., Facts]
    tables: Sequence[Table]
    view: Table
    deps: Sequence[Key]


def build_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The assets of this room."""
    return [asset for kind in project.entities for asset in _of_kind(project, kind)]


def _of_kind(project: Project, kind: str) -> list[dg.AssetsDefinition]:
    return [_graph_asset(project, kind), _map_asset(project, kind), _stitched_asset(project, kind)]


def _graph_asset(project: Project, kind: str) -> dg.AssetsDefinition:
    stage = identity_graph.identity_graph_spec(project, kind)
    key = table_key(tables.IDENTITY_GRAPH, kind)
    upstream = table_key(tables.EVENT_IDENTIFIERS, kind)
    pii = any(identifier.pii for identifier in project.entities[kind].identifiers)
    metadata = sql_metadata(identity_graph.SQL)
    specs = [
        table_spec(tables.IDENTITY_GRAPH, stage, GROUP, [upstream], partitions=daily(project), metadata=metadata),
        table_spec(tables.IDENTIFIERS, stage, GROUP, [upstream], pii=pii),
    ]

    @dg.multi_asset(
        name=f"{kind}__identity_graph",
        specs=specs,
        check_specs=invariant_specs(stage, key),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def graph(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        warehouse = context.resources.warehouse
        asked = None if is_selected(context, upstream) else run_days(context)
        days = Days(*asked) if asked else None
        try:
            facts = identity_graph.link_identifiers(
                warehouse.connection, project, kind, warehouse.run, days=days, full=config.full
            )
        except CdpError as error:
            yield from fail(stage, key, error)
            return
        rows = {
            table_key(table, kind): count_rows(warehouse.connection, table, stage)
            for table in (tables.IDENTITY_GRAPH, tables.IDENTIFIERS)
        }
        by_day = count_days(warehouse.connection, tables.IDENTITY_GRAPH, stage, days_told(context, facts))
        yield from stage_results(context, stage, facts, key, rows, by_day)

    return graph


def _map_asset(project: Project, kind: str) -> dg.AssetsDefinition:
    step = _Step(
        "entity_map",
        entity_map.entity_map_spec(project, kind),
        entity_map.STATEMENTS,
        entity_map.map_entities,
        (
            tables.ENTITY_MAP,
            tables.ENTITIES,
            tables.ENTITY_CHANGES,
            tables.ENTITY_MAP_HISTORY,
            tables.REFUSED_LINKS,
            tables.QUARANTINED_IDENTIFIERS,
        ),
        tables.ENTITY_REDIRECTS,
        (table_key(tables.IDENTITY_GRAPH, kind), table_key(tables.IDENTIFIERS, kind)),
    )

    @_step_asset(step)
    def mapped(context: dg.AssetExecutionContext, config: MapConfig) -> Iterator[Any]:
        yield from _results(context, project, step, full=config.full, accept_merge=config.accept_merge)

    return mapped


def _stitched_asset(project: Project, kind: str) -> dg.AssetsDefinition:
    step = _Step(
        "stitched_events",
        stitched_events.stitched_events_spec(project, kind),
        (stitched_events.SQL,),
        stitched_events.stitch_events,
        (tables.STITCHED_EVENTS, tables.REPLAYS),
        tables.EVENTS,
        (
            EVENTS,
            table_key(tables.EVENT_IDENTIFIERS, kind),
            table_key(tables.ENTITY_MAP, kind),
            table_key(tables.ENTITY_CHANGES, kind),
        ),
    )

    @_step_asset(step)
    def stitched(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        yield from _results(context, project, step, full=config.full)

    return stitched


def _step_asset(step: _Step) -> Callable[[Callable[..., Iterator[Any]]], dg.AssetsDefinition]:
    """Makes an asset for each table that a step writes, and for its view."""
    kind = step.stage.kind
    specs = [
        table_spec(table, step.stage, GROUP, step.deps, metadata=sql_metadata(*step.sql) if number == 0 else None)
        for number, table in enumerate((*step.tables, step.view))
    ]
    return dg.multi_asset(
        name=f"{kind}__{step.name}",
        specs=specs,
        check_specs=invariant_specs(step.stage, table_key(step.tables[0], kind)),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )


def _results(context: dg.AssetExecutionContext, project: Project, step: _Step, **asked: Any) -> Iterator[Any]:
    """Runs a step's stage and tells Dagster what it did."""
    warehouse, kind = context.resources.warehouse, step.stage.kind
    main = table_key(step.tables[0], kind)
    try:
        facts = step.work(warehouse.connection, project, kind, warehouse.run, **asked)
    except CdpError as error:
        yield from fail(step.stage, main, error)
        return
    rows: dict[Key, int | None] = {
        table_key(table, kind): count_rows(warehouse.connection, table, step.stage) for table in step.tables
    }
    rows[table_key(step.view, kind)] = None
    yield from stage_results(context, step.stage, facts, main, rows)

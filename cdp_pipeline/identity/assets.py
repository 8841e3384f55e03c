"""The assets of the identity room: links, the entity map with its registry and changes, and stitched events.

Links are partitioned by day of arrival. The map and all below it are not: they are one state, brought up to date with
what changed. Replay is the asset `<kind>/stitched_events`. What operators decide is written by `cdp decide`, so its
table is an asset that no step makes. A kind that brings identity maps of its own has the asset
`<kind>/identity_maps` for them, and an asset for each of their tables; in one that declares none any more, the step of
its links withdraws what they gave.
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
from cdp_pipeline.identity import entity_map, identity_graph, identity_maps, resolved_sources, stitched_events
from cdp_pipeline.identity.decisions import decisions_spec
from cdp_pipeline.sql.statements import Statement, Statements
from cdp_pipeline.tables import Table
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
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Facts, Run, StageSpec

GROUP = "identity"
TO_CHANGE = "to_change"
Key = dg.AssetKey


class MapConfig(StageConfig):
    """How the entity map is asked to work."""

    accept_merge: str = Field(
        default="",
        description="The run whose map the publication gate held back: let exactly that result through, this once.",
    )


@dataclass(frozen=True)
class _Step:
    """A step: the stage it runs, the tables it writes (the first carries figures and checks) and the views it makes.

    `reached` asks for the last change of the map that it made or took in. Every run tells that figure, one without work
    too, for the sensor that looks for changes to replay reads nothing but what runs told.
    """

    name: str
    stage: StageSpec
    sql: Sequence[Statements]
    work: Callable[..., Facts]
    tables: Sequence[Table]
    views: Sequence[Table]
    deps: Sequence[Key]
    reached: Statement


def build_assets(project: Project) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of this room."""
    with_maps = [kind for kind, entity in project.entities.items() if entity.identity_maps]
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [*_map_tables(project)]
    assets += [table_spec(tables.DECISIONS, decisions_spec(project, kind), GROUP, []) for kind in project.entities]
    assets += [_maps_asset(project, kind) for kind in with_maps]
    return assets + [asset for kind in project.entities for asset in _of_kind(project, kind)]


def maps_key(kind: str) -> Key:
    """The asset of a kind's identity maps."""
    return Key([kind, "identity_maps"])


def _table_key(table: str) -> Key:
    return Key(["landing", *table.split(".")])


def _map_tables(project: Project) -> list[dg.AssetSpec]:
    """The tables of identity maps, which others fill."""
    tables_of_maps = {each.table for entity in project.entities.values() for each in entity.identity_maps}
    return [
        dg.AssetSpec(
            _table_key(table),
            description=f"The table {table}, an identity map.",
            group_name="landing",
            kinds={"table"},
            owners=OWNERS,
        )
        for table in sorted(tables_of_maps)
    ]


def _maps_asset(project: Project, kind: str) -> dg.AssetsDefinition:
    stage = identity_maps.identity_maps_spec(project, kind)
    key = maps_key(kind)
    declared = project.entities[kind].identity_maps
    described = [each.model_dump(mode="json", exclude_none=True) for each in declared]
    metadata = {"maps": dg.MetadataValue.json(described)} | sql_metadata(identity_maps.SQL)
    deps = sorted({_table_key(each.table) for each in declared})
    spec = table_spec(tables.MAP_ROWS, stage, GROUP, deps, metadata=metadata).replace_attributes(key=key)

    @dg.multi_asset(
        name=f"{kind}__identity_maps",
        specs=[spec],
        check_specs=invariant_specs(stage, key),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def maps(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        warehouse = context.resources.warehouse
        try:
            facts = identity_maps.read_maps(warehouse.connection, project, kind, warehouse.run, full=config.full)
        except CdpError as error:
            yield from fail(stage, key, error)
            return
        rows = {key: count_rows(warehouse.connection, tables.MAP_ROWS, stage)}
        yield from stage_results(context, stage, facts, key, rows)

    return maps


def _of_kind(project: Project, kind: str) -> list[dg.AssetsDefinition]:
    return [_graph_asset(project, kind), _map_asset(project, kind), _stitched_asset(project, kind)]


def _graph_asset(project: Project, kind: str) -> dg.AssetsDefinition:
    stage = identity_graph.identity_graph_spec(project, kind)
    key = table_key(tables.IDENTITY_GRAPH, kind)
    upstream = table_key(tables.EVENT_IDENTIFIERS, kind)
    pii = any(identifier.pii for identifier in project.entities[kind].identifiers)
    metadata = sql_metadata(*identity_graph.STATEMENTS)
    has_maps = bool(project.entities[kind].identity_maps)
    deps = [upstream, *([maps_key(kind)] if has_maps else []), table_key(tables.DECISIONS, kind)]
    specs = [
        table_spec(tables.IDENTITY_GRAPH, stage, GROUP, deps, partitions=daily(project), metadata=metadata),
        table_spec(tables.IDENTIFIERS, stage, GROUP, deps, pii=pii),
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
        # Days asked for together with all that links follow from are told by what changed there.
        asked = None if is_selected(context, upstream) and is_selected(context, EVENTS) else run_days(context)
        days = Days(*asked) if asked else None
        try:
            if not has_maps:  # there may have been some, and nobody else would withdraw what they gave
                identity_maps.read_maps(warehouse.connection, project, kind, warehouse.run)
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
        (tables.ENTITY_REDIRECTS,),
        tuple(table_key(table, kind) for table in (tables.IDENTITY_GRAPH, tables.IDENTIFIERS, tables.DECISIONS)),
        entity_map.SQL["last_change"],
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
        _stitch_and_resolve,
        (tables.STITCHED_EVENTS, tables.REPLAYS),
        (tables.EVENTS, *(resolved_sources.resolved_view(source) for source in project.sources)),
        (
            EVENTS,
            table_key(tables.EVENT_IDENTIFIERS, kind),
            table_key(tables.ENTITY_MAP, kind),
            table_key(tables.ENTITY_CHANGES, kind),
        ),
        stitched_events.SQL["last_replayed"],
    )

    @_step_asset(step)
    def stitched(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        yield from _results(context, project, step, full=config.full)

    return stitched


def _stitch_and_resolve(connection: Connection, project: Project, kind: str, run: Run, *, full: bool) -> Facts:
    """Attributes the events, and keeps the views over them."""
    facts = stitched_events.stitch_events(connection, project, kind, run, full=full)
    resolved_sources.resolve_sources(connection, project, kind, run, full=full)
    return facts


def _step_asset(step: _Step) -> Callable[[Callable[..., Iterator[Any]]], dg.AssetsDefinition]:
    """Makes an asset for each table that a step writes, and for its views."""
    kind = step.stage.kind
    specs = [
        table_spec(table, step.stage, GROUP, step.deps, metadata=sql_metadata(*step.sql) if number == 0 else None)
        for number, table in enumerate((*step.tables, *step.views))
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
    facts.metrics[TO_CHANGE] = warehouse.connection.fetch(step.reached.bind(step.stage.schemas))[0][0]
    rows: dict[Key, int | None] = {
        table_key(table, kind): count_rows(warehouse.connection, table, step.stage) for table in step.tables
    }
    rows |= dict.fromkeys(table_key(view, kind) for view in step.views)
    yield from stage_results(context, step.stage, facts, main, rows)

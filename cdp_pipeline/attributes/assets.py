"""The assets of the attributes room: one for each definition, `<kind>/profiles` and the view `<kind>/attributes`.

    customer/row_helpers/session_length      customer/meta_attributes/products_bought
    customer/context_values/deciles          customer/attributes/revenue

Each stands below all that it reads. All definitions of a kind and its profiles are calculated in one step. A selection
of a few attributes runs the same step: a profile is whole or not there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import BaseModel

from cdp_pipeline import tables
from cdp_pipeline.attributes import changes, counts, plan
from cdp_pipeline.attributes.graph import Graph, Node, graph_of
from cdp_pipeline.attributes.profiles import calculate_profiles, profiles_spec, shown
from cdp_pipeline.attributes.states import definition_hashes
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.warehouse.assets import (
    ONE_RUN,
    OWNERS,
    RETRY,
    WAREHOUSE,
    StageConfig,
    count_rows,
    fail,
    group_name,
    invariant_specs,
    sql_metadata,
    stage_results,
    table_key,
    table_spec,
)

GROUP = "attributes"
_FOLDERS = {
    "row_helper": "row_helpers",
    "meta_attribute": "meta_attributes",
    "context": tables.CONTEXT_VALUES.name,
    "attribute": "attributes",
}


def build_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The assets of this room."""
    return [_of_kind(project, kind) for kind in project.entities]


def definition_key(kind: str, node: Node) -> dg.AssetKey:
    """The asset of a definition."""
    return dg.AssetKey([kind, _FOLDERS[node.kind], node.id])


def definition_specs(entity: Entity) -> Iterator[dg.AssetSpec]:
    """The assets of a kind's definitions, each after those that it reads."""
    graph = graph_of(entity)
    hashes = definition_hashes(entity, graph)
    written = dict(_written(entity))
    for node in graph.order:
        yield _spec(entity.kind, node, written[node], graph, hashes[node][:16])


def _written(entity: Entity) -> Iterator[tuple[Node, RowHelper | MetaAttribute | ContextValue | Attribute]]:
    for helper in entity.row_helpers:
        yield Node("row_helper", helper.id), helper
    for meta in entity.meta_attributes:
        yield Node("meta_attribute", meta.id), meta
    for context in entity.context:
        yield Node("context", context.key), context
    for attribute in entity.attributes:
        yield Node("attribute", attribute.id), attribute


def _spec(kind: str, node: Node, written: BaseModel, graph: Graph, version: str) -> dg.AssetSpec:
    dumped = written.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"description"})
    reads = [definition_key(kind, read) for read in sorted(graph.nodes[node])]
    return dg.AssetSpec(
        definition_key(kind, node),
        deps=[*reads, *(table_key(table, kind) for table in _tables_read(written))],
        description=_description(written),
        group_name=group_name(GROUP, kind),
        kinds={"sql"},
        owners=OWNERS,
        code_version=version,
        tags={"layer": GROUP} | ({"pii": "true"} if getattr(written, "pii", False) else {}),
        metadata={"definition": dg.MetadataValue.json(dumped)},
    )


def _tables_read(written: BaseModel) -> list[tables.Table]:
    if isinstance(written, Attribute):
        by_type = {"derived": [], "identifiers": [tables.ENTITY_MAP, tables.IDENTIFIERS]}
        return by_type.get(written.type, [tables.STITCHED_EVENTS])
    return [tables.STITCHED_EVENTS]


def _description(written: BaseModel) -> str:
    if isinstance(written, Attribute):
        of = written.value if written.type != "identifiers" else str(written.identifier)
        return written.description or f"`{written.type}` of `{of}`."
    if isinstance(written, RowHelper):
        return f"A column of every event: `{written.value}`."
    if isinstance(written, MetaAttribute):
        return f"A query over the entity's events, for attributes to read: `{written.definition}`."
    assert isinstance(written, ContextValue)
    return f"A value worked out over everyone: `{written.query}`."


def _profiles_table(attributes: Sequence[Attribute]) -> tables.Table:
    """The table of the profiles as the project file tells it; real types are known when it has been calculated."""
    shown = (attribute for attribute in attributes if not attribute.hidden)
    own = (tables.Column(each.id, each.data_type or "any", each.description or "") for each in shown)
    columns = tables.PROFILES.columns
    return replace(tables.PROFILES, columns=(*columns[:2], *own, *columns[2:]))


def _tell_columns(context: dg.AssetExecutionContext, profiles: dg.AssetKey, schema: str, table: tables.Table) -> None:
    """Notes the columns of the profiles with the types that the warehouse gave them."""
    if profiles not in context.selected_asset_keys:
        return
    meanings = {column.name: column.meaning for column in table.columns}
    found = context.resources.warehouse.connection.columns_of(schema, table.name) or []
    columns = [dg.TableColumn(name, type_name, meanings.get(name)) for name, type_name in found]
    context.add_asset_metadata({"dagster/column_schema": dg.TableSchema(columns=columns)}, asset_key=profiles)


def _of_kind(project: Project, kind: str) -> dg.AssetsDefinition:
    stage = profiles_spec(project, kind)
    attributes = shown(project.entities[kind])
    profiles, view = table_key(tables.PROFILES, kind), table_key(tables.ATTRIBUTES, kind)
    specs = list(definition_specs(project.entities[kind]))
    keys = [spec.key for spec in specs]
    upstream = keys or [table_key(tables.STITCHED_EVENTS, kind)]
    values = table_key(tables.CONTEXT_VALUES, kind)
    of_context = [key for key in keys if key.path[:-1] == values.path] or [table_key(tables.STITCHED_EVENTS, kind)]
    specs.append(table_spec(tables.CONTEXT_VALUES, stage, GROUP, of_context))
    pii = any(attribute.pii for attribute in attributes)
    metadata = sql_metadata(plan.SQL, changes.SQL)
    specs.append(table_spec(_profiles_table(attributes), stage, GROUP, upstream, pii=pii, metadata=metadata))
    specs.append(table_spec(tables.ATTRIBUTES, stage, GROUP, [profiles], pii=pii))
    counting = counts.attribute_counts_spec(project, kind)
    counted_in = (tables.ATTRIBUTE_COUNTS, tables.ATTRIBUTE_VALUE_COUNTS)
    specs += [table_spec(each, counting, GROUP, [profiles], metadata=sql_metadata(counts.SQL)) for each in counted_in]

    @dg.multi_asset(
        name=f"{kind}__profiles",
        specs=specs,
        check_specs=invariant_specs(stage, profiles),
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def work(context: dg.AssetExecutionContext, config: StageConfig) -> Iterator[Any]:
        warehouse = context.resources.warehouse
        try:
            facts = calculate_profiles(warehouse.connection, project, kind, warehouse.run, full=config.full)
            counts.count_attributes(warehouse.connection, project, kind, warehouse.run, full=config.full)
        except CdpError as error:
            yield from fail(stage, profiles, error)
            return
        _tell_columns(context, profiles, stage.schemas["kind"], _profiles_table(attributes))
        counted = {
            table_key(table, kind): count_rows(warehouse.connection, table, stage)
            for table in (tables.CONTEXT_VALUES, tables.PROFILES, *counted_in)
        }
        rows = {key: counted.get(key) for key in (*keys, values, profiles, view, *counted)}
        yield from stage_results(context, stage, facts, profiles, rows)

    return work

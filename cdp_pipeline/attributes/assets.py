"""The assets of the attributes room: one for each attribute, `<kind>/profiles` and the view `<kind>/attributes`.

All of a kind's attributes and its profiles are calculated in one step, from one scan of the events of the entities that
gained or lost some. A selection of a few attributes runs the same step: a profile is whole or not there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.attributes import changes, counts, plan
from cdp_pipeline.attributes.profiles import calculate_profiles, profiles_spec, shown
from cdp_pipeline.config.model import Attribute, Project
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


def attribute_key(kind: str, attribute: Attribute) -> dg.AssetKey:
    """The asset of an attribute: `customer/attributes/revenue`."""
    return dg.AssetKey([kind, "attributes", attribute.id])


def build_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The assets of this room."""
    return [_of_kind(project, kind) for kind in project.entities]


def _attribute_spec(kind: str, attribute: Attribute, version: str) -> dg.AssetSpec:
    written = attribute.model_dump(mode="json", exclude_defaults=True, exclude={"description"})
    return dg.AssetSpec(
        attribute_key(kind, attribute),
        deps=[table_key(tables.STITCHED_EVENTS, kind)],
        description=attribute.description or f"`{attribute.type}` of `{attribute.value}`.",
        group_name=group_name(GROUP, kind),
        kinds={"sql"},
        owners=OWNERS,
        code_version=version,
        tags={"layer": GROUP} | ({"pii": "true"} if attribute.pii else {}),
        metadata={"definition": dg.MetadataValue.json(written)},
    )


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
    attributes = shown(project.entities[kind])  # a hidden one is read by nothing yet, and so not calculated
    profiles, view = table_key(tables.PROFILES, kind), table_key(tables.ATTRIBUTES, kind)
    specs = [_attribute_spec(kind, attribute, stage.definition[:16]) for attribute in attributes]
    keys = [spec.key for spec in specs]
    upstream = keys or [table_key(tables.STITCHED_EVENTS, kind)]
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
            for table in (tables.PROFILES, *counted_in)
        }
        rows = {key: counted.get(key) for key in (*keys, profiles, view, *counted)}
        yield from stage_results(context, stage, facts, profiles, rows)

    return work

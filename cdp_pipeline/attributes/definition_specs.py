"""What Dagster draws of a kind's definitions: an asset for each, below all that it reads.

customer/row_helpers/session_length      customer/meta_attributes/products_bought
customer/context_values/deciles          customer/attributes/revenue
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import BaseModel

from cdp_pipeline import tables
from cdp_pipeline.attributes.graph import Graph, Node, graph_of
from cdp_pipeline.attributes.states import definition_hashes
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.warehouse.assets import OWNERS, group_name, table_key

GROUP = "attributes"
_FOLDERS = {
    "row_helper": "row_helpers",
    "meta_attribute": "meta_attributes",
    "context": tables.CONTEXT_VALUES.name,
    "attribute": "attributes",
}


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

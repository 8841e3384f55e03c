"""The assets of the quality room: the run's row in `cdp/runs`, and `cdp/metrics` with the health figures of all stages.

Every stage notes its figures in its own transaction. The health figures are gathered here, in one pass at the end of a
run, and judged by the checks that `checks.py` declares.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.quality.health import gather_health
from cdp_pipeline.warehouse.assets import ONE_RUN, RETRY, WAREHOUSE, count_rows, table_key, table_spec
from cdp_pipeline.warehouse.stage import StageSpec

GROUP = "quality"
METRICS = table_key(tables.METRICS, None)


def build_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The assets of this room."""
    stage = StageSpec("cdp/metrics", None, {"cdp": project.schema_name})
    last = [table_key(tables.PROFILES, kind) for kind in project.entities]
    runs = table_key(tables.RUNS, None)

    @dg.multi_asset(
        name="metrics",
        specs=[table_spec(table, stage, GROUP, last) for table in (tables.METRICS, tables.RUNS)],
        required_resource_keys={WAREHOUSE},
        can_subset=True,
        backfill_policy=ONE_RUN,
        retry_policy=RETRY,
    )
    def metrics(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse = context.resources.warehouse
        figures = gather_health(warehouse.connection, project, warehouse.run)
        told: dict[str, Any] = {f"{figure.asset} {figure.check}": round(figure.value, 4) for figure in figures}
        for key, table, more in ((METRICS, tables.METRICS, told), (runs, tables.RUNS, {})):
            if key in context.selected_asset_keys:
                rows = count_rows(warehouse.connection, table, stage)
                yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows} | more)

    return [metrics]

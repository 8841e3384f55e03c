"""The health checks: warnings with figures, judged by Great Expectations over one small frame, once per run.

They never block: a bad figure is news for people; what must not be published is stopped by the stages' invariants.
"""

from collections.abc import Iterator

import dagster as dg

from cdp_pipeline.config.model import Project
from cdp_pipeline.quality.assets import METRICS
from cdp_pipeline.quality.expectations import expectations_available, judge
from cdp_pipeline.quality.health import expected_checks, read_health
from cdp_pipeline.warehouse.assets import WAREHOUSE


def build_checks(project: Project) -> list[dg.AssetChecksDefinition]:
    """The health checks of a project; none without the extra `quality`, which brings Great Expectations."""
    expected = expected_checks(project)
    if not expectations_available() or not expected:
        return []
    specs = [
        dg.AssetCheckSpec(
            check.check,
            asset=dg.AssetKey(check.asset.split("/")),
            description=check.meaning,
            additional_deps=[METRICS],
        )
        for check in expected
    ]

    @dg.multi_asset_check(specs=specs, name="health", can_subset=True, required_resource_keys={WAREHOUSE})
    def health(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        warehouse = context.resources.warehouse
        selected = context.selected_asset_check_keys
        for verdict in judge(read_health(warehouse.connection, project, warehouse.run)):
            key = dg.AssetKey(verdict.figure.asset.split("/"))
            if dg.AssetCheckKey(key, verdict.figure.check) in selected:
                yield dg.AssetCheckResult(
                    passed=verdict.passed,
                    asset_key=key,
                    check_name=verdict.figure.check,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"value": verdict.observed, "expected": verdict.expectation},
                )

    return [health]

"""The checks at a run's end: the health checks, and the proof that a slice of the entities is what a rebuild gives.

The health checks are warnings with figures, judged by Great Expectations over one small frame, once per run. They never
block: a bad figure is news for people; what must not be published is stopped by the stages' invariants. The proof
fails with the rows that differ; nothing waits for it either. Whoever sees the UI sees no identifier's value in it.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.verify_rows import TableVerdict
from cdp_pipeline.operations.verify_slice import SliceVerdict, slice_of_run, verify_slice
from cdp_pipeline.quality.assets import METRICS
from cdp_pipeline.quality.expectations import expectations_available, judge
from cdp_pipeline.quality.health import expected_checks, read_health
from cdp_pipeline.warehouse.assets import RETRY, WAREHOUSE, table_key

SAME_AS_REBUILD = "same_as_rebuild"


def build_checks(project: Project) -> list[dg.AssetChecksDefinition]:
    """The checks of a project; no health checks without the extra `quality`, which brings Great Expectations."""
    return [*_health_checks(project), *_rebuild_checks(project)]


def _health_checks(project: Project) -> list[dg.AssetChecksDefinition]:
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


def _rebuild_checks(project: Project) -> list[dg.AssetChecksDefinition]:
    shares = {
        table_key(tables.PROFILES, kind): (kind, entity.checks.rebuild_share)
        for kind, entity in project.entities.items()
        if entity.checks.rebuild_share > 0
    }
    if not shares:
        return []
    specs = [
        dg.AssetCheckSpec(
            SAME_AS_REBUILD,
            asset=key,
            description=f"Groups, owners and attributes of a share of the entities ({share:g}, in turn), worked out "
            "afresh from customer_events, are what is published.",
            additional_deps=[METRICS],
        )
        for key, (_, share) in shares.items()
    ]

    @dg.multi_asset_check(
        specs=specs, name=SAME_AS_REBUILD, can_subset=True, required_resource_keys={WAREHOUSE}, retry_policy=RETRY
    )
    def same_as_rebuild(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        connection, run = context.resources.warehouse.connection, context.resources.warehouse.run
        for check in context.selected_asset_check_keys:
            kind, share = shares[check.asset_key]
            part = slice_of_run(connection, project, run, share)
            verdict = verify_slice(connection, project, kind, run, part)
            yield dg.AssetCheckResult(
                passed=verdict.same,
                asset_key=check.asset_key,
                check_name=SAME_AS_REBUILD,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata=rebuild_metadata(verdict),
            )

    return [same_as_rebuild]


def rebuild_metadata(verdict: SliceVerdict) -> dict[str, Any]:
    """What the proof says of a slice, as Dagster shows it."""
    told: dict[str, Any] = {
        "slice": f"{verdict.slice.number + 1} of {verdict.slice.of}",
        "entities": verdict.entities,
        "identifiers": verdict.identifiers,
        "events": verdict.events,
        "rows compared": sum(table.rows for table in verdict.tables),
        "rows that differ": sum(table.differing for table in verdict.tables),
    }
    if verdict.same:
        return told
    rows = [line for table in verdict.tables for line in _rows_that_differ(table)]
    told["what differs"] = dg.MetadataValue.md("\n".join(f"- {row}" for row in rows) or verdict.broken)
    told["what to do"] = (
        "Somebody changed a table by hand, perhaps, or there is a fault of ours. `cdp verify` compares everything, "
        "with values; `cdp run --full` publishes what a rebuild gives."
    )
    return told


def _rows_that_differ(table: TableVerdict) -> Iterator[str]:
    if table.columns:
        yield f"{table.table}: a rebuild gives other columns: {table.columns}"
    for difference in table.differences:
        key = ", ".join(f"{name} {value}" for name, value in difference.key.items())
        what = "not published" if not difference.published else "not in a rebuild" if not difference.rebuilt else ""
        yield f"{table.table}, {key}: {what or 'another ' + ', '.join(difference.columns)}"
    if table.differing > len(table.differences) and not table.columns:
        yield f"{table.table}: and {table.differing - len(table.differences):,} more"

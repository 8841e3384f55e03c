"""What all assets have in common: a table becomes an asset, a stage's facts become what Dagster shows.

A room's `assets.py` says which tables a stage writes and what they depend on; names, columns, kinds and owners come
from `tables`, and results, checks and failures are told in one way. Figures keep the same names in every run, so
that Dagster charts them over time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import dagster as dg
from pydantic import Field
from sqlglot import exp

from cdp_pipeline.errors import CdpError, InvariantError, PublicationHeld
from cdp_pipeline.sql.statements import Statement, Statements
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Facts, Run, StageSpec

OWNERS = ["team:data"]
ONE_RUN = dg.BackfillPolicy.single_run()
RETRY = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
WAREHOUSE = "warehouse"
SHOWN = 10_000  # characters of SQL beside an asset


class OpenWarehouse(Protocol):
    """What the resource `warehouse` gives a step."""

    @property
    def connection(self) -> Connection:
        """The warehouse."""

    @property
    def run(self) -> Run:
        """The run, with what now() means in it."""


class StageConfig(dg.Config):
    """How a stage is asked to work."""

    full: bool = Field(default=False, description="Calculate all of it again, whatever has changed.")


def table_key(table: Table, kind: str | None) -> dg.AssetKey:
    """The asset of a table: `cdp/customer_events`, `customer/entity_map`."""
    return dg.AssetKey([kind or "cdp", table.name])


def group_name(room: str, kind: str | None) -> str:
    """The group of an asset: its room, and where every kind of entity has such assets, the kind before it."""
    return f"{kind}_{room}" if kind else room


def table_spec(
    table: Table,
    stage: StageSpec,
    group: str,
    deps: Sequence[dg.AssetKey],
    *,
    partitions: dg.PartitionsDefinition[Any] | None = None,
    metadata: dict[str, Any] | None = None,
    pii: bool = False,
) -> dg.AssetSpec:
    """The asset of a table that a stage writes."""
    schema = stage.schemas["kind" if stage.kind else "cdp"]
    columns = [dg.TableColumn(column.name, column.type, column.meaning) for column in table.public_columns()]
    return dg.AssetSpec(
        table_key(table, stage.kind),
        deps=list(deps),
        description=f"One row is {table.row_means}.",
        group_name=group_name(group, stage.kind),
        kinds={"sql"},
        owners=OWNERS,
        code_version=stage.definition[:16] or "1",
        partitions_def=partitions,
        tags={"layer": group} | ({"pii": "true"} if pii else {}),
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "dagster/table_name": f"{schema}.{table.name}",
        }
        | (metadata or {}),
    )


def sql_metadata(*files: Statements) -> dict[str, Any]:
    """The statements of a stage as they are written, to be read beside its asset; of many the first."""
    text = "\n".join(sql.text() for sql in files)
    if len(text) > SHOWN:
        text = text[: text.rindex("\n", 0, SHOWN)] + "\n-- … `cdp compile` writes all of them, for the engine"
    return {"SQL": dg.MetadataValue.md(f"```sql\n{text}\n```")}


def check_name(invariant: str) -> str:
    """An invariant's name as Dagster wants it: `every event once` is `every_event_once`."""
    return re.sub(r"\W+", "_", invariant.replace("'s", "s"))


def invariant_specs(stage: StageSpec, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a stage's invariants, taken in its transaction before it commits."""
    return [
        dg.AssetCheckSpec(
            check_name(invariant),
            asset=key,
            description=f"Invariant: {invariant}. If it does not hold, the stage publishes nothing and fails.",
        )
        for invariant in stage.invariants
    ]


def run_days(context: dg.AssetExecutionContext) -> tuple[date, date] | None:
    """The days of the run's partitions, both included; None when it has none."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    days = sorted(context.partition_keys)
    return date.fromisoformat(days[0]), date.fromisoformat(days[-1])


def is_selected(context: dg.AssetExecutionContext, key: dg.AssetKey) -> bool:
    """Whether another asset is part of the same run."""
    return key in context.job_def.asset_layer.selected_asset_keys


def stage_results(
    context: dg.AssetExecutionContext,
    stage: StageSpec,
    facts: Facts,
    main: dg.AssetKey,
    rows: Mapping[dg.AssetKey, int | None],
    rows_by_day: Mapping[date, int] | None = None,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Tells Dagster what a stage did.

    Args:
        context: of the step.
        stage: the stage.
        facts: what it did.
        main: the asset that the stage's figures and invariants belong to.
        rows: every asset that the step writes, with its number of rows where it is a table; told are those selected.
        rows_by_day: of a partitioned main asset, the rows of each of `days_told`.
    """
    for key, count in rows.items():
        if key not in context.selected_asset_keys:
            continue
        figures: dict[str, Any] = {} if count is None else {"dagster/row_count": count}
        if key == main:
            of_the_run = {name: _number(value) for name, value in facts.metrics.items()} | {"due": facts.due.value}
            figures |= of_the_run if rows_by_day is None else {f"whole run: {n}": v for n, v in of_the_run.items()}
            _tell_days(context, key, facts, rows_by_day or {})
        yield dg.MaterializeResult(asset_key=key, metadata=figures)
    for invariant in stage.invariants:
        if dg.AssetCheckKey(main, check_name(invariant)) not in context.selected_asset_check_keys:
            continue
        broken = facts.invariants.get(invariant)
        told = {"rows that break it": broken} if broken is not None else {"taken": "not in this run: nothing changed"}
        yield dg.AssetCheckResult(passed=not broken, asset_key=main, check_name=check_name(invariant), metadata=told)


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else round(value, 3)


def days_told(context: dg.AssetExecutionContext, facts: Facts) -> set[date]:
    """The days whose partitions get figures: those of the run, and those that the stage touched beyond them."""
    return {date.fromisoformat(day) for day in _own_days(context)} | {day for day in facts.days if day is not None}


def _own_days(context: dg.AssetExecutionContext) -> set[str]:
    return set(context.partition_keys) if run_days(context) else set()


def _tell_days(
    context: dg.AssetExecutionContext, key: dg.AssetKey, facts: Facts, rows_by_day: Mapping[date, int]
) -> None:
    """Notes the figures of each day on the day's own partition; a run of many days shows the same ones on each else."""
    own = _own_days(context)
    for day, rows in sorted(rows_by_day.items()):
        metadata = {"dagster/partition_row_count": rows} | facts.days.get(day, {})
        if day.isoformat() in own:
            context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())
        else:
            context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata))


def fail(stage: StageSpec, main: dg.AssetKey, error: CdpError) -> Iterator[dg.AssetCheckResult]:
    """Tells Dagster that a stage failed: broken invariants as failed checks, then the failure itself.

    Raises:
        Failure: always; it is tried again only when the error is transient.
    """
    if isinstance(error, InvariantError):
        for invariant in stage.invariants:
            broken = error.checked.get(invariant, 0)
            yield dg.AssetCheckResult(
                passed=not broken,
                asset_key=main,
                check_name=check_name(invariant),
                metadata={"rows that break it": broken},
            )
    raise dg.Failure(str(error), metadata=_facts_of(error), allow_retries=error.transient) from error


def _facts_of(error: CdpError) -> dict[str, Any]:
    """What an error knows in figures."""
    if not isinstance(error, PublicationHeld):
        return {}
    rows = [dg.TableRecord({"value": value, "joins": count}) for value, count in error.responsible.items()]
    columns = [dg.TableColumn("value", "string"), dg.TableColumn("joins", "int")]
    return {
        "published entities": error.entities,
        "would be merged into others": error.merged,
        "largest growth": error.growth,
        "most responsible": dg.MetadataValue.table(rows, dg.TableSchema(columns)),
        "to let it through": f"cdp run --accept-merge {error.run}",
    }


def count_rows(connection: Connection, table: Table, stage: StageSpec) -> int:
    """How many rows a table has."""
    query = exp.select("count(*)").from_(exp.alias_(exp.table_(table.name, table.scope), "t"))
    statement = Statement(f"count.{table.placeholder}", query).bind(stage.schemas)
    return int(connection.fetch(statement)[0][0])


def count_days(connection: Connection, table: Table, stage: StageSpec, days: set[date]) -> dict[date, int]:
    """How many rows a partitioned table has of each of some days; 0 of a day that it has none of."""
    if not days:
        return {}
    day = exp.column("arrived_on", table="t")
    query = exp.select(day, "count(*)").from_(exp.alias_(exp.table_(table.name, table.scope), "t"))
    query = query.where(day.between(exp.Placeholder(this="first"), exp.Placeholder(this="last"))).group_by(day)
    statement = Statement(f"count_days.{table.placeholder}", query).bind(stage.schemas)
    found: dict[date, int] = dict(connection.fetch(statement, first=min(days), last=max(days)))
    return {each: found.get(each, 0) for each in days}

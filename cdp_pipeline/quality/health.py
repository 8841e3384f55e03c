"""The health of a run's tables: a few figures that say whether what the project made of its data is plausible.

A figure is no invariant. It breaks nothing, it may be bad because the data are bad, and a user sets how bad is worth a
warning. So figures are gathered after all stages have committed, in one pass of the engine per subject, and judged once
per run, by `expectations`. Which checks there are follows from the project alone, so that Dagster can declare them
without a warehouse. Each figure is a row of `cdp.metrics` too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.sql.statements import Statement, Statements, from_tree
from cdp_pipeline.warehouse.base import Connection, Schemas
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "health.sql")
_EVENTS = "cdp/customer_events"
_Values = Iterator[tuple[tuple[str, str], float]]


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """One thing to look at after a run: a figure of an asset, and between which values it raises no doubt.

    Attributes:
        asset: the asset that it tells about, such as `customer/attributes/revenue`.
        kind: the entity kind; None for what all kinds share.
        check: its name, unique within the asset, such as `null_share`.
        minimum: the least figure that passes; None: no limit.
        maximum: the greatest figure that passes; None: no limit.
        meaning: what the figure says, in one sentence for people.
    """

    asset: str
    kind: str | None
    check: str
    minimum: float | None = None
    maximum: float | None = None
    meaning: str

    def measured(self, value: float) -> "HealthFigure":
        """The figure that was found."""
        return HealthFigure(**vars(self), value=value)


@dataclass(frozen=True, kw_only=True)
class HealthFigure(HealthCheck):
    """A check with the figure that a run found for it."""

    value: float


def expected_checks(project: Project) -> list[HealthCheck]:
    """Every health check of a project, in flow order; a warehouse is not asked."""
    checks = list(_checks_of_events(project))
    for kind, entity in project.entities.items():
        checks.extend(_checks_of_a_kind(kind, entity))
    return checks


def gather_health(connection: Connection, project: Project, run: Run) -> list[HealthFigure]:
    """Measures what `expected_checks` names, in the same order, and notes every figure in `cdp.metrics`.

    Over no rows a share is 0 (of identified events: 1). The same holds for an attribute that the project has and
    `profiles` does not have yet.
    """
    values = dict(_values_of_events(connection, project))
    for kind in project.entities:
        values.update(_values_of_a_kind(connection, project, kind))
    figures = [check.measured(values[check.asset, check.check]) for check in expected_checks(project)]
    _record(connection, project, run, figures)
    return figures


def read_health(connection: Connection, project: Project, run: Run) -> list[HealthFigure]:
    """What `gather_health` noted in this run; a run that has noted less than all measures now."""
    noted = {
        (asset, check): value
        for asset, check, value in connection.fetch(SQL["noted"].bind({"cdp": project.schema_name}), run=run.run)
    }
    checks = expected_checks(project)
    if any((check.asset, check.check) not in noted for check in checks):
        return gather_health(connection, project, run)
    return [check.measured(noted[check.asset, check.check]) for check in checks]


def _checks_of_events(project: Project) -> Iterator[HealthCheck]:
    yield HealthCheck(
        asset=_EVENTS,
        kind=None,
        check="rejected_share",
        maximum=project.checks.max_rejected_share,
        meaning="Share of the landed rows that were rejected as invalid.",
    )
    yield HealthCheck(
        asset=_EVENTS,
        kind=None,
        check="duplicate_share",
        maximum=project.checks.max_duplicate_share,
        meaning="Share of the landed rows that repeat an event.",
    )


def _checks_of_a_kind(kind: str, entity: Entity) -> Iterator[HealthCheck]:
    yield HealthCheck(
        asset=f"{kind}/stitched_events",
        kind=kind,
        check="identified_share",
        minimum=entity.checks.min_identified_share,
        meaning=f"Share of the events that belong to some {kind}.",
    )
    yield HealthCheck(
        asset=f"{kind}/entity_map",
        kind=kind,
        check="largest_entity",
        maximum=float(entity.checks.max_entity_size),
        meaning=f"Identifiers of the {kind} that has the most of them.",
    )
    for attribute in _shown(entity):
        yield HealthCheck(
            asset=f"{kind}/attributes/{attribute.id}",
            kind=kind,
            check="null_share",
            maximum=entity.checks.max_null_share,
            meaning=f"Share of the {kind} profiles in which {attribute.id} is NULL.",
        )


def _shown(entity: Entity) -> list[Attribute]:
    """The attributes that are columns of `profiles`."""
    return [attribute for attribute in entity.attributes if not attribute.hidden]


def _values_of_events(connection: Connection, project: Project) -> _Values:
    ((events, rejected, invalid, duplicates),) = connection.fetch(SQL["landed"].bind({"cdp": project.schema_name}))
    landed = events + rejected
    yield (_EVENTS, "rejected_share"), _share(invalid, landed)
    yield (_EVENTS, "duplicate_share"), _share(duplicates, landed)


def _values_of_a_kind(connection: Connection, project: Project, kind: str) -> _Values:
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    ((events, of_somebody),) = connection.fetch(SQL["stitched"].bind(schemas))
    yield (f"{kind}/stitched_events", "identified_share"), _share(of_somebody, events, of_none=1.0)
    ((identifiers,),) = connection.fetch(SQL["largest_entity"].bind(schemas))
    yield (f"{kind}/entity_map", "largest_entity"), float(identifiers)
    for attribute, share in _null_shares(connection, entity, schemas).items():
        yield (f"{kind}/attributes/{attribute}", "null_share"), share


def _null_shares(connection: Connection, entity: Entity, schemas: Schemas) -> dict[str, float]:
    """The share of NULL of every shown attribute, from one scan of `profiles`."""
    shares = {attribute.id: 0.0 for attribute in _shown(entity)}
    calculated = {name for name, _ in connection.columns_of(entity.schema_name, "profiles") or ()}
    attributes = [attribute for attribute in shares if attribute in calculated]
    if attributes:
        ((profiles, *filled),) = connection.fetch(_count_filled(attributes).bind(schemas))
        for attribute, count in zip(attributes, filled, strict=True):
            shares[attribute] = _share(profiles - count, profiles)
    return shares


def _count_filled(attributes: Sequence[str]) -> Statement:
    """The query for the number of profiles, and for each attribute the number of those that have it."""
    columns = [exp.column(attribute, table="p", quoted=True) for attribute in attributes]
    counts = [exp.Count(this=counted) for counted in (exp.Star(), *columns)]
    profiles = exp.alias_(exp.table_("profiles", db="kind"), "p", table=True)
    return from_tree("health.count_filled", exp.select(*counts).from_(profiles))


def _share(part: int, whole: int, *, of_none: float = 0.0) -> float:
    return part / whole if whole else of_none


def _record(connection: Connection, project: Project, run: Run, figures: Sequence[HealthFigure]) -> None:
    """Notes the figures in a transaction of their own: they are true whatever becomes of their judgement."""
    columns = {
        "stage": [figure.asset for figure in figures],
        "entity": [figure.kind or "" for figure in figures],
        "metric": [figure.check for figure in figures],
        "value": pa.array([figure.value for figure in figures], pa.float64()),
    }
    with connection.transaction():
        connection.load("health_figures", pa.table(columns))
        statement = SQL["record"].bind({"cdp": project.schema_name})
        connection.run(statement, run=run.run, measured_at=datetime.now(UTC))
        connection.unload("health_figures")

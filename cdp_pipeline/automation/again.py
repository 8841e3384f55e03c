"""The jobs `restitch`, `recalculate` and `refresh_context`: what the verbs of these names do, with run config.

People are named by the ids of their entities, not by identifiers: Dagster keeps a run's config, and what is erased
must not stand there.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import Field

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.operations import again
from cdp_pipeline.operations.again import Report
from cdp_pipeline.operations.names import ENTITY_ID
from cdp_pipeline.warehouse.assets import WAREHOUSE

RESTITCH = "restitch"
RECALCULATE = "recalculate"
REFRESH_CONTEXT = "refresh_context"
_WORK: dict[str, tuple[Callable[..., Report], str]] = {
    RESTITCH: (
        again.restitch,
        "Work out again who is who: of the people named by their entity ids and all whom links tie to them, or of all.",
    ),
    RECALCULATE: (
        again.recalculate,
        "Calculate attributes again: of the people named by their entity ids, or of all.",
    ),
}


class Concerned(dg.Config):
    """Who is concerned, and whether it is only tried."""

    entity_ids: list[str] = Field(default=[], description="Ids of the entities concerned, as customer.profiles has.")
    kind: str = Field(default="", description="The kind of these entities; left out: the project's first.")
    everybody: bool = Field(default=False, description="All entities of all kinds, instead of those named.")
    dry_run: bool = Field(default=False, description="Work it out, tell, and take all of it back.")


class Context(dg.Config):
    """Which context values are concerned, and whether it is only tried."""

    keys: list[str] = Field(default=[], description="Their keys; left out: all.")
    dry_run: bool = Field(default=False, description="Work it out, tell, and take all of it back.")


def build_again_jobs(project: Project) -> list[dg.JobDefinition]:
    """The jobs that have something done again on purpose."""
    jobs = [_build(project, name) for name in _WORK]
    has_context = any(entity.context for entity in project.entities.values())
    return [*jobs, _refresh_context(project)] if has_context else jobs


def is_dry_run(job: str, config: Any) -> bool:
    """Whether a run of these jobs is only tried."""
    of_op = config.get("ops", {}).get(f"do_{job}", {}).get("config", {})
    return job in (*_WORK, REFRESH_CONTEXT) and bool(of_op.get("dry_run"))


def _build(project: Project, name: str) -> dg.JobDefinition:
    work, description = _WORK[name]

    @dg.op(name=f"do_{name}", description=description, out=dg.Out(dg.Nothing), required_resource_keys={WAREHOUSE})
    def again_op(context: dg.OpExecutionContext, config: Concerned) -> None:
        prefix = f"{config.kind}/" if config.kind else ""
        names = [f"{prefix}{ENTITY_ID}:{entity_id}" for entity_id in config.entity_ids]
        try:
            report = work(context.resources.warehouse, names, everybody=config.everybody, dry_run=config.dry_run)
        except CdpError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.add_output_metadata(_metadata(report))

    @dg.job(name=name, description=f"{description} Project {project.name}.", executor_def=dg.in_process_executor)
    def again_job() -> None:
        again_op()

    return again_job


def _refresh_context(project: Project) -> dg.JobDefinition:
    description = "Work out context values again, and the attributes that read those which changed."

    @dg.op(
        name=f"do_{REFRESH_CONTEXT}",
        description=description,
        out=dg.Out(dg.Nothing),
        required_resource_keys={WAREHOUSE},
    )
    def refresh_op(context: dg.OpExecutionContext, config: Context) -> None:
        try:
            report = again.refresh_context(context.resources.warehouse, config.keys, dry_run=config.dry_run)
        except CdpError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.add_output_metadata(_metadata(report))

    @dg.job(
        name=REFRESH_CONTEXT,
        description=f"{description} Project {project.name}.",
        executor_def=dg.in_process_executor,
    )
    def refresh_job() -> None:
        refresh_op()

    return refresh_job


def _metadata(report: Report) -> dict[str, Any]:
    metadata: dict[str, Any] = {"dry run": report.dry_run, "seconds": report.seconds}
    for each in report.kinds:
        metadata |= {
            f"{each.kind}: identifiers moved": each.identities,
            f"{each.kind}: events moved": each.events,
            f"{each.kind}: entities touched": each.entities,
            f"{each.kind}: profiles calculated": each.profiles,
            f"{each.kind}: profiles changed": each.profiles_changed,
            f"{each.kind}: context values changed": each.context_changed,
        }
    return metadata

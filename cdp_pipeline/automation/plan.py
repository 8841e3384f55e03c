"""The job `plan`: what `cdp plan` tells, in Dagster's UI.

Its run rehearses the stages and takes all of it back (see `operations/plan.py`); the figures are metadata of its one
step's output, so that Dagster keeps them. Whoever sees the UI sees no identifier's value: type and identifier_id only.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from cdp_pipeline.automation.resource import PLAN
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError
from cdp_pipeline.operations.plan import KindPlan, PlanReport, plan_changes
from cdp_pipeline.operations.plan_words import (
    attribute_in_words,
    columns_of,
    entity_in_words,
    figures_of,
    notes_of,
    shown_by_its_id,
    stages_of,
)
from cdp_pipeline.warehouse.assets import WAREHOUSE


def build_plan_job(project: Project) -> dg.JobDefinition:
    """The job that compares the project with what is published."""

    @dg.op(
        name="compare",
        description="Rehearse the stages after customer_events and compare what they give with what is published.",
        out=dg.Out(dg.Nothing),
        required_resource_keys={WAREHOUSE},
    )
    def compare(context: dg.OpExecutionContext) -> None:
        try:
            report = plan_changes(context.resources.warehouse)
        except CdpError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.add_output_metadata(plan_metadata(report))
        context.log.info("Nothing would change." if report.changes_nothing else "See the metadata of the output.")

    @dg.job(
        name=PLAN,
        description=f"What the edited project {project.name} would change in what is published: people who merge, "
        "split or change id, values responsible, attributes. Nothing is changed, and no row is left.",
        executor_def=dg.in_process_executor,
    )
    def plan() -> None:
        compare()

    return plan


def plan_metadata(report: PlanReport) -> dict[str, Any]:
    """A plan as Dagster shows it: figures by which runs can be compared, and tables to read."""
    metadata: dict[str, Any] = {"changes nothing": report.changes_nothing}
    for plan in report.kinds:
        figures = {
            "people": plan.people.before,
            "people then": plan.people.after,
            "people merged": plan.people.merged,
            "people split": plan.people.split,
            "people appeared": plan.people.appeared,
            "people vanished": plan.people.vanished,
            "people renamed": plan.people.renamed,
            "identifiers moved": plan.identifiers.moved,
            "events moved": plan.events_moved,
            "profiles changed": plan.profiles.changed,
        }
        metadata |= {f"{plan.kind}: {name}": value for name, value in figures.items()}
        metadata[f"{plan.kind}: in words"] = dg.MetadataValue.md(_in_markdown(plan))
    notes = notes_of(report)
    return metadata | ({"notes": dg.MetadataValue.md("\n".join(f"- {_cell(note)}" for note in notes))} if notes else {})


def _in_markdown(plan: KindPlan) -> str:
    parts = []
    if plan.stages:
        parts.append("\n".join(f"- {_cell(line)}" for line in stages_of(plan)))
    parts.append(_table(("", "now", "then", "of these"), figures_of(plan)))
    parts += [f"**The publication gate would hold it back:** {_cell(reason)}" for reason in plan.gate.reasons]
    for title, values in (
        ("Values that would join several people", plan.responsible),
        ("Values that would go into quarantine", plan.quarantine.values_entered),
    ):
        if values:
            rows = [(shown_by_its_id(value), f"{value.count:,}") for value in values]
            parts.append(f"**{title}**\n\n" + _table(("value", "people"), rows))
    if plan.biggest:
        people = [entity_in_words(entity, shown_by_its_id) for entity in plan.biggest]
        table = _table(("identifiers", "now", "people in it", "some of its identifiers"), people)
        parts.append(f"**The biggest people that were not there like that**\n\n{table}")
    parts += [_cell(line) for line in columns_of(plan)]
    if plan.profiles.attributes:
        attributes = [attribute_in_words(each, name_person=False) for each in plan.profiles.attributes]
        table = _table(("attribute", "profiles", "sum now", "sum then", "largest change"), attributes)
        parts.append(f"**Attributes that would change**\n\n{table}")
    return "\n\n".join(parts)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [names, tuple("---" for _ in names), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """A text that means nothing to Markdown; the rule below a table's head is left."""
    if text == "---":
        return text
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

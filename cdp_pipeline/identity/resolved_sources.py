"""The views `<kind>.resolved_<source>`, one for each source of the project: its events, each with its entity.

One row is an event that the source brought, with its id there, type, version, time, day of arrival and payload, which
is the whole row where the project does not say otherwise; then whose it is now, and the value of that entity's key.
They are views, so they are right at every moment. What a payload holds nobody declares, so its keys are no columns.

The stage follows the sources that are declared: it remembers by which ones the views were made, and takes away those of
sources that left the project.
"""

from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import Statement, Statements, from_tree
from cdp_pipeline.tables import KIND, Table
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "resolved_sources.sql")
# Counted up when the views say something else, so that they are made again.
_METHOD = "1"


def resolved_sources_spec(project: Project, kind: str) -> StageSpec:
    """The stage that keeps the views of a kind; its definition is the sources by which they are made."""
    schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}
    definition = " ".join((_METHOD, *sorted(project.sources)))
    return StageSpec(f"{kind}/resolved_sources", kind, schemas, (), definition)


def resolved_view(source: str) -> Table:
    """The view of a source."""
    return Table(KIND, f"resolved_{source}", f"an event of the source {source}, with its entity").having("""
        event_id uuid: the event
        source_event_id text: the id that the source gave the event
        type text: the kind of event
        version text: the version of the event's schema
        event_time timestamptz: when it happened
        arrived_on date: the day on which it landed
        payload jsonb: what the event says
        entity_id uuid: whose it is; NULL: nobody's
        person_key text: the value of the entity's key, else of the event's anchor, else the event's id
    """)


def resolve_sources(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Makes the view of every source, and takes away those of sources that are declared no more.

    Args:
        connection: the warehouse, whose view `events` is there.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: make sure of them, whatever is due.
    """
    spec = resolved_sources_spec(project, kind)
    with stage(connection, spec, run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        for source in project.sources:
            work.keep_view(resolved_view(source), _view(source))
        for source in _left(work, project):
            work.run(_drop(source))
        _ = work.number
    return work.facts


def _left(work: Work, project: Project) -> list[str]:
    before = work.fetch(SQL["last_sources"], stage=work.spec.asset)
    return sorted({source for (definition,) in before for source in definition.split()[1:]} - project.sources.keys())


def _view(source: str) -> Statement:
    query = SQL["resolved_events"].bind({}, source=exp.Literal.string(source)).tree
    name = exp.table_(resolved_view(source).name, db=KIND)
    return from_tree(
        f"resolved_sources.view.{source}", exp.Create(this=name, kind="VIEW", replace=True, expression=query)
    )


def _drop(source: str) -> Statement:
    view = exp.table_(resolved_view(source).name, db=KIND)
    return from_tree(f"resolved_sources.drop.{source}", exp.Drop(tables=[view], kind="VIEW", exists=True))

"""The stage `<kind>/identity_graph`: which identifiers were seen together, day of arrival by day of arrival.

An event links its anchor with each other identifier, and each identifier with the next by importance. What an event
that changed concerns is worked out again from the events of its day of arrival, never added to or subtracted from, so
that a day can be replaced or an event removed and its links vanish with it. Beside the links the stage keeps
`<kind>/identifiers`, the identifiers in use. Identifiers that came, went, or gained or lost a link are queued for
`entity_map`; a link that was merely seen again asks for nothing.
"""

from datetime import date

from sqlglot import exp

from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.events.landing import Days
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "identity_graph.sql")
INVARIANTS = (
    "every identifier in use has an event",
    "both ends of a link are in use",
    "every event's identifiers are in use",
)
_TEMPORARY = ("changed_sightings", "changed_links", "pairs", "pairs_before", "identifiers_before")


def identity_graph_spec(project: Project, kind: str) -> StageSpec:
    """The stage that keeps the links of a kind of entity."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    definition = " ".join(identifier.type for identifier in entity.identifiers)
    inputs = (f"{kind}/event_identifiers", f"{kind}/decisions")
    return StageSpec(f"{kind}/identity_graph", kind, schemas, inputs, definition, None, INVARIANTS)


def link_identifiers(
    connection: Connection, project: Project, kind: str, run: Run, *, days: Days | None = None, full: bool = False
) -> Facts:
    """Brings links and identifiers up to date with the events that changed.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        days: days of arrival to work out again as well, whatever changed.
        full: work out all links again.

    Raises:
        InvariantError: the result breaks an invariant; nothing was written.
    """
    entity = project.entities[kind]
    with stage(connection, identity_graph_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING and days is None:
            return work.facts
        work.facts.due = Due.CHANGES if work.due is Due.NOTHING else work.due
        _clear(work)
        if work.due is Due.ALL:
            _link_all(work, entity)
        else:
            _link_changed(work, entity, days)
        _measure(work)
        _clear(work)
    return work.facts


def _clear(work: Work) -> None:
    for name in _TEMPORARY:
        work.run(SQL[f"drop_{name}"])


def _priority(entity: Entity) -> exp.Expr:
    """The place of an identifier's type in the project file."""
    case = exp.Case()
    for number, identifier in enumerate(entity.identifiers):
        is_type = exp.column("identifier_type", table="v").eq(identifier.type)
        case = case.when(is_type, exp.Literal.number(number))
    return case


def _link_all(work: Work, entity: Entity) -> None:
    everything = {"concerned": exp.true(), "wanted": exp.true()}
    for table in ("sightings", "links", "identifiers"):
        work.run(SQL[f"remove_all_{table}"])
    work.run(SQL["add_sightings"], everything)
    work.run(SQL["pairs"], everything)
    work.run(SQL["add_links"], everything)
    work.run(SQL["add_identifiers"], everything | {"priority": _priority(entity)})
    _ = work.number


def _link_changed(work: Work, entity: Entity, days: Days | None) -> None:
    first, final = (days.first, days.last) if days is not None else (date.max, date.max)
    work.run(SQL["changed_sightings"], since=work.since, first_day=first, final_day=final)
    work.run(SQL["changed_links"], since=work.since, first_day=first, final_day=final)
    work.run(SQL["identifiers_before"])
    work.run(SQL["pairs_before"])
    for table in ("sightings", "links", "identifiers"):
        work.run(SQL[f"remove_{table}"])
    concerned = {"concerned": _in("e.arrived_on", "arrived_on", "changed_sightings")}
    sighted = _in("(u.arrived_on, u.identifier_id)", "arrived_on, identifier_id", "changed_sightings")
    work.run(SQL["add_sightings"], concerned | {"wanted": sighted})
    work.run(SQL["pairs"], concerned)
    linked = _in("(p.arrived_on, p.identifier_id, p.other_id)", "arrived_on, identifier_id, other_id", "changed_links")
    work.run(SQL["add_links"], {"wanted": linked})
    seen = _in("s.identifier_id", "identifier_id", "changed_sightings")
    work.run(SQL["add_identifiers"], {"wanted": seen, "priority": _priority(entity)})
    work.run(SQL["touch_identifiers"])
    work.run(SQL["touch_links"])
    _ = work.number


def _in(value: str, columns: str, table: str) -> exp.Expr:
    """The condition that a value, or a tuple of values, stands in a temporary table."""
    query = exp.select(*columns.split(", ")).distinct().from_(table)
    return exp.In(this=exp.maybe_parse(value, dialect="postgres"), query=exp.Subquery(this=query))


def _measure(work: Work) -> None:
    everything = work.due is Due.ALL
    names = ("identifiers", "links_by_day", "identifiers_touched")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))
    days = exp.true() if everything else _in("g.arrived_on", "arrived_on", "changed_sightings")
    for day, links in work.fetch(SQL["figures_by_day"], {"days": days}):
        work.facts.days[day] = {"links": links}
    concerned = exp.true() if everything else _in("i.identifier_id", "identifier_id", "changed_sightings")
    unseen = work.fetch(SQL["unseen_identifiers"], {"concerned": concerned})[0][0]
    loose = work.fetch(SQL["loose_links"], {"days": days})[0][0]
    work.facts.invariants["every identifier in use has an event"] = unseen
    work.facts.invariants["both ends of a link are in use"] = loose
    work.must_be_empty("every event's identifiers are in use", SQL["missing_identifiers"], since=work.since)

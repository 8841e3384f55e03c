"""The stage `<kind>/identity_graph`: which identifiers were seen together, day of arrival by day of arrival.

An event links its anchor with each other identifier, and each identifier with the next by importance; a row of an
identity map links its primary id with the ids of its person, and operators' decisions link what they say is one. What
an event or row that changed concerns is worked out again from the events of its day of arrival or the rows of its
primary id, never added to or subtracted from, so that a day can be replaced or an event removed and its links vanish
with it. Beside the links of the days the stage keeps what all days together say (`in_use`): `<kind>/identifiers`, the
identifiers in use, and `<kind>/linked_pairs`. Identifiers that came, went, or gained or lost a link are queued for
`entity_map`, and those of map rows that changed; a link that was merely seen again in events asks for nothing.
"""

from datetime import date

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.events.landing import Days, last_day
from cdp_pipeline.identity import in_use
from cdp_pipeline.identity.renames import count_renames
from cdp_pipeline.identity.same_links import link_decided
from cdp_pipeline.sql.statements import Statements, stands_in
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "identity_graph.sql")
INVARIANTS = (
    "every identifier in use has an event or a map's row",
    "both ends of a link are in use",
    "every event's identifiers are in use",
    "the identifiers of every map's row are in use",
)
# Up to so many days, or this share of all, what changed is added up; to look at more of them thrice costs more than to
# look at all days once.
FEW_DAYS, _MANY_DAYS = 7, 1 / 4
_METHOD = "3"  # counted up when the same definition begins to give other rows
STATEMENTS = (SQL, in_use.SQL)
_DAYS = stands_in("g.arrived_on", "arrived_on", "changed_days")
_EVERYTHING = {
    "concerned": exp.true(),
    "wanted": exp.true(),
    "types": exp.table_("identifier_values", db="kind"),
}


def identity_graph_spec(project: Project, kind: str) -> StageSpec:
    """The stage that keeps the links of a kind of entity."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    definition = " ".join((_METHOD, *(identifier.type for identifier in entity.identifiers)))
    inputs = tuple(f"{kind}/{name}" for name in ("event_identifiers", "identity_maps", "decisions"))
    return StageSpec(f"{kind}/identity_graph", kind, schemas, inputs, definition, None, INVARIANTS)


def link_identifiers(
    connection: Connection, project: Project, kind: str, run: Run, *, days: Days | None = None, full: bool = False
) -> Facts:
    """Brings links and identifiers up to date with the events, rows of identity maps and decisions that changed.

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
        if work.due is Due.ALL:
            _link_all(work, entity)
            ask_all_days = True
        else:
            ask_all_days = _link_changed(work, entity, days)
        loose = link_decided(work) + _loose_ends(work, ask_all_days=ask_all_days)
        _measure(work, loose, Days(project.start, last_day(project, run)))
    return work.facts


def _link_all(work: Work, entity: Entity) -> None:
    for table in ("sightings", "map_sightings", "links"):
        work.run(SQL[f"remove_all_{table}"])
    for name in ("add_sightings", "add_map_sightings", "renames", "pairs", "add_links"):
        work.run(SQL[name], _EVERYTHING)
    in_use.gather_identifiers(work, entity, ask_all_days=True)
    _add_map_links(work, exp.true())
    in_use.gather_pairs(work, ask_all_days=True)
    count_renames(work)
    _ = work.number


def _link_changed(work: Work, entity: Entity, days: Days | None) -> bool:
    """Returns whether all days were asked: somebody asked for days, or many changed."""
    _find_changed(work, days)
    changed, landed = work.fetch(SQL["changed_days_of_all"])[0]
    ask_all_days = days is not None or changed > max(FEW_DAYS, _MANY_DAYS * landed)
    in_use.remember(work, ask_all_days=ask_all_days)
    for table in ("sightings", "links"):
        work.run(SQL[f"remove_{table}"])
    has_new_rows = bool(work.scalar(SQL["any_changed_map_row"]))
    if has_new_rows:
        work.run(SQL["remove_map_sightings"])
        work.run(SQL["remove_map_links"])
        work.run(SQL["add_map_sightings"], {"wanted": stands_in("m.primary_id", "primary_id", "changed_map_rows")})
    concerned = {"concerned": stands_in("e.arrived_on", "arrived_on", "changed_sightings")}
    sighted = stands_in("(u.arrived_on, u.identifier_id)", "arrived_on, identifier_id", "changed_sightings")
    work.run(SQL["add_sightings"], concerned | {"wanted": sighted})
    either = exp.union(
        exp.select("identifier_id").from_("changed_links"), exp.select("identifier_id").from_("changed_ids")
    )
    work.run(SQL["renames"], {"concerned": exp.column("primary_id", table="s").isin(query=either)})
    # An event of two identifiers has one pair, and its anchor stands first in it: most events need not be read.
    anchored = stands_in("e.identifier_ids[1]", "identifier_id", "changed_links")
    longer: exp.Expr = exp.maybe_parse("cdp_size(e.identifier_ids) > 2", dialect="postgres")
    may_have_changed = exp.and_(concerned["concerned"], exp.or_(anchored, longer))
    work.run(SQL["pairs"], {"concerned": may_have_changed, "types": exp.to_table("changed_types")})
    columns = "arrived_on, identifier_id, other_id"
    linked = stands_in("(p.arrived_on, p.identifier_id, p.other_id)", columns, "changed_links")
    work.run(SQL["add_links"], {"wanted": linked})
    in_use.gather_identifiers(work, entity, ask_all_days=ask_all_days)
    if has_new_rows:
        for name in ("turned_links", "remove_turned", "add_turned"):
            work.run(SQL[name])
        changed = stands_in("(s.primary_id, s.identifier_id)", "identifier_id, other_id", "changed_map_pairs")
        _add_map_links(work, changed)
    in_use.gather_pairs(work, ask_all_days=ask_all_days)
    in_use.queue_touched(work)
    count_renames(work)
    _ = work.number
    return ask_all_days


def _find_changed(work: Work, days: Days | None) -> None:
    """What is to be worked out again."""
    first, final = (days.first, days.last) if days is not None else (date.max, date.max)
    work.run(SQL["changed_carriers"], since=work.since, first_day=first, final_day=final)
    for name in ("changed_sightings", "changed_types", "changed_links"):
        work.run(SQL[name])
    work.run(SQL["changed_map_rows"], since=work.since)
    if days is not None:
        work.run(SQL["add_map_rows_of_days"], since=work.since, first_day=first, final_day=final)
    for name in ("changed_map_pairs", "changed_days", "changed_ids"):
        work.run(SQL[name])


def _add_map_links(work: Work, concerned: exp.Expr) -> None:
    if not work.scalar(SQL["any_map_sighting"]):
        return
    work.connection.open_days(
        (day for (day,) in work.fetch(SQL["map_days"], {"concerned": concerned})), tables.IDENTITY_GRAPH
    )
    work.run(SQL["add_map_links"], {"concerned": concerned})


def _unseen(work: Work) -> int:
    """How many identifiers are in use that nothing holds."""
    concerned: exp.Expr = exp.true()
    if work.due is not Due.ALL:
        work.run(SQL["on_changed_days"])
        changed, seen = (
            stands_in("i.identifier_id", "identifier_id", name) for name in ("changed_ids", "on_changed_days")
        )
        concerned = exp.and_(changed, exp.not_(seen))
    return int(work.fetch(SQL["unseen_identifiers"], {"concerned": concerned})[0][0])


def _loose_ends(work: Work, *, ask_all_days: bool) -> int:
    """How many ends of links are not in use: of the links of the changed days, or of all pairs."""
    if ask_all_days:
        work.run(SQL["all_link_ends"])
    else:
        work.run(SQL["link_ends"], {"days": _DAYS})
    return int(work.scalar(SQL["loose_links"]))


def _measure(work: Work, loose: int, window: Days) -> None:
    names = ("identifiers", "links_by_day", "identifiers_touched")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))
    days = exp.true() if work.due is Due.ALL else _DAYS
    for day, links in work.fetch(SQL["figures_by_day"], {"days": days}):
        if day in window:  # rows of maps say times of their own
            work.facts.days[day] = {"links": links}
    work.facts.invariants |= {INVARIANTS[0]: _unseen(work), INVARIANTS[1]: loose}
    work.run(SQL["carried_now"], since=work.since)
    work.must_be_empty(INVARIANTS[2], SQL["missing_identifiers"])
    work.must_be_empty(INVARIANTS[3], SQL["missing_map_identifiers"], since=work.since)

"""The stage `<kind>/profiles`: from the events of each entity to what is known about it.

It calculates the entities that gained or lost events, and those that somebody marked by hand, always from all of their
events; so an incremental run gives what a full one gives. Beside that an attribute whose definition changed, or which
reads a context value that did, is calculated for everyone, and one that reads the clock for those whose value may have
changed as time passed: see `working_out`. There is no query per entity: each slice of entities is one statement.

`calculated` says when a profile was last worked out, `modified` when a value of it last became another one.
"""

import hashlib
import json

from sqlglot import exp

from cdp_pipeline.attributes.changes import note_changes
from cdp_pipeline.attributes.culprit import explain_failure
from cdp_pipeline.attributes.graph import Node, graph_of
from cdp_pipeline.attributes.keys import WITHOUT_ROWS
from cdp_pipeline.attributes.plan import SQL, named
from cdp_pipeline.attributes.states import definition_hashes, has_aged, read_states, write_states
from cdp_pipeline.attributes.table import has_columns_of, make_table, make_view
from cdp_pipeline.attributes.working_out import CalculationError, WorkingOut
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.tables import ATTRIBUTES, KIND, PROFILES
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

# Each invariant, and the statement that counts what breaks it.
INVARIANTS = {
    "every entity with events has a profile": "entities_without_profile",
    "every profile has events": "profiles_without_events",
    "one profile per entity": "doubled_profiles",
    "every profile's entity exists": "profiles_of_nobody",
}


def profiles_spec(project: Project, kind: str) -> StageSpec:
    """The stage that calculates the profiles of a kind of entity."""
    entity = project.entities[kind]
    return StageSpec(
        f"{kind}/profiles",
        kind,
        {"cdp": project.schema_name, "kind": entity.schema_name},
        (f"{kind}/stitched_events", f"{kind}/entity_map"),
        _definition(entity),
        SQL["marks"],
        tuple(INVARIANTS),
        in_parts=True,
        has_aged=has_aged(project, kind),
    )


def shown(entity: Entity) -> list[Attribute]:
    """The attributes that are kept in the profiles."""
    return [attribute for attribute in entity.attributes if not attribute.hidden]


def _definition(entity: Entity) -> str:
    """A hash of all that decides what the profiles hold, and when it is due; not of what only describes it."""
    graph = graph_of(entity)
    kept = [attribute.id for attribute in shown(entity)]
    needed = {Node("attribute", name) for name in kept} | {Node("context", each.key) for each in entity.context}
    hashes = definition_hashes(entity, graph)
    ages = {each.key: each.max_age for each in entity.context}
    parts = [kept, {str(node): hashes[node] for node in graph.read_by(needed)}, ages]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def calculate_profiles(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Calculates the profiles that are due.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: calculate all of them again; context values stay as they are for as long as they are not due.

    Raises:
        InvariantError: the result breaks an invariant; nothing was written.
        WarehouseError: an attribute cannot be calculated for some event; the message names both. Nothing was written.
        SqlError: an attribute is wrong, as `validate` would have told.
    """
    entity = project.entities[kind]
    spec = profiles_spec(project, kind)
    profiles: _Profiles | None = None
    try:
        with stage(connection, spec, run, full=full) as work:
            if work.due is not Due.NOTHING:
                profiles = _Profiles(work, entity)
                profiles.publish()
    except CalculationError as error:
        assert profiles is not None
        raise profiles.explain(connection, spec, error) from error
    return work.facts


class _Profiles:
    """The work of one transaction."""

    def __init__(self, work: Work, entity: Entity) -> None:
        self._work = work
        self._entity = entity
        self._graph = graph_of(entity)
        self._states = read_states(work, entity, self._graph)
        if work.connection.columns_of(entity.schema_name, PROFILES.name) is None:
            work.facts.due = Due.ALL
        self._working_out = WorkingOut(work, entity, self._graph, self._states)
        self._calculations = self._working_out.calculations

    @property
    def _everyone(self) -> bool:
        return self._working_out.everyone

    def publish(self) -> None:
        """Calculates what is due, puts it in the place of what was there, and empties the queue."""
        everything = self._work.due is Due.ALL
        fresh = self._make_room()
        self._work.run(SQL["due_all" if everything else "due_changes"])
        if not everything:
            self._work.run(SQL["due_stitched"])
        self._working_out.fill(fresh)
        self._replace()
        self._work.run(SQL["empty_queue"])
        write_states(self._work, self._states, self._graph, self._working_out.context.ages())
        self._audit()
        # Whatever came of it, the inputs were taken in up to here.
        _ = self._work.number

    def explain(self, connection: Connection, spec: StageSpec, error: CalculationError) -> Exception:
        """The error that names the attribute at fault."""
        readable = self._working_out.readable
        attributes = [each for each in self._entity.attributes if each.type not in WITHOUT_ROWS]
        owned = readable.base(SQL["owned_events"].tree)
        found = explain_failure(
            connection, spec, attributes, error, relations=readable.relations, owned=owned, bind=self._working_out.bind
        )
        return self._working_out.failing_derived(owned, error) if found is error else found

    def _make_room(self) -> set[str]:
        """Gives the table the columns of the attributes, and makes the view over it; the columns that are new."""
        work, schema = self._work, self._entity.schema_name
        same = has_columns_of(work.connection, schema, self._calculations)
        fresh = set() if same else make_table(work, self._calculations, empty=work.due is Due.ALL)
        if not same or work.connection.columns_of(schema, ATTRIBUTES.name) is None:
            make_view(work, self._calculations)
        return fresh

    def _ids(self) -> list[str]:
        return [calculation.id for calculation in self._calculations]

    def _replace(self) -> None:
        work = self._work
        work.measure(profiles_removed=work.scalar(SQL["profiles_removed"].bind({}, concerned=self._concerned())))
        work.run(SQL["unchanged_profiles"], {"same": self._same_values()})
        work.run(SQL["forget_all" if self._everyone else "forget_due"])
        work.run(self._insertion(), now=work.now, as_of=work.current_run.as_of)
        note_changes(work, self._concerned(), everything=self._everyone)

    def _insertion(self) -> Statement:
        rows = SQL["rows"].tree
        assert isinstance(rows, exp.Select)
        names = ["entity_id", "person_key", "calculated", "valid_at", "modified", *self._ids()]
        rows = rows.select(*(exp.column(name, table="v", quoted=True) for name in self._ids()))
        columns = [exp.to_identifier(name, quoted=True) for name in names]
        return named("insert", exp.insert(rows, exp.table_(PROFILES.name, db=KIND), columns=columns))

    def _same_values(self) -> exp.Expr:
        pairs = [(exp.column("value", table="i"), exp.column("person_key", table="p"))]
        pairs += [(exp.column(n, table="v", quoted=True), exp.column(n, table="p", quoted=True)) for n in self._ids()]
        return exp.and_(*(exp.NullSafeEQ(this=new, expression=old) for new, old in pairs))

    def _audit(self) -> None:
        work = self._work
        names = ("entities_calculated", "profiles", "profiles_changed")
        if not self._everyone:
            work.run(SQL["profiles_now"])
        profiles = exp.table_(PROFILES.name, db=KIND) if self._everyone else exp.to_table("profiles_now")
        figures = work.fetch(SQL["figures"], {"profiles": profiles}, now=work.now)[0]
        work.measure(**dict(zip(names, figures, strict=True)), **self._working_out.figures)
        for invariant, name in INVARIANTS.items():
            counted = work.fetch(SQL[name], {"profiles": profiles, "stitched": self._stitched()})
            work.facts.invariants[invariant] = counted[0][0]

    def _concerned(self) -> exp.Expr:
        """Whether a profile `p` is of an entity that this transaction touches."""
        if self._everyone:
            return exp.true()
        return exp.column("entity_id", table="p").isin(query=exp.select("d.entity_id").from_("profile_due as d"))

    def _stitched(self) -> exp.Expr:
        """The stitched events of the entities that this transaction touches."""
        if self._everyone:
            return exp.table_("stitched_events", db=KIND)
        if self._working_out.touches_more:
            return exp.Subquery(this=SQL["touched_stitched"].tree)
        return exp.to_table("due_stitched")

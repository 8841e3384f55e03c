"""The stage `<kind>/profiles`: from the events of each entity to what is known about it.

It calculates the entities that gained or lost events, and those that somebody marked by hand, always from all of their
events; so an incremental run gives what a full one gives. There is no query per entity: each slice of entities is one
statement. Slices are ranges of the entity's id, which is a hash, so that they are about equal and memory is bounded.

`calculated` says when a profile was last worked out, `modified` when a value of it last became another one.
"""

import hashlib
import json
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation, calculation_of
from cdp_pipeline.attributes.changes import note_changes
from cdp_pipeline.attributes.culprit import explain_failure, first_line
from cdp_pipeline.attributes.plan import SQL, Plan, named
from cdp_pipeline.attributes.query import results_query
from cdp_pipeline.attributes.table import VALUES, has_columns_of, make_table, make_values, make_view
from cdp_pipeline.config.model import Attribute, Entity, Project
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.progress import report
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.tables import ATTRIBUTES, KIND, PROFILES
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

EVENTS_PER_SLICE = 2_500_000
# Counted up when the same definition begins to give other values, so that every profile is calculated again.
_METHOD = 1
_DECIDING = {"id", "type", "value", "sources", "events", "version", "filter", "data_type", "default"}
# Each invariant, the statement that counts what breaks it, and the alias in it whose entities are concerned.
INVARIANTS = {
    "every entity with events has a profile": "entities_without_profile",
    "every profile has events": "profiles_without_events",
    "one profile per entity": "doubled_profiles",
    "every profile's entity exists": "profiles_of_nobody",
}
_IDS = 1 << 128


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
    )


def shown(entity: Entity) -> list[Attribute]:
    """The attributes that are kept in the profiles."""
    return [attribute for attribute in entity.attributes if not attribute.hidden]


def _definition(entity: Entity) -> str:
    """A hash of all that decides what the profiles hold; not of what only describes it."""
    parts = [attribute.model_dump(mode="json", include=_DECIDING) for attribute in shown(entity)]
    return hashlib.sha256(json.dumps([_METHOD, parts], sort_keys=True).encode()).hexdigest()


def calculate_profiles(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Calculates the profiles that are due.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: calculate all of them again.

    Raises:
        InvariantError: the result breaks an invariant; nothing was written.
        WarehouseError: an attribute cannot be calculated for some event; the message names both. Nothing was written.
        SqlError: an attribute is wrong, as `validate` would have told.
    """
    entity = project.entities[kind]
    spec = profiles_spec(project, kind)
    try:
        with stage(connection, spec, run, full=full) as work:
            if work.due is not Due.NOTHING:
                _Profiles(work, entity).publish()
    except _CalculationError as error:
        raise explain_failure(connection, spec, shown(entity), error) from error
    return work.facts


class _CalculationError(WarehouseError):
    """The statement that calculates attributes failed."""


def _calculation(attribute: Attribute, plan: Plan, kind: str) -> Calculation:
    try:
        return calculation_of(attribute, plan)
    except (SqlError, WarehouseError) as error:
        said = first_line(error) if isinstance(error, WarehouseError) else str(error)
        raise SqlError(f"{kind} attribute {attribute.id}: {said}") from error


class _Profiles:
    """The work of one transaction."""

    def __init__(self, work: Work, entity: Entity) -> None:
        self._work = work
        self._schema = entity.schema_name
        self._plan = Plan(work.connection)
        self._calculations = [_calculation(attribute, self._plan, entity.kind) for attribute in shown(entity)]
        self._same_columns = has_columns_of(work.connection, self._schema, self._calculations)
        if not self._same_columns:
            work.facts.due = Due.ALL

    @property
    def _everything(self) -> bool:
        return self._work.due is Due.ALL

    def publish(self) -> None:
        """Calculates what is due, puts it in the place of what was there, and empties the queue."""
        self._work.run(SQL["due_all" if self._everything else "due_changes"])
        if not self._everything:
            self._work.run(SQL["due_stitched"])
        self._calculate()
        self._replace()
        self._work.run(SQL["empty_queue"])
        self._audit()
        # Whatever came of it, the inputs were taken in up to here.
        _ = self._work.number

    def _calculate(self) -> None:
        make_values(self._work, self._calculations)
        query = results_query(
            self._plan, self._calculations, SQL["due_events"].bind({}, stitched=self._stitched()).tree
        )
        columns = [exp.to_identifier(name, quoted=True) for name in ("entity_id", *self._ids())]
        statement = named("calculate", exp.insert(query, VALUES, columns=columns))
        slices = -(-self._count("count_due_events") // EVENTS_PER_SLICE)
        for number in range(slices):
            report(self._work.spec.asset, number, slices)
            low, high = number * _IDS // slices, (number + 1) * _IDS // slices - 1
            try:
                self._work.run(statement, low=str(UUID(int=low)), high=str(UUID(int=high)))
            except WarehouseError as error:
                if error.transient:
                    raise
                raise _CalculationError(str(error), statement=error.statement) from error
        if slices:
            report(self._work.spec.asset, slices, slices)

    def _ids(self) -> list[str]:
        return [calculation.id for calculation in self._calculations]

    def _replace(self) -> None:
        work = self._work
        there = work.connection.columns_of(self._schema, PROFILES.name) is not None
        work.measure(profiles_removed=self._count("profiles_removed") if there else 0)
        if not self._same_columns:
            make_table(work, self._calculations)
        if not self._same_columns or work.connection.columns_of(self._schema, ATTRIBUTES.name) is None:
            make_view(work, self._calculations)
        work.run(SQL["profile_before"], {"concerned": self._concerned()})
        work.run(SQL["forget_all" if self._everything else "forget_due"])
        work.run(self._insertion(), now=work.now, as_of=work.current_run.as_of)
        note_changes(work, self._concerned(), everything=self._everything)

    def _insertion(self) -> Statement:
        rows = SQL["rows"].bind({}, same=self._same_values()).tree
        assert isinstance(rows, exp.Select)
        names = ["entity_id", "person_key", "calculated", "valid_at", "modified", *self._ids()]
        rows = rows.select(*(exp.column(name, table="v", quoted=True) for name in self._ids()))
        columns = [exp.to_identifier(name, quoted=True) for name in names]
        return named("insert", exp.insert(rows, exp.table_(PROFILES.name, db=KIND), columns=columns))

    def _same_values(self) -> exp.Expr:
        pairs = [(exp.column("value", table="i"), exp.column("person_key", table="b"))]
        pairs += [(exp.column(n, table="v", quoted=True), exp.column(n, table="b", quoted=True)) for n in self._ids()]
        return exp.and_(*(exp.NullSafeEQ(this=new, expression=old) for new, old in pairs))

    def _audit(self) -> None:
        work = self._work
        names = ("entities_calculated", "profiles", "profiles_changed")
        figures = work.fetch(SQL["figures"], {"concerned": self._concerned()}, now=work.now)[0]
        work.measure(**dict(zip(names, figures, strict=True)))
        for invariant, statement in INVARIANTS.items():
            work.facts.invariants[invariant] = self._count(statement)

    def _count(self, statement: str) -> int:
        return int(
            self._work.fetch(SQL[statement], {"concerned": self._concerned(), "stitched": self._stitched()})[0][0]
        )

    def _concerned(self) -> exp.Expr:
        """Whether a profile `p` is of an entity that this transaction touches."""
        if self._everything:
            return exp.true()
        return exp.column("entity_id", table="p").isin(query=exp.select("d.entity_id").from_("profile_due as d"))

    def _stitched(self) -> exp.Expr:
        """The stitched events of the entities that this transaction touches."""
        return exp.table_("stitched_events", db=KIND) if self._everything else exp.to_table("due_stitched")

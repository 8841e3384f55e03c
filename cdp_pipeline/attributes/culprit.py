"""Who is at fault when attributes cannot be calculated: which attribute, and which event or entity.

A failed statement names neither, for it calculates all attributes of many entities at once. So, after it was rolled
back, the attributes are tried one by one: first what each reads of every event, then what it makes of each entity.
Where even that fails, the first error stands as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from cdp_pipeline.attributes.attempts import fails
from cdp_pipeline.attributes.calculation import Calculation, calculation_of
from cdp_pipeline.attributes.definition_errors import first_line
from cdp_pipeline.attributes.plan import Plan, Relation, Rows, named
from cdp_pipeline.attributes.query import results_query, with_places, with_rows
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.sql.statements import Statement, from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import StageSpec


def explain_failure(
    connection: Connection,
    spec: StageSpec,
    attributes: Sequence[Attribute],
    error: WarehouseError,
    *,
    relations: Mapping[str, Relation],
    owned: exp.Expr,
    bind: Callable[[exp.Expr], exp.Expr],
) -> WarehouseError:
    """The error that names the attribute at fault and, if it can be found, an event or entity that it fails on.

    Args:
        connection: the warehouse, outside a transaction.
        spec: the stage that failed.
        attributes: what it calculated, of types that read rows one by one.
        error: what the engine said; given back when no attribute by itself fails.
        relations: what the attributes may read.
        owned: the query of all events with their entities.
        bind: puts the time and context values in their places.
    """
    search = _Search(connection, spec, owned, bind)
    for find in (search.failing_event, search.failing_entity):
        for attribute in attributes:
            plan = Plan(connection, relations)
            calculation = calculation_of(attribute, plan)
            try:
                found = find(plan, calculation)
            except WarehouseError:
                continue
            if found is not None:
                where, said = found
                return WarehouseError(
                    f"{spec.kind} attribute {attribute.id}: {said} ({where}). Nothing was written. Let the attribute's "
                    "`filter` leave out what it cannot use, or read it with a CASE, in project.yaml.",
                    statement=error.statement,
                )
    return error


@dataclass(frozen=True)
class _Search:
    """The search for what one attribute fails on; both ways give where that is and what the engine says to it."""

    connection: Connection
    spec: StageSpec
    owned: exp.Expr
    bind: Callable[[exp.Expr], exp.Expr]

    def failing_event(self, plan: Plan, _: Calculation) -> tuple[str, str] | None:
        """Looks for an event of which a column cannot be worked out."""
        of_events = (rows for rows in plan.rows if rows.columns)
        return next((found for found in (self._failing_row(plan, rows) for rows in of_events) if found), None)

    def failing_entity(self, plan: Plan, calculation: Calculation) -> tuple[str, str] | None:
        """Looks for an entity of whose aggregates the value cannot be worked out."""
        raw = [Calculation(part.name, exp.column(part.name, table="v"), part.type) for part in plan.aggregates]
        aggregates = results_query(plan, raw, self.owned)
        try:
            self._fetch(named("aggregates", largest(aggregates, [part.id for part in raw])))
        except WarehouseError as error:
            return "over all events of an entity", first_line(error)
        entity_id = exp.column("entity_id", table="v")
        source = aggregates.subquery("v")
        failing = exp.select(exp.func("cdp_any", entity_id)).from_(source).where(fails(calculation.tree))
        entity = self._fetch(named("failing_entity", failing))[0][0]
        if entity is None:
            return None
        shown = exp.select(exp.cast(calculation.tree.copy(), "text")).from_(source).where(_is(entity_id, entity))
        return f"entity {entity}", self._said(named("entity", shown))

    def _failing_row(self, plan: Plan, rows: Rows) -> tuple[str, str] | None:
        event_id = rows.event_id
        if event_id is None:
            return None
        source, placed = with_places(plan, rows, self.owned, [part.tree for part in rows.columns])
        failing = exp.select(exp.func("cdp_any", event_id)).from_(source).where(exp.or_(*map(fails, placed)))
        event = self._fetch(named("failing_event", with_rows(failing, plan, rows.ancestors, self.owned)))[0][0]
        if event is None:
            return None
        texts = [exp.Max(this=exp.cast(tree.copy(), "text")) for tree in placed]
        shown = exp.select(*texts).from_(source).where(_is(event_id, event))
        return f"event {event}", self._said(named("event", with_rows(shown, plan, rows.ancestors, self.owned)))

    def _fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        bound = from_tree(statement.name, self.bind(statement.tree))
        return self.connection.fetch(bound.bind(self.spec.schemas))

    def _said(self, statement: Statement) -> str:
        """What the engine says against a statement."""
        try:
            self._fetch(statement)
        except WarehouseError as error:
            return first_line(error)
        return "it cannot be calculated"


def _is(column: exp.Column, value: object) -> exp.Expr:
    return column.copy().eq(exp.cast(exp.Literal.string(str(value)), "uuid"))


def largest(query: exp.Select, names: Sequence[str]) -> exp.Select:
    """A query of one row for which the engine has to work out every column."""
    columns = [exp.Max(this=exp.cast(exp.column(name, table="r", quoted=True), "text")) for name in names]
    return exp.select(exp.Count(this=exp.Star()), *columns).from_(query.subquery("r"))

"""Who is at fault when attributes cannot be calculated: which attribute, and which event or entity.

A failed statement names neither, for it calculates all attributes of many entities at once. So, after it was rolled
back, the attributes are tried one by one: first what each reads of every event, then what it makes of each entity.
Where even that fails, the first error stands as it is.
"""

from collections.abc import Callable, Sequence

from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation, calculation_of
from cdp_pipeline.attributes.plan import SQL, Plan, named
from cdp_pipeline.attributes.query import results_query, with_places
from cdp_pipeline.config.model import Attribute
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import StageSpec


def explain_failure(
    connection: Connection, spec: StageSpec, attributes: Sequence[Attribute], error: WarehouseError
) -> WarehouseError:
    """The error that names the attribute at fault and, if it can be found, an event or entity that it fails on.

    Args:
        connection: the warehouse, outside a transaction.
        spec: the stage that failed.
        attributes: what it calculated.
        error: what the engine said; given back when no attribute by itself fails.
    """
    for find in (_failing_event, _failing_entity):
        for attribute in attributes:
            plan = Plan(connection)
            calculation = calculation_of(attribute, plan)
            try:
                found = find(lambda s: connection.fetch(s.bind(spec.schemas)), plan, calculation)
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


_Fetch = Callable[[Statement], list[tuple[object, ...]]]


def _failing_event(fetch: _Fetch, plan: Plan, _: Calculation) -> tuple[str, str] | None:
    trees = [part.tree for part in plan.columns]
    if not trees:
        return None
    source, placed = with_places(plan, SQL["owned_events"].tree, trees)
    event_id = exp.column("event_id", table="f")
    failing = exp.select(exp.func("cdp_any", event_id)).from_(source).where(exp.or_(*(_fails(tree) for tree in placed)))
    event = fetch(named("failing_event", failing))[0][0]
    if event is None:
        return None
    shown = [exp.cast(tree.copy(), "text") for tree in placed]
    only = event_id.copy().eq(exp.cast(exp.Literal.string(str(event)), "uuid"))
    return f"event {event}", _said(fetch, named("event", exp.select(*shown).from_(source).where(only)))


def _failing_entity(fetch: _Fetch, plan: Plan, calculation: Calculation) -> tuple[str, str] | None:
    raw = [Calculation(part.name, exp.column(part.name, table="v"), part.type) for part in plan.aggregates]
    aggregates = results_query(plan, raw, SQL["owned_events"].tree)
    try:
        fetch(named("aggregates", _largest(aggregates, raw)))
    except WarehouseError as error:
        return "over all events of an entity", first_line(error)
    entity_id = exp.column("entity_id", table="v")
    failing = exp.select(exp.func("cdp_any", entity_id)).from_(aggregates.subquery("v")).where(_fails(calculation.tree))
    entity = fetch(named("failing_entity", failing))[0][0]
    if entity is None:
        return None
    only = entity_id.copy().eq(exp.cast(exp.Literal.string(str(entity)), "uuid"))
    shown = exp.select(exp.cast(calculation.tree.copy(), "text")).from_(aggregates.subquery("v")).where(only)
    return f"entity {entity}", _said(fetch, named("entity", shown))


def _fails(tree: exp.Expr) -> exp.Expr:
    """True where working out the tree is an error."""
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    known = exp.Case().when(tree.copy().is_(exp.null()), zero).else_(one)
    tried = exp.func("cdp_try", known, exp.cast(exp.null(), "integer"))
    return tried.is_(exp.null())


def _largest(query: exp.Select, parts: Sequence[Calculation]) -> exp.Select:
    """A query of one row for which the engine has to work out every column."""
    columns = [exp.Max(this=exp.cast(exp.column(part.id, table="r", quoted=True), "text")) for part in parts]
    return exp.select(exp.Count(this=exp.Star()), *columns).from_(query.subquery("r"))


def _said(fetch: _Fetch, statement: Statement) -> str:
    """What the engine says against a statement."""
    try:
        fetch(statement)
    except WarehouseError as error:
        return first_line(error)
    return "it cannot be calculated"


def first_line(error: WarehouseError) -> str:
    """What the engine said, without the statement's name and text."""
    line = str(error).splitlines()[0]
    return line.partition(": ")[2] or line

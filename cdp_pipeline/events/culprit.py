"""Which stitching rule cannot be worked out, and for which event.

A failed statement names neither, for it reads all rules of many events at once. So, after it was rolled back, the rules
are tried one by one. Where none fails by itself, the first error stands as it is.
"""

from sqlglot import exp

from cdp_pipeline.config.model import Entity, StitchingRule
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.events.stitching_rules import bind_event, names_condition, rule_condition
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import StageSpec

SQL = Statements(__package__, "event_identifiers.sql")


def explain_failure(connection: Connection, spec: StageSpec, entity: Entity, error: WarehouseError) -> WarehouseError:
    """The error that names the rule at fault and an event that it fails on.

    Args:
        connection: the warehouse, outside a transaction.
        spec: the stage that failed.
        entity: whose rules it read.
        error: what the engine said; given back when no rule by itself fails.
    """
    for number, rule in enumerate(entity.stitching):
        for field, condition, tree in _parts(rule):
            try:
                found = _failing_event(connection, spec, condition, tree)
            except WarehouseError:
                continue
            if found is not None:
                event, said = found
                return WarehouseError(
                    f"entities.{entity.kind}.stitching[{number}].{field} cannot be worked out for event {event}: "
                    f"{said.rstrip('.')}. Nothing was written. Guard it with a condition, or cast only what fits.",
                    statement=error.statement,
                )
    return error


def _parts(rule: StitchingRule) -> list[tuple[str, exp.Expr, exp.Expr]]:
    """What a rule works out: the field, for which events, and the tree."""
    value = ("value", rule_condition(rule) or exp.true(), bind_event(rule.value))
    condition = rule_condition(rule)
    if rule.where is None or condition is None:
        return [value]
    return [("where", names_condition(rule) or exp.true(), condition), value]


def _failing_event(
    connection: Connection, spec: StageSpec, condition: exp.Expr, tree: exp.Expr
) -> tuple[str, str] | None:
    """An event for which the tree is an error, as `event_id (source, id)`, and what the engine says."""
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    known = exp.Case().when(tree.copy().is_(exp.null()), zero).else_(one)
    tried = exp.func("cdp_try", known, exp.cast(exp.null(), "integer"))
    fails = exp.Case().when(condition.copy(), tried.is_(exp.null())).else_(exp.false())
    rows = connection.fetch(SQL["failing_event"].bind(spec.schemas, fails=fails))
    if not rows:
        return None
    event, source, of_source = rows[0]
    try:
        connection.fetch(SQL["read_event"].bind(spec.schemas, value=exp.cast(tree.copy(), "text")), event=event)
    except WarehouseError as error:
        return f"{event} ({source}, {of_source})", first_line(error)
    return f"{event} ({source}, {of_source})", "it is an error"


def first_line(error: WarehouseError) -> str:
    """What the engine said, without the statement's name and text."""
    line = str(error).splitlines()[0]
    return line.partition(": ")[2] or line

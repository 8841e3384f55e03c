"""Stitching rules as trees over `e`, a row of customer_events."""

from sqlglot import exp

from cdp_pipeline.config.model import IdentifierType, StitchingRule
from cdp_pipeline.sql.expressions import bind_known, parse_expression

_STEPS = {"trim": "trim", "lower": "lower", "upper": "upper", "digits": "cdp_digits"}
EVENT_COLUMNS = {"id": "event_id", "source_id": "source_id", "type": "type", "version": "version",
                 "event_time": "event_time", "payload": "payload"}  # fmt: skip


def bind_event(text: str) -> exp.Expr:
    """An expression over an event, bound to `e`.

    Raises:
        SqlError: the expression is not allowed, or reads a column that an event does not have.
    """
    known: dict[str, exp.Expr] = {name: exp.column(column, table="e") for name, column in EVENT_COLUMNS.items()}
    return bind_known(parse_expression(text), known)


def names_condition(rule: StitchingRule) -> exp.Expr | None:
    """Which events a rule reads by their source, type and version; None: all."""
    conditions: list[exp.Expr] = []
    if rule.source:
        by_name, by_itself = (exp.column(name, table="e").isin(*rule.source) for name in ("landed_from", "source_id"))
        conditions.append(exp.or_(by_name, by_itself))
    for column, names in (("type", rule.events), ("version", rule.version)):
        if names:
            conditions.append(exp.column(column, table="e").isin(*names))
    return exp.and_(*conditions) if conditions else None


def rule_condition(rule: StitchingRule) -> exp.Expr | None:
    """Which events a rule reads, as a condition that is true or NULL; None: all.

    An engine may evaluate all sides of an AND. So the parts of `where` become nested CASEs, and each is only tried on
    events for which those before it hold: a cast may follow the condition that guards it.
    """
    names = names_condition(rule)
    if rule.where is None:
        return names
    where = bind_event(rule.where)
    while isinstance(where, exp.Paren):
        where = where.this
    parts = [part.copy() for part in where.flatten()] if isinstance(where, exp.And) else [where]
    return guarded(exp.true(), [*([] if names is None else [names]), *parts])


def normalised(identifier: IdentifierType, value: exp.Expr) -> exp.Expr:
    """A raw value as it is kept: brought into one form by the steps that its type asks for."""
    for step in identifier.normalize:
        value = exp.func(_STEPS[step], value)
    return value


def guarded(tree: exp.Expr, conditions: list[exp.Expr]) -> exp.Expr:
    """The tree where all conditions hold, tried in their order; else NULL."""
    for condition in reversed(conditions):
        tree = exp.Case().when(condition.copy(), tree)
    return tree

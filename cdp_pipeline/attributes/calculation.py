"""One attribute: from what the user wrote to a tree over the entity's aggregates, with its type.

Over no rows an attribute has PostgreSQL's aggregate (0 for counts, else NULL); then comes the cast to `data_type`, then
`default`. That order lets a default be written in the attribute's own type.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.aggregates import aggregate_expression
from cdp_pipeline.attributes.attribute_types import CALCULATIONS
from cdp_pipeline.attributes.families import convert, family_of, literal, name_of, parse_type
from cdp_pipeline.attributes.plan import BASE, Plan, Rows
from cdp_pipeline.attributes.reading import Reading, conditions_of
from cdp_pipeline.config.model import Attribute
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.expressions import parse_expression


@dataclass(frozen=True)
class Calculation:
    """What an attribute is: a tree over the entity's aggregates, and its type."""

    id: str
    tree: exp.Expr
    type: exp.DataType


def calculation_of(attribute: Attribute, plan: Plan) -> Calculation:
    """Reads an attribute and gathers what it needs in a plan.

    Raises:
        SqlError: an expression of it is not allowed.
    """
    rows = plan.read(BASE)
    raw = aggregated(attribute, conditions_of(attribute, rows), rows)
    return finished(attribute, raw, natural_type(raw, plan))


def finished(attribute: Attribute, raw: exp.Expr, natural: exp.DataType) -> Calculation:
    """A value with its cast and default.

    Raises:
        SqlError: there is no such cast, or no such default.
    """
    type_ = wanted_type(attribute, natural)
    tree = convert(raw, natural, type_)
    if attribute.default is not None:
        tree = exp.func("coalesce", tree, default_of(attribute, type_))
    return Calculation(attribute.id, exp.cast(tree, type_), type_)


def aggregated(attribute: Attribute, conditions: Sequence[exp.Expr], rows: Rows) -> exp.Expr:
    """The attribute's value before cast and default, over the entity's aggregates.

    Raises:
        SqlError: `value` is not allowed.
    """
    if attribute.type == "expression":
        return aggregate_expression(attribute.value, conditions, rows)
    reading = Reading(rows, rows.bind(parse_expression(attribute.value)), conditions, attribute.value.strip())
    return CALCULATIONS[attribute.type](reading)


def natural_type(raw: exp.Expr, plan: Plan) -> exp.DataType:
    """The type of a value before the cast.

    Raises:
        SqlError: no attribute can have it.
    """
    type_ = plan.type_of_result(raw)
    if family_of(type_) is None:
        hint = "Cast it: extract(epoch from …) makes seconds of an interval, ::numeric(38,9) a number of any size."
        raise SqlError(f"It gives {name_of(type_)}, which no attribute can hold.", hint)
    return type_


def wanted_type(attribute: Attribute, natural: exp.DataType) -> exp.DataType:
    """The type of the attribute's column: `data_type`, else that of the value.

    Raises:
        SqlError: `data_type` names no type that an attribute can have.
    """
    return natural if attribute.data_type is None else parse_type(attribute.data_type)


def default_of(attribute: Attribute, type_: exp.DataType) -> exp.Expr:
    """The attribute's default in its type; NULL where there is none.

    Raises:
        SqlError: PostgreSQL has no cast from what was written to the type.
    """
    if attribute.default is None:
        return exp.null()
    value, written = literal(attribute.default)
    return convert(value, written, type_)

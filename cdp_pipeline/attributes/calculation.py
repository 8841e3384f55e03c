"""One attribute: from what the user wrote to a tree over the entity's aggregates, with its type.

Over no rows an attribute has PostgreSQL's aggregate (0 for counts, else NULL); then comes the cast to `data_type`, then
`default`. That order lets a default be written in the attribute's own type, and stand in for what could not be worked
out too.
"""

from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.aggregates import aggregate_expression
from cdp_pipeline.attributes.attempts import Columns, may_fail, tried
from cdp_pipeline.attributes.attribute_types import CALCULATIONS
from cdp_pipeline.attributes.families import convert, family_of, literal, name_of, parse_type
from cdp_pipeline.attributes.inputs import Attempt, at_once, reading_of
from cdp_pipeline.attributes.plan import BASE, Plan
from cdp_pipeline.attributes.reading import Scope, conditions_of
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError


@dataclass(frozen=True)
class Calculation:
    """What an attribute is.

    Attributes:
        id: the attribute.
        tree: its value, over the entity's aggregates.
        type: the type of the value.
        errors: how often something could not be worked out for an entity and was taken as NULL, a bigint over the
            entity's aggregates; None: nothing can fail, or a failure is an error of the attribute.
    """

    id: str
    tree: exp.Expr
    type: exp.DataType
    errors: exp.Expr | None = None


def calculation_of(attribute: Attribute, plan: Plan) -> Calculation:
    """Reads an attribute and gathers what it needs in a plan.

    Raises:
        SqlError: an expression of it is not allowed.
    """
    rows = plan.read(attribute.from_ or BASE)
    columns = Columns(forgiving=attribute.on_error == "null")
    raw = aggregated(attribute, Scope(rows, conditions_of(attribute, rows), columns), at_once)
    assert raw is not None
    return finished(attribute, raw, natural_type(raw, plan), columns)


def finished(attribute: Attribute, raw: exp.Expr, natural: exp.DataType, columns: Columns) -> Calculation:
    """A value with its cast and default, and with what becomes of an error in it.

    Args:
        attribute: the attribute.
        raw: its value.
        natural: the type of that.
        columns: how the columns were made of which the value is made.

    Raises:
        SqlError: there is no such cast, or no such default.
    """
    type_ = wanted_type(attribute, natural)
    tree = convert(raw, natural, type_)
    errors = columns.errors(tree)
    if columns.forgiving and may_fail(tree):
        tree = tried(tree, type_)
    if attribute.default is not None:
        tree = exp.func("coalesce", tree, default_of(attribute, type_))
    return Calculation(attribute.id, exp.cast(tree, type_), type_, errors)


def aggregated(attribute: Attribute, scope: Scope, attempt: Attempt) -> exp.Expr | None:
    """The attribute's value before cast and default, over the entity's aggregates; None: a mistake was noted.

    Raises:
        SqlError: an expression is not allowed, if keys are read at once.
    """
    if attribute.type == "expression":
        return attempt("value", lambda: aggregate_expression(attribute.value, scope))
    reading = reading_of(attribute, scope, attempt)
    if reading is None:
        return None
    key = "value" if attribute.outer_value is None else "outer_value"
    return attempt(key, lambda: CALCULATIONS[attribute.type](reading))


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

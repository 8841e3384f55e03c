"""The values of an entity as one jsonb array, in the order of their rows."""

from sqlglot import exp

from cdp_pipeline.attributes.attribute_types import json_time
from cdp_pipeline.attributes.families import family_of

_VALUE, _PLACE = exp.column("value", table="q"), exp.column("place", table="q")


def as_list(type_: exp.DataType) -> exp.Expr:
    """An aggregate over the rows `q` of an entity, with value and place: its values in order; NULLs are none."""
    value: exp.Expr = _VALUE.copy()
    family = family_of(type_)
    if family in ("time", "timestamp"):
        value = json_time(value, family)
    elif family == "double":
        value = exp.func("cdp_json_double", value)
    elif family == "jsonb":
        given = exp.cast(value.copy(), "text").neq(exp.Literal.string("null"))
        value = exp.Case().when(given, value)
    return exp.func("cdp_gathered", value, _PLACE.copy())

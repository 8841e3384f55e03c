"""How each type of attribute makes one value of the values of an entity's events: one small function for each.

A function takes what is read of each row, an event or an element of one, and gives a tree over the entity's
aggregates. Rows without a value do not
count. Text is compared in C collation, and ties are broken by the event's time and id and an
element's place, or by the value itself, so that
the result never depends on the order in which an engine reads.
"""

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.attributes.plan import Tally
from cdp_pipeline.attributes.reading import Reading

Calculate = Callable[[Reading], exp.Expr]
_VALUE = exp.column("value", table="t")
_WEIGHT = exp.column("weight", table="t")


def average(reading: Reading) -> exp.Expr:
    """The mean, as numeric(38,9)."""
    return reading.rows.aggregate(exp.func("cdp_average", reading.numbers("avg")))


def total(reading: Reading) -> exp.Expr:
    """The sum, as numeric(38,9)."""
    return reading.rows.aggregate(exp.func("cdp_sum", reading.numbers("sum")))


def smallest(reading: Reading) -> exp.Expr:
    """The least value."""
    return reading.rows.aggregate(exp.Min(this=reading.ordered("min")))


def largest(reading: Reading) -> exp.Expr:
    """The greatest value."""
    return reading.rows.aggregate(exp.Max(this=reading.ordered("max")))


def number_of_unique(reading: Reading) -> exp.Expr:
    """How many different values there are."""
    value = reading.comparable("num_of_unique")
    return reading.rows.aggregate(exp.Count(this=exp.Distinct(expressions=[value])))


def first(reading: Reading) -> exp.Expr:
    """The value of the first row that has one."""
    return reading.rows.aggregate(exp.func("cdp_first", reading.anything(), *reading.rows.keys))


def last(reading: Reading) -> exp.Expr:
    """The value of the last row that has one."""
    return reading.rows.aggregate(exp.func("cdp_last", reading.anything(), *reading.rows.keys))


def most_frequent(reading: Reading) -> exp.Expr:
    """The value of the greatest total weight; of several the smallest."""
    commonest = exp.func("cdp_first", _VALUE.copy(), exp.Neg(this=_WEIGHT.copy()), _VALUE.copy())
    return reading.rows.aggregate(commonest, Tally(reading.comparable("most_frequent"), reading.weight))


def least_frequent(reading: Reading) -> exp.Expr:
    """The value of the least total weight; of several the smallest."""
    rarest = exp.func("cdp_first", _VALUE.copy(), _WEIGHT.copy(), _VALUE.copy())
    return reading.rows.aggregate(rarest, Tally(reading.comparable("least_frequent"), reading.weight))


def distinct_values(reading: Reading) -> exp.Expr:
    """The different values, ascending, as a jsonb array."""
    family = family_of(reading.type)
    value = reading.comparable("list")
    if family in ("time", "timestamp"):
        as_json = replace(reading, value=json_time(reading.value, family))
        return reading.rows.aggregate(exp.func("cdp_list", as_json.as_it_is()))
    return reading.rows.aggregate(exp.func("cdp_list_double" if family == "double" else "cdp_list", value))


def json_time(tree: exp.Expr, family: str) -> exp.Expr:
    """A time as the text that PostgreSQL's JSON has for it, which sorts as the times do."""
    text = exp.func("cdp_json_time", exp.cast(tree.copy(), "timestamptz"))
    return text if family == "time" else exp.func("replace", text, exp.Literal.string("+00:00"), exp.Literal.string(""))


CALCULATIONS: dict[str, Calculate] = {
    "avg": average,
    "sum": total,
    "min": smallest,
    "max": largest,
    "num_of_unique": number_of_unique,
    "first": first,
    "last": last,
    "value": first,
    "most_frequent": most_frequent,
    "least_frequent": least_frequent,
    "list": distinct_values,
}

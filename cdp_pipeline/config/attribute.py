"""One thing that is known about an entity, as the project file writes it."""

from typing import Literal

from pydantic import Field

from cdp_pipeline.config.fields import Default, Name, Names, OnError, Text
from cdp_pipeline.config.section import Section

AttributeType = Literal[
    "avg",
    "sum",
    "min",
    "max",
    "num_of_unique",
    "first",
    "last",
    "value",
    "most_frequent",
    "least_frequent",
    "list",
    "expression",
    "identifiers",
    "derived",
    "custom",
]


class Attribute(Section):
    """One thing that is known about an entity, calculated from its events."""

    id: Name = Field(description="The attribute's name, a column of `profiles`.")
    description: str = Field(default="", description="What the attribute means, for those who read it.")
    type: AttributeType = Field(description="How the values of the entity's events become one value.")
    value: Text = Field(
        default="",
        description="Expression over an event; for type expression an aggregate over the events, for derived an "
        "expression over other attributes, for custom a query over base. Type identifiers has none.",
    )
    identifier: Name | None = Field(
        default=None, description="For type identifiers: the type of identifier, one of the kind's `identifiers`."
    )
    sources: Names = Field(default_factory=list, description="The sources to read: a name or a list; empty: all.")
    events: Names = Field(default_factory=list, description="The event types to read: a name or a list; empty: all.")
    version: Names = Field(default_factory=list, description="The versions to read: a text or a list; empty: all.")
    filter: Text | None = Field(default=None, description="Condition on an event; others do not count.")
    from_: Name | None = Field(
        default=None,
        validation_alias="from",
        serialization_alias="from",
        description="The meta-attribute whose rows are read instead of events.",
    )
    weight: Text | None = Field(
        default=None,
        description="How much an event counts in most_frequent and least_frequent: an expression, 0 or more. "
        "Left out, or NULL: 1.",
    )
    outer_value: Text | None = Field(
        default=None,
        description="Expression over each row that `value` gives, named value. Left out: the row itself.",
    )
    outer_weight: Text | None = Field(
        default=None, description="How much each row that `value` gives counts, times `weight`. Left out, or NULL: 1."
    )
    outer_filter: Text | None = Field(
        default=None, description="Condition on each row that `value` gives, named value; others do not count."
    )
    multiple: bool = Field(
        default=False,
        description="For type custom: whether there may be several values, as a JSON list in the query's order. Types "
        "list and identifiers always give one.",
    )
    data_type: Text | None = Field(default=None, description="The SQL type of the column, such as numeric(12,2).")
    default: Default = Field(default=None, description="The value of an entity for which there is none.")
    on_error: OnError = Field(
        default="fail",
        description="What becomes of what cannot be worked out: fail, the whole run, or null, NULL in its place, "
        "counted.",
    )
    hidden: bool = Field(
        default=False, description="Left out of `profiles`: worked out for the attributes that read it."
    )
    pii: bool = Field(default=False, description="Personal data: what holds it is tagged so in Dagster.")

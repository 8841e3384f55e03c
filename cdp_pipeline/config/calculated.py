"""What attributes may read beside the columns of an event: row helpers, meta-attributes and context values."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from cdp_pipeline.config.automation import check_interval
from cdp_pipeline.config.fields import Name, Names, Text
from cdp_pipeline.config.section import Section

_DAY = 86_400


class RowHelper(Section):
    """A column of every event that is worked out once, over the entity's own events."""

    id: Name = Field(description="The helper's name, by which attributes read it like a column of an event.")
    value: Text = Field(
        description="Expression over an event; window functions look over the events of the same entity, such as "
        "lag(event_time) over (order by event_time)."
    )
    sources: Names = Field(default_factory=list, description="The sources to read: a name or a list; empty: all.")
    events: Names = Field(default_factory=list, description="The event types to read: a name or a list; empty: all.")
    filter: Text | None = Field(default=None, description="Condition on an event; for others the helper is NULL.")


class MetaAttribute(Section):
    """A named query over an entity's events that attributes read like a table."""

    id: Name = Field(description="The name under which attributes read it.")
    definition: Text = Field(
        description="A query over base (the entity's events with the row helpers) and other meta-attributes, such as "
        "select payload->>'sku' as sku from base where type = 'order'."
    )


class ContextValue(Section):
    """A named value that is worked out over everyone."""

    key: Name = Field(description="The name under which it is read: (select value from context where key = 'name').")
    query: Text = Field(
        description="A query of one row and one column over events (everyone's, with entity_id), profiles (the "
        "attributes of everyone) and meta-attributes (with entity_id)."
    )
    max_age: Annotated[
        int,
        BeforeValidator(check_interval),
        WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,4}[smhd]$"}),
    ] = Field(
        default=_DAY, description="How old the value may become, such as 24h (the default), before it is renewed."
    )

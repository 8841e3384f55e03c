"""What keeps strangers apart, and a suspicious result unpublished."""

from pydantic import Field

from cdp_pipeline.config.fields import Count, MaxLinks, NotNegative, Share
from cdp_pipeline.config.section import Section


class PublishGuards(Section):
    """The publication gate: what one run may do to the people who are known."""

    min_entities: NotNegative = Field(
        default=1000, description="How many published entities there must be before the gate holds anything back."
    )
    max_share_merged: Share = Field(
        default=0.05, description="The share of published entities that one run may merge into others, 0 to 1."
    )
    max_growth: Count = Field(default=100, description="How many identifiers one published entity may gain in one run.")


class Guards(Section):
    """What keeps strangers apart."""

    max_identifiers: Count = Field(default=1000, description="How many identifiers one entity may have.")
    max_links: MaxLinks = Field(
        default="auto",
        description="How many neighbours of one type a value may be linked with before it is quarantined, for types "
        "that do not say it themselves: a number, or auto, which reads it off the degrees.",
    )
    publish: PublishGuards = Field(default_factory=PublishGuards, description="The publication gate.")

"""Thresholds beyond which the health checks warn."""

from pydantic import Field

from cdp_pipeline.config.fields import Share
from cdp_pipeline.config.section import Section


class EventChecks(Section):
    """Thresholds beyond which the health checks of all events warn."""

    max_rejected_share: Share = Field(default=0.05, description="Share of landed rows that may be rejected, 0 to 1.")
    max_duplicate_share: Share = Field(default=0.2, description="Share of landed rows that may be duplicates, 0 to 1.")


class EntityChecks(Section):
    """Thresholds beyond which the health checks of one kind of entity warn, and how much each run proves."""

    min_identified_share: Share = Field(default=0.5, description="Share of events that belong to somebody, 0 to 1.")
    max_entity_size: int = Field(default=1000, ge=1, description="Identifiers that the largest entity may have.")
    max_null_share: Share = Field(default=1.0, description="Share of NULL that an attribute may have, 0 to 1.")
    rebuild_share: Share = Field(
        default=0.01,
        description="Share of the entities that each run works out afresh and compares, in turn, 0 to 1; 0: none.",
    )

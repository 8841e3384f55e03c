"""A project's own test as its author writes it: given these events, these people."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from cdp_pipeline.config.fields import Names, NotNegative, Text, refuse, shorten
from cdp_pipeline.config.section import Section

VERDICTS = ("same", "different", "unstitch", "quarantine", "release")


def _read_moment(value: object) -> object:
    """Return a time, without a zone UTC; a tree's own dates come as the text that stands in the file."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        refuse(f"{shorten(value)} is not a time.", "Write it as in 2026-01-31T10:00:00Z; without a zone it is UTC.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_id(value: object) -> object:
    """Return an id as text; a whole number is one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Moment = Annotated[datetime, BeforeValidator(_read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, BeforeValidator(_read_id), WithJsonSchema({"type": ["string", "integer"]})]


class GivenEvent(Section):
    """An event that happened."""

    id: Id | None = Field(default=None, description="The event's id. Left out: its number in the list, from 1.")
    source: Text | None = Field(
        default=None, description="The source, as rules and attributes name it. Left out: the project's only source."
    )
    type: Text = Field(default="event", description="The event's type. Left out: event.")
    version: Text = Field(default="1-0-0", description="The version of its shape. Left out: '1-0-0'.")
    time: Moment | None = Field(
        default=None, description="When it happened. Left out: a minute after the one before, from the project's start."
    )
    payload: dict[str, Any] = Field(default_factory=dict, description="What the event says, as rules read it.")


class GivenDecision(Section):
    """What an operator decided before the run; exactly one of the verdicts."""

    same: Names = Field(default_factory=list, description="Two identifiers of one person.")
    different: Names = Field(default_factory=list, description="Two identifiers of two people.")
    unstitch: Names = Field(default_factory=list, description="An identifier whose links do not count, or two.")
    quarantine: Names = Field(default_factory=list, description="An identifier that is nobody's.")
    release: Names = Field(default_factory=list, description="An identifier that is never put into quarantine.")
    why: Text = Field(default="a test", description="Why, in words.")

    def written(self) -> dict[str, list[str]]:
        """Return the verdicts that were written, with their identifiers."""
        return {verdict: getattr(self, verdict) for verdict in VERDICTS if verdict in self.model_fields_set}


class ExpectedOwner(Section):
    """Whose an identifier is at a time, or whose an event is."""

    identifier: Text | None = Field(default=None, description="The identifier, as TYPE:VALUE.")
    event: Id | None = Field(default=None, description="The event's id, instead of an identifier.")
    at: Moment | None = Field(default=None, description="The time. Left out: now.")
    person: Text = Field(description="An identifier of the person, as TYPE:VALUE, or nobody.")


class Expectations(Section):
    """What must hold afterwards."""

    people: NotNegative | None = Field(default=None, description="How many people there are.")
    together: list[list[Text]] = Field(
        default_factory=list, description="Lists of identifiers; those of one list are one person's."
    )
    apart: list[list[Text]] = Field(
        default_factory=list, description="Lists of identifiers; no two of one list are one person's."
    )
    quarantined: list[Text] = Field(default_factory=list, description="Identifiers that are in quarantine.")
    owner: list[ExpectedOwner] = Field(
        default_factory=list, description="Whose an identifier is at a time, or whose an event is."
    )
    attributes: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Attributes of people: {of: TYPE:VALUE, and for each attribute its value}.",
    )
    rejected: NotNegative = Field(default=0, description="How many of the given rows are no events. Left out: none.")


class Scenario(Section):
    """A test: what is given, and what is expected."""

    name: Text = Field(description="What the test shows, in words.")
    kind: Text | None = Field(default=None, description="The kind of entity. Left out: the project's only one.")
    as_of: Moment | None = Field(
        default=None, description="What now() means. Left out: the end of the last day of arrival."
    )
    events: list[GivenEvent] = Field(default_factory=list, description="Events that happened.")
    rows: dict[str, list[dict[str, Any]]] = Field(
        default_factory=dict, description="Raw rows of sources, read by the sources' own expressions."
    )
    tables: dict[str, list[dict[str, Any]]] = Field(
        default_factory=dict, description="Rows of the tables that the kind's identity maps read."
    )
    decisions: list[GivenDecision] = Field(default_factory=list, description="What operators decided, in their order.")
    expect: Expectations = Field(description="What must hold afterwards.")

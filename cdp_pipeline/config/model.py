"""A project as the code sees it: what a user wrote, checked and with every default filled in.

The names of the fields are the keys of the project file, except `schema_name` and `from_` (a user writes `schema` and
`from`), for pydantic and Python keep these for themselves. Expressions are text here; each room parses its own. A
field's description is what editors and error messages show. Keys of the contract that a later release will bring are in
`not_yet`, not here.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.automation import Automation
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.fields import (
    Count,
    Day,
    MaxLinks,
    Name,
    Names,
    Regex,
    SchemaName,
    SourceName,
    Text,
    Warehouse,
)
from cdp_pipeline.config.guards import Guards
from cdp_pipeline.config.section import Section
from cdp_pipeline.config.thresholds import EntityChecks, EventChecks
from cdp_pipeline.errors import ProjectError


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value stands in the project.

    Attributes:
        file: its file, relative to the project's folder.
        line: its line, the first being 1.
        path: its path as the user counts. It differs from the key in `Project.locations` only in a project with
            mistakes, where list items in front of it may have been left out.
    """

    file: Path
    line: int
    path: str = ""


class EventFields(Section):
    """Where a source's rows keep what every event has. Every value is an expression over the row's columns."""

    id: Text | None = Field(
        default=None,
        description="Expression for the event's id within its source. Left out: a hash of the whole row. The word "
        "none: every line is an event of its own.",
    )
    source: Text | None = Field(
        default=None, description="Expression for the event's source. Left out: the name of the source itself."
    )
    type: Text = Field(description="Expression for the event's type, such as event_name or \"'contact'\".")
    version: Text | None = Field(
        default=None, description="Expression for the version of the event's shape. Left out: '1-0-0'."
    )
    time: Text = Field(description="Expression for the time when the event happened.")
    payload: Text | None = Field(
        default=None, description="Expression for the event's payload, a JSON object. Left out: the whole row."
    )


class Source(Section):
    """A place from which raw rows come: landing files, or a table of the warehouse."""

    not_written: ClassVar[frozenset[str]] = frozenset({"name"})

    name: SourceName = Field(description="The source's name, its key under `sources`.")
    files: Text | None = Field(
        default=None,
        description="Landing files (NDJSON, CSV, Parquet; plain, .gz, .zst), such as landing/web/{day}/*, where {day} "
        "is the day of arrival.",
    )
    table: Text | None = Field(default=None, description="A table of the same warehouse, such as raw.contacts.")
    arrived_at: Text | None = Field(
        default=None,
        description="Expression for the time of arrival, which gives a row its day. Needed by a table and by files "
        "without {day}.",
    )
    mode: Literal["append", "mirror"] = Field(
        default="append",
        description="Which of several rows of one id is the event: append, the first; mirror, the latest by time of "
        "arrival, so that a later row replaces an earlier one.",
    )
    deleted: Text | None = Field(
        default=None,
        description="Condition on a row of a mirror: where it is true, there is no event for as long as no later row "
        "brings it back.",
    )
    where: Text | None = Field(default=None, description="Condition on a row; other rows are passed over.")
    event: EventFields = Field(description="Where a row keeps what every event has.")

    @property
    def is_mirror(self) -> bool:
        """Whether a later row of an id replaces an earlier one."""
        return self.mode == "mirror"


class IdentifierType(Section):
    """A type of identifier of an entity, and which of its values count. Its place in the list is its importance."""

    type: Name = Field(description="The name of this type of identifier, such as email.")
    normalize: list[Literal["trim", "lower", "upper", "digits"]] = Field(
        default_factory=list,
        description="Steps that bring a value into one form, done in this order; digits keeps only digits.",
    )
    valid: Regex | None = Field(
        default=None, description="Regular expression that a normalised value must match to count."
    )
    blocked: list[Text] = Field(default_factory=list, description="Values that identify nobody, such as test@test.com.")
    blocked_defaults: bool = Field(
        default=True,
        description="Whether the usual placeholders (null, unknown, anonymous, 0 …) identify nobody either.",
    )
    max_per_entity: Count | None = Field(
        default=None, description="How many values of this type one entity may have. Left out: any number."
    )
    max_links: MaxLinks | None = Field(
        default=None,
        description="How many neighbours of one type a value may be linked with before it is quarantined: a number, or "
        "auto. Left out: `guards.max_links`.",
    )
    bridge: bool = Field(
        default=True,
        description="Whether a value proves that two people are one. A device does not: false.",
    )
    when_shared: Literal["by_time", "last_login", "nobody"] = Field(
        default="by_time",
        description="Whose a value is that several people share: whoever was logged in at the time (by_time), whoever "
        "logged in last (last_login), or nobody.",
    )
    pii: bool = Field(default=False, description="Personal data: what holds it is tagged so in Dagster.")
    store: Literal["plain"] = Field(default="plain", description="How the value is kept in the warehouse.")


class StitchingRule(Section):
    """Where events of some kind carry an identifier."""

    source: Names = Field(
        default_factory=list, description="The sources whose events the rule reads: a name, a list, or '*' (default)."
    )
    events: Names = Field(
        default_factory=list, description="The event types that the rule reads: a name, a list, or '*' (default)."
    )
    version: Names = Field(
        default_factory=list, description="The event versions that the rule reads: a text, a list, or '*' (default)."
    )
    identifier: Text = Field(description="The type of identifier that the rule finds, one of the kind's `identifiers`.")
    value: Text = Field(description="Expression for the identifier's value; an array gives several identifiers.")
    where: Text | None = Field(default=None, description="Condition on an event; others carry no such identifier.")


class MapPrimary(Section):
    """The id that a row of an identity map is about."""

    type: Text = Field(description="The type of identifier, one of the kind's `identifiers`.")
    column: Text = Field(description="The map's column that holds it.")


class IdentityMap(Section):
    """A table that says whose an identifier is: one row for each primary id, with the ids of its person."""

    table: Text = Field(description="A table of the same warehouse, such as raw.identity_map.")
    primary: MapPrimary = Field(description="The id that a row is about: its type and its column.")
    persons: dict[str, Text] = Field(
        description="The ids of the person: for each type of identifier the column that holds it."
    )
    resolve: Literal["first", "all"] = Field(
        default="first",
        description="Which person ids of a row count: the first that is not empty by importance, or all.",
    )
    updated_at: Text | None = Field(
        default=None,
        description="The column with the time of a row's last change. Left out: all rows are compared.",
    )
    deleted: Text | None = Field(
        default=None, description="The column that is true where a row says no more what it said."
    )
    mode: Literal["mirror", "snapshot"] = Field(
        default="mirror",
        description="mirror: a row that is missing stays as it was. snapshot: a missing row is a deleted row.",
    )


class Replay(Section):
    """How past events move when it turns out whose they are."""

    batch_events: int = Field(
        default=500_000,
        ge=1,
        description="Past events that move in one transaction; more of them move in several, cut between people.",
    )


def _own_kind(fields: dict[str, Any]) -> str:
    """Name the schema of a kind after the kind itself."""
    return str(fields["kind"])


class Entity(Section):
    """A kind of entity: what identifies one, where events carry that, and what is calculated about each."""

    not_written: ClassVar[frozenset[str]] = frozenset({"kind"})

    kind: Name = Field(description="The kind's name, its key under `entities`.")
    schema_name: SchemaName = Field(
        default_factory=_own_kind,
        validation_alias="schema",
        serialization_alias="schema",
        description="The schema of this kind's tables. Left out: the kind's name.",
    )
    identifiers: list[IdentifierType] = Field(description="The types of identifier, the most important first.")
    stitching: list[StitchingRule] = Field(default_factory=list, description="Where events carry identifiers.")
    identity_maps: list[IdentityMap] = Field(
        default_factory=list, description="Tables of your own that say whose an identifier is."
    )
    guards: Guards = Field(default_factory=Guards, description="Limits of an entity, and the publication gate.")
    replay: Replay = Field(default_factory=Replay, description="How past events move to their owners.")
    row_helpers: list[RowHelper] = Field(
        default_factory=list, description="Columns of every event that attributes read beside its own."
    )
    context: list[ContextValue] = Field(
        default_factory=list, description="Values that are worked out over everyone, for attributes to read."
    )
    meta_attributes: list[MetaAttribute] = Field(
        default_factory=list, description="Queries over an entity's events that attributes read like tables."
    )
    attributes: list[Attribute] = Field(default_factory=list, description="What is calculated about each entity.")
    checks: EntityChecks = Field(default_factory=EntityChecks, description="Thresholds of this kind's health checks.")

    def priority(self, identifier_type: str) -> int:
        """Return the place of a type of identifier in the order of importance; 0 is the most important.

        Raises:
            ValueError: if the kind has no such type.
        """
        return [declared.type for declared in self.identifiers].index(identifier_type)


class Project(Section):
    """A project: its warehouse, its sources of events and its kinds of entity."""

    not_written: ClassVar[frozenset[str]] = frozenset({"folder", "locations", "warehouse_as_written"})

    name: Text = Field(description="The project's name, for those who read logs and reports.")
    folder: Path = Field(description="The project's folder, absolute.")
    warehouse: Warehouse = Field(
        repr=False,
        description="The warehouse: duckdb:///warehouse.duckdb (relative to the project's folder), or "
        "postgresql://user@host/database. ${NAME} stands for an environment variable, ${file:path} for what a file "
        "holds.",
    )
    warehouse_as_written: str = Field(default="", repr=False, description="The warehouse before ${…} was filled in.")
    start: Day = Field(description="The first day of arrival.")
    end: Day | None = Field(default=None, description="The last day of arrival. Left out: today.")
    as_of: Literal["clock", "arrival"] = Field(
        default="clock", description="What now() means: clock, or arrival, the end of the last landed day."
    )
    schema_name: SchemaName = Field(
        default="cdp",
        validation_alias="schema",
        serialization_alias="schema",
        description="The schema of the shared tables.",
    )
    sources: dict[str, Source] = Field(default_factory=dict, description="Where raw rows come from, by name.")
    entities: dict[str, Entity] = Field(default_factory=dict, description="The kinds of entity, by name.")
    checks: EventChecks = Field(default_factory=EventChecks, description="Thresholds of the events' health checks.")
    automation: Automation = Field(default_factory=Automation, description="What Dagster's daemon does by itself.")
    locations: Mapping[str, Location] = Field(
        default_factory=dict, repr=False, description="Where each value stands, by path."
    )

    def error(self, path: str, message: str, hint: str | None = None) -> ProjectError:
        """Return a mistake at a path such as `entities.customer.stitching[2].value`, with its file and line.

        A path that nobody wrote, such as that of a default, gets the place of its nearest parent.
        """
        known = path
        while known and known not in self.locations:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        location = self.locations.get(known)
        if location is None:
            return ProjectError(path, message, hint=hint)
        written = (location.path or known) + path[len(known) :]
        return ProjectError(written, message, file=location.file, line=location.line, hint=hint)

    @property
    def engine(self) -> str:
        """Return the name of the warehouse's engine: duckdb or postgresql."""
        return self.warehouse.partition(":")[0]

    @property
    def warehouse_name(self) -> str:
        """Return the warehouse as a log may show it: as it was written, without a password."""
        return re.sub(r"(?<=://)([^:@]*):.*@", r"\1@", self.warehouse_as_written.partition("?")[0])

    @property
    def project_hash(self) -> str:
        """SHA-256 of what the user wrote: the same for other comments, other files and other secrets."""
        written = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_defaults=True,
            exclude={"folder", "locations", "warehouse", "warehouse_as_written"},
        )
        written["warehouse"] = self.warehouse_name
        canonical = json.dumps(written, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

"""What a run found, in figures and in one person's story."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "summary.sql")


@dataclass(frozen=True)
class LandedDay:
    """What landed from a source on a day: `landed = events + rejected`; what follows are rejected rows too."""

    source: str
    day: date | None
    landed: int
    events: int
    rejected: int
    duplicates: int
    superseded: int
    deleted: int

    @property
    def adds_up(self) -> bool:
        """Whether every landed row is an event or a rejected row."""
        return self.landed == self.events + self.rejected


@dataclass(frozen=True)
class KindSummary:
    """How many entities of a kind there are, how many of the events are theirs, and what was kept from joining them.

    Attributes:
        shared: identifiers that several entities have a claim on, such as a tablet that two people use.
        refused_links: links that were not used, each with its reason in the table of this name.
        quarantined: identifiers that join too many to be anybody's.
    """

    kind: str
    entities: int
    events: int
    stitched: int
    identifiers: int
    shared: int
    refused_links: int
    quarantined: int

    @property
    def stitched_share(self) -> float:
        """The share of events that belong to somebody, 0 to 1."""
        return self.stitched / self.events if self.events else 0.0


@dataclass(frozen=True)
class Stretch:
    """Events in a row by which a person was known in the same way."""

    start: datetime
    end: datetime
    source: str
    known_by: str
    types: tuple[str, ...]
    news: tuple[str, ...]


@dataclass(frozen=True)
class Journey:
    """One person's way through sources and devices."""

    kind: str
    entity_id: UUID
    stretches: list[Stretch]


def schemas_of(project: Project, kind: str) -> dict[str, str]:
    """The real schemas behind the placeholders `cdp` and `kind`."""
    return {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}


def landed_days(connection: Connection, project: Project) -> list[LandedDay]:
    """What landed, by source and day of arrival."""
    rows = connection.fetch(SQL["landed_by_day"].bind({"cdp": project.schema_name}))
    return [LandedDay(*row) for row in rows]


def rejection_reasons(connection: Connection, project: Project) -> list[tuple[str, str, int]]:
    """Why rows were rejected: source, reason, how many."""
    rows = connection.fetch(SQL["reasons"].bind({"cdp": project.schema_name}))
    return [(source, reason, count) for source, reason, count in rows]


def kind_summaries(connection: Connection, project: Project) -> list[KindSummary]:
    """How many entities of each kind there are, how many events are theirs, and what was kept from joining them."""
    return [
        KindSummary(kind, *connection.fetch(SQL["people"].bind(schemas_of(project, kind)))[0])
        for kind in project.entities
    ]


def example_journey(connection: Connection, project: Project, kind: str) -> Journey | None:
    """The journey of an entity that is known by many types of identifier; None when there is nobody."""
    rows = connection.fetch(SQL["traveller"].bind(schemas_of(project, kind)))
    return journey_of(connection, project, kind, rows[0][0]) if rows else None


def journey_of(connection: Connection, project: Project, kind: str, entity_id: UUID) -> Journey:
    """The journey of an entity."""
    schemas = schemas_of(project, kind)
    values = {
        identifier_id: (identifier_type, value)
        for identifier_id, identifier_type, value in connection.fetch(
            SQL["values_of"].bind(schemas), entity_id=entity_id
        )
    }
    rows = connection.fetch(SQL["journey"].bind(schemas), entity_id=entity_id)
    return Journey(kind, entity_id, _stretches(rows, values))


def _stretches(rows: Sequence[tuple[Any, ...]], values: dict[UUID, tuple[str, str]]) -> list[Stretch]:
    """Joins events that follow each other from one source under one anchor, unless one of them brings news."""
    met: set[UUID] = set()
    stretches: list[Stretch] = []
    for event_time, source, event_type, anchor_type, anchor_value, identifier_ids in rows:
        fresh = [identifier for identifier in identifier_ids if identifier not in met and identifier in values]
        met.update(fresh)
        news = tuple(f"{values[identifier][0]} {values[identifier][1]}" for identifier in fresh)
        known_by = f"{anchor_type} {anchor_value}"
        last = stretches[-1] if stretches else None
        if last is not None and not news and (last.source, last.known_by) == (source, known_by):
            stretches[-1] = Stretch(last.start, event_time, source, known_by, (*last.types, event_type), last.news)
        else:
            stretches.append(Stretch(event_time, event_time, source, known_by, (event_type,), news))
    return stretches

"""A small world for the tests of attributes: a warehouse, events that belong to people, and a project."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from cdp_pipeline.attributes.profiles import calculate_profiles
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, IdentifierType, Project
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.warehouse.base import Row
from cdp_pipeline.warehouse.stage import Facts, Run
from cdp_pipeline_tests import engines

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
START = datetime(2026, 4, 1, 12, tzinfo=UTC)
NOBODY = None
SCHEMAS = {"cdp": "shared", "kind": "person"}
ADD = (
    """
    insert into cdp.customer_events (
        event_id, source_id, source_event_id, type, version, event_time, arrived_on, payload
    )
    select cast(g.event_id as uuid), g.source_id, 'x', g.type, g.version, cast(g.event_time as timestamptz),
        cast(cast(g.event_time as timestamptz) as date),
        cast(g.payload as jsonb)
    from given as g
    """,
    """
    insert into kind.stitched_events (event_id, event_time, entity_id)
    select cast(g.event_id as uuid), cast(g.event_time as timestamptz), cast(g.owner as uuid) from given as g
    """,
    """
    insert into kind.identifiers (identifier_id, value)
    select distinct cast(g.owner as uuid), g.key from given as g
    where g.owner is not null and cast(g.owner as uuid) not in (select e.entity_id from kind.entities as e)
    """,
    """
    insert into kind.entities (entity_id, key_id)
    select distinct cast(g.owner as uuid), cast(g.owner as uuid) from given as g
    where g.owner is not null and cast(g.owner as uuid) not in (select e.entity_id from kind.entities as e)
    """,
)
NEXT_NUMBER = """
    merge into cdp.sequence as s using (select 1 as one) as n on true
    when matched then update set number = s.number + 1
    when not matched then insert (number) values (1)
"""


@dataclass(frozen=True)
class Event:
    """An event and whose it is."""

    number: int
    entity: int | None
    payload: Any = field(default_factory=dict)
    type: str = "order"
    source: str = "web"
    version: str = "1-0-0"
    minute: int = 0

    @property
    def event_id(self) -> UUID:
        return UUID(int=self.number)

    @property
    def time(self) -> datetime:
        return START + timedelta(minutes=self.minute)


def attribute(id: str, type: str, value: str, **others: Any) -> Attribute:  # noqa: A002
    return Attribute(id=id, type=type, value=value, **others)  # type: ignore[arg-type]


def entity_with(attributes: Sequence[Attribute], **definitions: Any) -> Entity:
    """A kind with these attributes, and with row helpers, meta-attributes and context values by their keys."""
    return Entity(
        kind="customer",
        schema_name="person",
        identifiers=[IdentifierType(type="email")],
        attributes=list(attributes),
        **definitions,
    )


def project(attributes: Sequence[Attribute] | Entity) -> Project:
    entity = attributes if isinstance(attributes, Entity) else entity_with(attributes)
    return Project(
        name="world",
        folder=Path("/nowhere"),
        warehouse="duckdb:///world.duckdb",
        start=date(2026, 1, 1),
        schema_name="shared",
        entities={"customer": entity},
    )


class World:
    """A warehouse with events."""

    def __init__(self, folder: Path, events: Iterable[Event] = ()) -> None:
        self.connection = engines.current().open(folder)
        self.connection.set_up("world", "shared", ["person"])
        self.add(events)

    def run(self, text: str, **values: Any) -> int:
        return self.connection.run(statement("test", text).bind(SCHEMAS), **values)

    def fetch(self, text: str, **values: Any) -> list[Row]:
        rows = self.connection.fetch(statement("test", text).bind(SCHEMAS), **values)
        return [tuple(compact(value) for value in row) for row in rows]

    def add(self, events: Iterable[Event], *, dirty: bool = False) -> None:
        """Adds events, and the entities that own them; `dirty` queues those."""
        events = list(events)
        rows = {
            "event_id": [str(event.event_id) for event in events],
            "source_id": [event.source for event in events],
            "type": [event.type for event in events],
            "version": [event.version for event in events],
            "event_time": [event.time for event in events],
            "payload": [json.dumps(event.payload) for event in events],
            "owner": [None if event.entity is None else str(UUID(int=event.entity)) for event in events],
            "key": [f"key {event.entity}" for event in events],
        }
        self.connection.open_days({event.time.date() for event in events})
        self.connection.load("given", pa.table(rows))
        for text in ADD:
            self.run(text)
        if dirty:
            for entity in {event.entity for event in events} - {None}:
                self.touch(entity)
            self.upstream_changed()
        self.connection.unload("given")

    def move(self, event: Event, entity: int | None) -> None:
        """Gives an event to somebody else, as replay does."""
        with self.connection.transaction():
            owner = None if entity is None else str(UUID(int=entity))
            self.run(
                "update kind.stitched_events set entity_id = cast(:owner as uuid) where event_id = cast(:id as uuid)",
                owner=owner,
                id=str(event.event_id),
            )
            for touched in (event.entity, entity):
                if touched is not None:
                    self.touch(touched)
            self.upstream_changed()

    def touch(self, entity: int | None) -> None:
        """Queues an entity."""
        self.run("insert into kind.dirty_entities values (cast(:id as uuid))", id=str(UUID(int=entity or 0)))

    def upstream_changed(self, *, rebuilt: bool = False) -> None:
        """Notes that the stage before this one changed its output, or wrote all of it anew."""
        self.run(NEXT_NUMBER)
        number = self.fetch("select s.number from cdp.sequence as s")[0][0]
        self.run("delete from cdp.stages where stage = 'customer/stitched_events'")
        self.run(
            "insert into cdp.stages (stage, cursor, changed_in, rebuilt_in, definition) "
            "values ('customer/stitched_events', 0, :number, :rebuilt, '')",
            number=number,
            rebuilt=number if rebuilt else 0,
        )

    def calculate(
        self, attributes: Sequence[Attribute] | Entity, *, full: bool = False, as_of: datetime = AS_OF
    ) -> Facts:
        """Calculates the profiles that are due."""
        run = Run("run", as_of, datetime.now(UTC))
        return calculate_profiles(self.connection, project(attributes), "customer", run, full=full)

    def profiles(self, *columns: str) -> dict[int, Any]:
        """The named columns of every profile by entity; a single one bare."""
        names = ", ".join(f'p."{column}"' for column in columns)
        rows = self.fetch(f"select p.entity_id, {names} from kind.profiles as p order by p.entity_id")  # noqa: S608
        assert len({row[0] for row in rows}) == len(rows), "an entity has two profiles"
        return {row[0].int: row[1] if len(columns) == 1 else row[1:] for row in rows}

    def table(self) -> list[Row]:
        """Everything in the table."""
        return self.fetch("select * from kind.profiles as p order by p.entity_id")

    def value_of(self, attribute: Attribute, entity: int = 1) -> Any:
        """Calculates one attribute anew and gives its value for one entity."""
        self.calculate([attribute], full=True)
        return self.profiles(attribute.id)[entity]


def compact(value: Any) -> Any:
    """JSON without blanks: each engine writes it in its own way."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    return re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda found: found[1] or "", value)

"""Whose an identifier was at a moment of the past, asked in both ways.

*By what is known today*: who had it then, as the map says it now, with all that was learnt since. *As the map said it
then*: what a reader of the map would have seen at that moment. The first answers "whose was it?", the second "why did
we send that e-mail?".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.evidence import Identifier, Reader
from cdp_pipeline.operations.explain import find_identifier
from cdp_pipeline.operations.naming import parse_name
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Row

SQL = Statements(__package__, "history.sql")


@dataclass(frozen=True)
class Owned:
    """An identifier that an entity had at the moment.

    Attributes:
        first_seen: its first event as known today; it may be later than the moment.
        in_use: whether anything holds it today.
    """

    type: str
    value: str
    first_seen: datetime | None
    last_seen: datetime | None
    in_use: bool


@dataclass(frozen=True)
class Holder:
    """Who had an identifier.

    Attributes:
        entity_id: the entity, by its id of then.
        valid_from: since when it was theirs; None: always.
        valid_to: until when; None: for ever.
        recorded_from: since when the map said so.
        recorded_to: until when it said so; None: it still does.
        today: what that id stands for today: itself, the entity that it redirects to; None: it is retired.
        identifiers: all that was theirs at the moment.
    """

    entity_id: UUID
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_from: datetime | None
    recorded_to: datetime | None
    today: UUID | None
    identifiers: tuple[Owned, ...]


@dataclass(frozen=True)
class AsOf:
    """Whose an identifier was at a moment: as is known today, and as the map said it then; None: nobody's.

    Attributes:
        map_began: when the map first said anything; None: it does not know.
    """

    kind: str
    asked: str
    identifier: Identifier
    moment: datetime
    known_today: Holder | None
    said_then: Holder | None
    map_began: datetime | None


def read_moment(written: str) -> datetime:
    """A moment: a day (its beginning) or an ISO 8601 time; without a zone it is UTC.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise UsageError(
            f"`{written}` is no time. Write a day such as 2026-01-10 (its beginning, UTC) or a time such as "
            "2026-01-10T18:30:00Z."
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def find_as_of(connection: Connection, project: Project, written: str, moment: datetime) -> AsOf:
    """Whose an identifier was at a moment.

    Args:
        connection: the warehouse.
        project: the project.
        written: `[KIND/]TYPE:VALUE`; `entity_id:UUID` asks what that entity had.
        moment: the moment.

    Raises:
        UsageError: it names no known kind or type, or was never seen.
    """
    name = parse_name(project, written)
    with connection.transaction():
        reader = Reader(connection, project, name.kind)
        identifier = find_identifier(reader, name)
        asking = _Asking(reader, moment)
        if name.entity_id is None:
            holders = [asking.holder(way, identifier.identifier_id) for way in ("known_today", "said_then")]
        else:
            holders = [asking.entity(way, entity) for way, entity in _ids(reader, name.entity_id).items()]
        return AsOf(name.kind, written, identifier, moment, holders[0], holders[1], asking.fetch("began")[0][0])


def _ids(reader: Reader, entity_id: UUID) -> dict[str, UUID]:
    """By which ids the map names an entity: today by its current one, then by the one that was asked for."""
    current = reader.connection.fetch(SQL["today"].bind(reader.schemas), entity_id=entity_id)[0][1]
    return {"known_today": current or entity_id, "said_then": entity_id}


class _Asking:
    """Questions about one moment, each in one of two ways: `known_today` or `said_then`."""

    def __init__(self, reader: Reader, moment: datetime) -> None:
        self._reader = reader
        self._moment = moment

    def fetch(self, name: str, **values: object) -> list[Row]:
        """The rows of a query of history.sql."""
        return self._reader.connection.fetch(SQL[name].bind(self._reader.schemas), **values)

    def holder(self, way: str, identifier_id: UUID) -> Holder | None:
        """Who had an identifier."""
        rows = self.fetch(f"owner_{way}", id=identifier_id, moment=self._moment)
        return self._holder(way, rows[0]) if rows else None

    def entity(self, way: str, entity_id: UUID) -> Holder | None:
        """What an entity had; None: nothing."""
        holder = self._holder(way, (entity_id, None, None, None, None))
        return holder if holder.identifiers else None

    def _holder(self, way: str, row: Row) -> Holder:
        entity_id, valid_from, valid_to, recorded_from, recorded_to = row
        owned = self.fetch(f"owned_{way}", entity_id=entity_id, moment=self._moment)
        today = self.fetch("today", entity_id=entity_id)
        return Holder(
            entity_id,
            valid_from,
            valid_to,
            recorded_from,
            recorded_to,
            today[0][1] if today else None,
            tuple(Owned(*each) for each in owned),
        )

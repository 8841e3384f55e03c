"""Whose an identifier is, for verbs that work on a person."""

from dataclasses import dataclass
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.identifier_values import read_value
from cdp_pipeline.operations.names import ENTITY_ID, parse_names
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "owner.sql")


@dataclass(frozen=True)
class Owner:
    """Who was asked for.

    Attributes:
        entity_id: the entity; None: nobody has the identifier.
        identifier_id: the identifier; None: the entity was named by its id.
    """

    kind: str
    entity_id: UUID | None
    identifier_id: UUID | None


def find_owner(connection: Connection, project: Project, text: str) -> Owner:
    """Whose an identifier is now.

    Args:
        connection: the warehouse.
        project: the project.
        text: `[KIND/]TYPE:VALUE`, or `entity_id:UUID` for an entity by any id that it ever had.

    Raises:
        UsageError: it is no identifier, or nobody has that entity id.
    """
    (name,) = parse_names(project, text)
    schemas = schemas_of(project, name.kind)
    if name.type == ENTITY_ID:
        rows = connection.fetch(SQL["current_entity"].bind(schemas), entity_id=str(name.entity_id))
        if not rows:
            raise UsageError(f"Nobody has the id {name.value}. `cdp profile TYPE:VALUE` tells whose an identifier is.")
        return Owner(name.kind, rows[0][0], None)
    entity = project.entities[name.kind]
    reading = read_value(connection, entity.identifiers[entity.priority(name.type)], name.value)
    if reading.identifier_id is None:
        raise UsageError(f"`{name.type}:{name.value}` is no identifier: its value is {reading.status}.")
    rows = connection.fetch(SQL["owner"].bind(schemas), identifier_id=str(reading.identifier_id))
    return Owner(name.kind, rows[0][0] if rows else None, reading.identifier_id)

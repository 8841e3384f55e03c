"""One entity: who it is, what is known about it, what it did last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.names import Name, read_name
from cdp_pipeline.operations.summary import SQL, Journey, journey_of, schemas_of
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection


@dataclass(frozen=True)
class KnownIdentifier:
    """An identifier of an entity, and when it was seen (UTC)."""

    type: str
    value: str
    first_seen: datetime
    last_seen: datetime
    events: int


@dataclass(frozen=True)
class LastEvent:
    """An event of an entity."""

    time: datetime
    source: str
    type: str
    id: str


@dataclass(frozen=True)
class Profile:
    """All that is shown of an entity. `attributes` is None when no profile was calculated yet."""

    kind: str
    entity_id: UUID
    earlier_ids: list[UUID]
    identifiers: list[KnownIdentifier]
    attributes: dict[str, Any] | None
    last_events: list[LastEvent]
    journey: Journey


def find_profile(connection: Connection, project: Project, identifier: str) -> Profile:
    """The entity that an identifier belongs to.

    Args:
        connection: the warehouse.
        project: the project.
        identifier: `[KIND/]TYPE:VALUE`, split at the first colon; `entity_id:UUID` names an entity by any id it ever
            had.

    Raises:
        UsageError: it names no known kind or type, or nobody is known by it.
    """
    kind, entity_id = find_owner_of(connection, project, identifier)
    schemas = schemas_of(project, kind)
    values = {"entity_id": entity_id}
    return Profile(
        kind,
        entity_id,
        [row[0] for row in connection.fetch(SQL["earlier_ids"].bind(schemas), **values)],
        [KnownIdentifier(*row) for row in connection.fetch(SQL["identifiers"].bind(schemas), **values)],
        _attributes(connection, project, kind, entity_id),
        [LastEvent(*row) for row in connection.fetch(SQL["last_events"].bind(schemas), **values)],
        journey_of(connection, project, kind, entity_id),
    )


def find_owner_of(connection: Connection, project: Project, identifier: str) -> tuple[str, UUID]:
    """The kind and the id of the entity that an identifier belongs to.

    Raises:
        UsageError: it names no known kind or type, or nobody is known by it.
    """
    name = read_name(project, identifier)
    return name.kind, _owner(connection, project, name)


def _owner(connection: Connection, project: Project, name: Name) -> UUID:
    schemas = schemas_of(project, name.kind)
    if name.entity_id is not None:
        rows = connection.fetch(SQL["follow_id"].bind(schemas), entity_id=str(name.entity_id))
    else:
        given = {"identifier_type": name.type, "value": name.value}
        rows = [(owner,) for _, owner in connection.fetch(SQL["owner"].bind(schemas), **given)]
    if not rows:
        raise UsageError(
            f"Nobody is known by {name.type} {name.value}. Values are kept normalised (trimmed, lower case, digits "
            f"only, as project.yaml says); the table {schemas['kind']}.identifiers holds them. If it was seen and is "
            "nobody's, `cdp explain` says why."
        )
    return rows[0][0]  # type: ignore[no-any-return]


def _attributes(connection: Connection, project: Project, kind: str, entity_id: UUID) -> dict[str, Any] | None:
    schema = project.entities[kind].schema_name
    columns = connection.columns_of(schema, "profiles")
    if columns is None:
        return None
    query = exp.select("*").from_(exp.table_("profiles", schema, quoted=True))
    query = query.where(exp.column("entity_id").eq(exp.Placeholder(this="entity_id")))
    rows = connection.fetch(from_tree("profile", query), entity_id=entity_id)
    if not rows:
        return None
    own = {"entity_id"}
    return {name: value for (name, _), value in zip(columns, rows[0], strict=True) if name not in own}

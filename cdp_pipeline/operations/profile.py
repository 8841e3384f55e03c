"""One entity: who it is, what is known about it, what it did last."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import UsageError
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
    kind, identifier_type, value = _parse(project, identifier)
    entity_id = _owner(connection, project, kind, identifier_type, value)
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


def _parse(project: Project, identifier: str) -> tuple[str, str, str]:
    head, colon, value = identifier.partition(":")
    given_kind, slash, identifier_type = head.rpartition("/")
    if not colon or not value:
        raise UsageError(
            f"`{identifier}` is no identifier. Write TYPE:VALUE or KIND/TYPE:VALUE, such as email:ann@x.org."
        )
    kinds = [given_kind] if slash else list(project.entities)
    if slash and given_kind not in project.entities:
        raise UsageError(f"There is no kind of entity `{given_kind}`. There is: {', '.join(project.entities)}.")
    for kind in kinds:
        if identifier_type in ("entity_id", *(known.type for known in project.entities[kind].identifiers)):
            return kind, identifier_type, value
    known = [f"{kind}/{known.type}" for kind in kinds for known in project.entities[kind].identifiers]
    raise UsageError(f"There is no type of identifier `{identifier_type}`. There is: {', '.join(known)}.")


def _owner(connection: Connection, project: Project, kind: str, identifier_type: str, value: str) -> UUID:
    schemas = schemas_of(project, kind)
    if identifier_type == "entity_id":
        try:
            rows = connection.fetch(SQL["follow_id"].bind(schemas), entity_id=str(UUID(value)))
        except ValueError as error:
            raise UsageError(
                f"`{value}` is no entity id: ids look like 0f54dcad-0e40-662d-3572-8ca04c7ea820."
            ) from error
    else:
        given = {
            "identifier_type": identifier_type,
            "value": normalised(project.entities[kind], identifier_type, value),
        }
        rows = [(owner,) for _, owner in connection.fetch(SQL["owner"].bind(schemas), **given)]
    if not rows:
        raise UsageError(
            f"Nobody is known by {identifier_type} {value}. Values are kept normalised (trimmed, lower case, digits "
            f"only, as project.yaml says); the table {schemas['kind']}.identifiers holds them."
        )
    return rows[0][0]  # type: ignore[no-any-return]


def normalised(entity: Entity, identifier_type: str, value: str) -> str:
    """The value as stitching would keep it."""
    steps: dict[str, Callable[[str], str]] = {
        "trim": lambda text: text.strip(" "),
        "lower": str.lower,
        "upper": str.upper,
        "digits": lambda text: re.sub("[^0-9]", "", text),
    }
    for step in entity.identifiers[entity.priority(identifier_type)].normalize:
        value = steps[step](value)
    return value


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

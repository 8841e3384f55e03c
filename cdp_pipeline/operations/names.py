"""How an identifier is named on the command line: `[KIND/]TYPE:VALUE`, split at the first colon."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import UsageError

_STEPS: dict[str, Callable[[str], str]] = {
    "trim": lambda text: text.strip(" "),
    "lower": str.lower,
    "upper": str.upper,
    "digits": lambda text: re.sub("[^0-9]", "", text),
}
ENTITY_ID = "entity_id"  # names an entity by any id it ever had


@dataclass(frozen=True)
class Name:
    """An identifier as somebody named it: of which kind, of which type (or `entity_id`), its value as written."""

    kind: str
    type: str
    value: str

    @property
    def entity_id(self) -> UUID | None:
        """The entity id that was asked for; None: it is an identifier.

        Raises:
            UsageError: it cannot be an entity id.
        """
        if self.type != ENTITY_ID:
            return None
        try:
            return UUID(self.value)
        except ValueError as error:
            raise UsageError(
                f"`{self.value}` is no entity id: ids look like 0f54dcad-0e40-662d-3572-8ca04c7ea820."
            ) from error


def parse_names(project: Project, *texts: str) -> list[Name]:
    """What texts name; all are of one kind, the first that has the types of all, unless one says which.

    Raises:
        UsageError: one is no identifier, there is no such kind or type, or they are of two kinds.
    """
    parts = [_split(text) for text in texts]
    said = list(dict.fromkeys(kind for kind, _, _ in parts if kind))
    for kind in said:
        if kind not in project.entities:
            raise UsageError(f"There is no kind of entity `{kind}`. There is: {', '.join(project.entities)}.")
    if len(said) > 1:
        raise UsageError(
            f"{' and '.join(f'`{text}`' for text in texts)} are of two kinds, {' and '.join(said)}. Name identifiers "
            "of one kind."
        )
    kinds = said or list(project.entities)
    types = {kind: [known.type for known in project.entities[kind].identifiers] for kind in kinds}
    for kind in kinds:
        if all(name in (ENTITY_ID, *types[kind]) for _, name, _ in parts):
            return [Name(kind, name, value) for _, name, value in parts]
    known = ", ".join(f"{kind}/{name}" for kind in kinds for name in types[kind])
    everywhere = {ENTITY_ID, *(name for kind in kinds for name in types[kind])}
    unknown = next((name for _, name, _ in parts if name not in everywhere), None)
    if unknown is not None:
        raise UsageError(f"There is no type of identifier `{unknown}`. There is: {known}.")
    together = " and ".join(f"`{name}`" for _, name, _ in parts)
    raise UsageError(f"No kind of entity has the types of identifier {together}. There is: {known}.")


def read_name(project: Project, text: str) -> Name:
    """What a text names, its value brought into the form in which stitching keeps it.

    Raises:
        UsageError: it is no identifier, or there is no such kind or type.
    """
    (name,) = parse_names(project, text)
    if name.type == ENTITY_ID:
        return name
    return replace(name, value=normalised(project.entities[name.kind], name.type, name.value))


def normalised(entity: Entity, identifier_type: str, value: str) -> str:
    """The value as stitching would keep it."""
    for step in entity.identifiers[entity.priority(identifier_type)].normalize:
        value = _STEPS[step](value)
    return value


def _split(text: str) -> tuple[str, str, str]:
    head, colon, value = text.partition(":")
    kind, slash, identifier_type = head.rpartition("/")
    if not colon or not value or (slash and not kind):
        raise UsageError(f"`{text}` is no identifier. Write TYPE:VALUE or KIND/TYPE:VALUE, such as email:ann@x.org.")
    return kind, identifier_type, value

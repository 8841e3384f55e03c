"""How somebody names an identifier on the command line: `[KIND/]TYPE:VALUE`, split at the first colon."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError

ENTITY_ID = "entity_id"
_STEPS: dict[str, Callable[[str], str]] = {
    "trim": lambda text: text.strip(" "),
    "lower": str.lower,
    "upper": str.upper,
    "digits": lambda text: re.sub("[^0-9]", "", text),
}


@dataclass(frozen=True)
class Name:
    """What was asked for: a kind of entity, a type of its identifiers (or `entity_id`), and the value as it is kept."""

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


def parse_name(project: Project, written: str) -> Name:
    """Reads a name; the value is normalised as stitching would keep it.

    Args:
        project: the project.
        written: `[KIND/]TYPE:VALUE`; `entity_id:UUID` names an entity by any id it ever had.

    Raises:
        UsageError: it is no name, or there is no such kind or type.
    """
    head, colon, value = written.partition(":")
    given_kind, slash, identifier_type = head.rpartition("/")
    if not colon or not value:
        raise UsageError(f"`{written}` is no identifier. Write TYPE:VALUE or KIND/TYPE:VALUE, such as email:ann@x.org.")
    kinds = [given_kind] if slash else list(project.entities)
    if slash and given_kind not in project.entities:
        raise UsageError(f"There is no kind of entity `{given_kind}`. There is: {', '.join(project.entities)}.")
    for kind in kinds:
        if identifier_type in (ENTITY_ID, *(known.type for known in project.entities[kind].identifiers)):
            return Name(kind, identifier_type, _normalised(project, kind, identifier_type, value))
    known = [f"{kind}/{known.type}" for kind in kinds for known in project.entities[kind].identifiers]
    raise UsageError(f"There is no type of identifier `{identifier_type}`. There is: {', '.join(known)}.")


def _normalised(project: Project, kind: str, identifier_type: str, value: str) -> str:
    if identifier_type == ENTITY_ID:
        return value
    entity = project.entities[kind]
    for step in entity.identifiers[entity.priority(identifier_type)].normalize:
        value = _STEPS[step](value)
    return value

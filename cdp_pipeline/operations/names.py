"""How an identifier is named on the command line: `[KIND/]TYPE:VALUE`, split at the first colon."""

from dataclasses import dataclass

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError

ENTITY_ID = "entity_id"  # names an entity by any id it ever had


@dataclass(frozen=True)
class Name:
    """An identifier as somebody named it: of which kind, of which type (or `entity_id`), its value as written."""

    kind: str
    type: str
    value: str


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


def parse_name(project: Project, text: str) -> Name:
    """What a text names.

    Raises:
        UsageError: it is no identifier, or there is no such kind or type.
    """
    return parse_names(project, text)[0]


def _split(text: str) -> tuple[str, str, str]:
    head, colon, value = text.partition(":")
    kind, slash, identifier_type = head.rpartition("/")
    if not colon or not value or (slash and not kind):
        raise UsageError(f"`{text}` is no identifier. Write TYPE:VALUE or KIND/TYPE:VALUE, such as email:ann@x.org.")
    return kind, identifier_type, value

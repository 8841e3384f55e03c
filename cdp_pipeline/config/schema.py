"""The JSON schema of a project file, by which editors complete and check it while it is written.

It is made from the models, so it says what the loader says, except what a JSON schema cannot: that a name exists.
"""

from typing import Any

from cdp_pipeline.config.fields import NAME_PATTERN
from cdp_pipeline.config.loader import LISTS
from cdp_pipeline.config.model import Entity, IdentityMap, Location, Project, Source
from cdp_pipeline.config.section import Section

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def project_schema() -> dict[str, Any]:
    """Return the JSON schema of `project.yaml`, in the user's spelling."""
    schema = Project.model_json_schema(by_alias=True, mode="validation")
    definitions = schema["$defs"]
    del definitions[Location.__name__]
    _keep_written(schema, Project)
    for section in (Source, Entity):
        _keep_written(definitions[section.__name__], section)
    for mapping in ("sources", "entities"):
        schema["properties"][mapping]["propertyNames"] = {"pattern": f"^{NAME_PATTERN}$"}
    definitions[IdentityMap.__name__]["properties"]["persons"] |= {
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
    }
    lists = definitions[Entity.__name__]["properties"]
    for name in LISTS:
        lists[name] = _or_files(lists[name])
    return {"$schema": _DIALECT, **schema}


def _keep_written(schema: dict[str, Any], section: type[Section]) -> None:
    """Leave out the fields that no user writes."""
    for name in section.not_written:
        schema["properties"].pop(name, None)
    schema["required"] = [name for name in schema.get("required", []) if name not in section.not_written]


def _or_files(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list that may also be kept in files of its own."""
    description = "A pattern that starts at the project's folder; each file holds a list, or a single item."
    files = {
        "type": "object",
        "properties": {"files": {"type": "string", "description": description}},
        "required": ["files"],
        "additionalProperties": False,
    }
    return {"description": items.pop("description"), "anyOf": [items, files]}

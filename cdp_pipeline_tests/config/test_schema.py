"""The schema for editors accepts what the loader accepts, in the user's spelling."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp_pipeline.config.schema import project_schema
from cdp_pipeline_tests.config import test_identity as identity
from cdp_pipeline_tests.config.projects import SHOP, mistakes, replaced
from cdp_pipeline_tests.config.test_automation import with_automation

# Some releases of great-expectations bring it; the schema itself needs no library.
jsonschema: Any = pytest.importorskip("jsonschema")

ATTRIBUTES = SHOP[SHOP.index("    attributes:") :]
RIGHT = {
    "the small project": SHOP,
    "three lines": "name: a\nwarehouse: duckdb:///a\nstart: 2026-01-01\n",
    "a list in files": SHOP.replace(ATTRIBUTES, "    attributes: {files: 'attributes/*.yaml'}\n"),
    "renamed schemas": replaced("  customer:\n", "  customer:\n    schema: people\n") + "schema: shared\n",
    "a star": replaced("events: login", "events: '*'"),
    "a mirror": replaced("    arrived_at:", "    mode: mirror\n    deleted: is_deleted\n    arrived_at:"),
    "no automation": with_automation("{run: off, replay: off}"),
    "all automation": with_automation("{run: '0 3 * * 1-5', replay: {every: 15m}}"),
    **identity.RIGHT,
}
WRONG = {
    "the models' spelling": replaced("name: shop\n", "name: shop\nschema_name: shared\n"),
    "a name that only the loader gives": replaced("    arrived_at:", "    name: crm\n    arrived_at:"),
    "a value that comes later": replaced("- {type: crm_id", "- {type: crm_id, store: hashed"),
    "an unknown mode": replaced("    arrived_at:", "    mode: latest\n    arrived_at:"),
    "a number for a text": replaced("id: message_id", "id: 5"),
    "an odd name": replaced("id: revenue", "id: totalRevenue"),
    "an odd kind": replaced("  customer:\n", "  Customer:\n"),
    "no start": replaced("start: 2026-01-01\n", ""),
    "a key beside files": SHOP.replace(ATTRIBUTES, "    attributes: {files: 'attributes/*.yaml', id: x}\n"),
    "persons that are a list": identity.with_map("{crm_id: crm, email: mail}", "[crm_id]"),
    "no persons": identity.with_map("{crm_id: crm, email: mail}", "{}"),
    "an odd type of person": identity.with_map("email: mail", "E-Mail: mail"),
    "a map without a primary id": identity.with_map("primary: {type: web_id, column: id}, ", ""),
    "a word for a number of links": identity.with_type("max_links: many"),
    "no links": identity.with_guards("{max_links: 0}"),
    "an unknown guard": identity.with_guards("{max_entities: 1}"),
    "a share above 1": identity.with_guards("{publish: {max_share_merged: 5}}"),
    "an odd interval": with_automation("{replay: {every: 15 minutes}}"),
    "an interval without its key": with_automation("{replay: 15m}"),
    "an unknown owner": identity.with_type("when_shared: everybody"),
}


def is_valid(text: str) -> bool:
    """Tell whether an editor would accept a project, with days as JSON has them."""
    project = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return bool(jsonschema.Draft202012Validator(project_schema()).is_valid(project))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(project_schema())


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_the_schema_accepts_what_the_loader_accepts(tmp_path: Path, text: str) -> None:
    files = {"attributes/a.yaml": "[]"}
    assert is_valid(text)
    assert mistakes(tmp_path, text, files) == []


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_the_schema_refuses_what_the_loader_refuses(tmp_path: Path, text: str) -> None:
    assert not is_valid(text)
    assert mistakes(tmp_path, text) != []


def test_every_key_is_described_and_none_that_a_user_cannot_write_is_there() -> None:
    schema = project_schema()
    sections = {"Project": schema, **schema["$defs"]}
    described = {
        f"{name}.{key}": bool(field.get("description"))
        for name, section in sections.items()
        for key, field in section["properties"].items()
    }
    assert [key for key, there in described.items() if not there] == []
    assert not {"Project.folder", "Project.locations", "Source.name", "Entity.kind", "Entity.schema_name"} & set(
        described
    )
    assert {"Project.schema", "Entity.schema", "StitchingRule.source"} <= set(described)

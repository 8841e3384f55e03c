"""Projects that the tests write to disk: a small one that is right, and helpers to spoil it."""

from collections.abc import Mapping
from pathlib import Path

from cdp_pipeline.config.loader import read_project

SHOP = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web:
    files: landing/web/{day}/*
    where: row->>'env' = 'prod'
    event:
      id: message_id
      type: type
      time: timestamp
      payload: properties
  crm:
    table: raw.contacts
    arrived_at: updated_at
    event: {id: contact_id, type: "'contact'", time: updated_at}
entities:
  customer:
    identifiers:
      - {type: crm_id}
      - {type: email, normalize: [trim, lower], valid: '^[^@\\s]+@[^@\\s]+$', blocked: [test@test.com], pii: true}
      - {type: web_id}
    stitching:
      - {source: web, events: '*', identifier: web_id, value: "payload->>'user_id'"}
      - {source: [web, crm], events: login, version: '1-0-0', identifier: email, value: "payload->'user'->>'email'"}
    attributes:
      - {id: revenue, type: sum, value: "(payload->>'amount')::numeric(18,2)", sources: web, default: 0}
"""
# The beginning of an identity map, up to the type of its primary id.
MAP_OF = "    identity_maps:\n      - {table: raw.map, primary: {type: "


def write_project(folder: Path, text: str = SHOP, files: Mapping[str, str] | None = None) -> Path:
    """Write `project.yaml` and other files of a project; return its folder."""
    for name, content in {"project.yaml": text, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode())
    return folder


def replaced(old: str, new: str) -> str:
    """Return the small project with one text replaced, which must be there once."""
    assert SHOP.count(old) == 1, f"{old!r} stands {SHOP.count(old)} times in the small project"
    return SHOP.replace(old, new)


def mistakes(folder: Path, text: str, files: Mapping[str, str] | None = None) -> list[str]:
    """Return every mistake in a project as a user reads it."""
    _, errors = read_project(write_project(folder, text, files), {})
    return [str(error) for error in errors]

"""A small world to be killed in: what has run, and what the next run finds to do.

Each scenario changes a copy of the same project, which has run, and says how the next run is asked for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cdp_pipeline.config.model import Project
from cdp_pipeline.events.landing import Days
from cdp_pipeline_tests.automation.tiny import land, landing_file, row, write_tiny

PROJECT = """\
name: tiny
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
end: 2026-01-04
sources:
  web: {files: 'landing/web/{day}/*', event: {id: id, type: type, time: at}}
  crm: {files: 'landing/crm/{day}.ndjson', mode: mirror, deleted: gone, event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers: [{type: crm, max_per_entity: 1}, {type: email}, {type: phone}, {type: cookie, max_links: 3}]
    stitching:
      - {identifier: crm, value: "payload->>'crm'"}
      - {identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "payload->>'email'"}
    replay: {batch_events: 2}
    attributes:
      - {id: n_events, type: expression, value: count(*)}
      - {id: revenue, type: sum, value: "(payload->>'total')::numeric(18,2)"}
"""
D1, D2, D3, D4 = (date(2026, 1, day) for day in (1, 2, 3, 4))
# Anonymous visits on many devices, a tablet that two customers share, a cookie that soon joins a crowd.
BEFORE: Mapping[date, list[dict[str, Any]]] = {
    D1: [
        *(row(number, D1, cookie="abcd"[number % 4], total=number) for number in range(1, 13)),
        row(13, D1, crm="1", cookie="tablet"),
        row(14, D1, crm="2", cookie="tablet"),
        row(15, D1, cookie="crowd", email="p1"),
        row(16, D1, cookie="crowd", email="p2"),
    ],
    D2: [
        row(21, D2, cookie="a", email="ann"),
        row(22, D2, cookie="b", email="bob", total=5),
        row(23, D2, cookie="c", email="cid", phone="5"),
        row(24, D2, cookie="tablet"),
        row(25, D2, crm="3", email="ann"),
    ],
    D3: [row(31, D3, cookie="d", email="dan"), row(32, D3, crm="2", cookie="tablet"), row(33, D3), row(34, D3, at="?")],
}
# Logins that join anonymous visits to people, so that many past events change hands.
NEWS = [
    row(41, D4, cookie="a", crm="3"),
    row(42, D4, cookie="b", crm="4", email="bob"),
    row(43, D4, cookie="crowd", email="p3"),
    row(44, D4, cookie="crowd", email="p4"),
    row(45, D4, cookie="e", email="dan", phone="5"),
]


# A mirror's rows: contacts that tie e-mails and cookies to customers.
CONTACTS = [
    row(51, D2, crm="5", email="eve", cookie="e"),
    row(52, D2, crm="6", cookie="d"),
    row(53, D2, crm="7", email="fay"),
]


@dataclass(frozen=True)
class Scenario:
    """What changes before a run, how the run is asked for, and whom an operator erases before it."""

    name: str
    change: Callable[[Path], None]
    asked: Mapping[str, Any] = field(default_factory=dict)
    erases: str = ""


def contacts(folder: Path, day: date, rows: list[dict[str, Any]]) -> None:
    """Land rows of the mirror."""
    file = folder / "landing" / "crm" / f"{day}.ndjson"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")


def corrected_and_deleted(folder: Path) -> None:
    """A contact that is somebody else's now, one that is deleted, one that came back, and a day of files."""
    land(folder, D4, NEWS)
    changed = [row(51, D3, crm="2", email="eve"), row(52, D3, gone=True), row(54, D3, crm="8", email="fay")]
    contacts(folder, D3, changed)
    contacts(folder, D4, [row(52, D4, crm="6", cookie="c"), row(53, D4, gone=True)])


def new_and_changed_days(folder: Path) -> None:
    """A day that is new; of others rows are gone, others, or of another person."""
    land(folder, D4, NEWS)
    land(folder, D2, [row(21, D2, cookie="a", email="eve"), *BEFORE[D2][1:3], row(26, D2, cookie="d", crm="4")])
    land(folder, D3, BEFORE[D3][:1])


def replaced_days(folder: Path) -> None:
    """Days that are replaced with what lies there: of one of them nothing."""
    land(folder, D4, NEWS)
    land(folder, D2, BEFORE[D2][2:])
    landing_file(folder, D3).unlink()


def edited_project(folder: Path) -> None:
    """A rule, a limit and an attribute are others, so that all is worked out again."""
    file = folder / "project.yaml"
    edits = (
        ("    replay:", "      - {identifier: phone, value: \"payload->>'phone'\"}\n    replay:"),
        ("max_links: 3", "max_links: 2"),
        ("value: count(*)", "value: 2 * count(*)"),
    )
    text = file.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


SCENARIOS = (
    Scenario("new and changed days", new_and_changed_days),
    Scenario("replaced days", replaced_days, {"days": Days(D2, D4)}),
    Scenario("an edited project", edited_project),
    Scenario("corrections and deletions", corrected_and_deleted),
    Scenario("an erasure", lambda folder: land(folder, D4, NEWS), erases="email:ann"),
    Scenario("all again, with a new day", lambda folder: land(folder, D4, NEWS), {"full": True}),
)


def write_world(folder: Path) -> Project:
    """Write the project and its files of three days."""
    project = write_tiny(folder, PROJECT, BEFORE)
    contacts(project.folder, D2, CONTACTS)
    return project

"""Project files of the tests, and lines of their landing files."""

import json
from collections.abc import Sequence
from typing import Any

# Reads what cdp_pipeline_tests.oracle.histories writes.
HISTORIES = """\
name: histories
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  shop: {files: 'landing/shop/{day}/*', event: {id: id, type: type, time: ts}}
  web: {files: 'landing/web/{day}/*', event: {id: id, type: type, time: ts}}
  contacts: {files: 'landing/contacts/{day}/*', event: {id: id, type: type, time: ts}, mode: mirror, deleted: deleted}
entities:
  customer:
    identifiers: [{type: crm}, {type: email}, {type: cookie}]
    stitching:
      - {identifier: cookie, value: "payload->'ids'->'cookie'"}
      - {identifier: email, value: "payload->'ids'->'email'"}
      - {identifier: crm, value: "payload->'ids'->'crm'"}
    attributes:
      - {id: events, type: expression, value: count(*)}
      - {id: amount, type: sum, value: "(payload->>'amount')::numeric(18,2)"}
"""

# The same rows in one file for each source, in which each row says its day.
HISTORIES_BY_ROW = HISTORIES.replace("{day}/*', event", "*', arrived_at: got, event")

CUSTOMER = """\
  customer:
    identifiers: [{type: email}, {type: cookie}]
    stitching:
      - {identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "payload->>'email'"}
"""
# People of unique numbers, who may share a device; what they spent, and in how many events they were seen.
PEOPLE = """\
  customer:
    identifiers:
      - {type: crm_id, max_per_entity: 1}
      - {type: email}
      - {type: web_id, bridge: false, when_shared: by_time}
    stitching:
      - {identifier: web_id, value: "payload->>'web'"}
      - {identifier: email, value: "payload->'email'"}
      - {identifier: crm_id, value: "payload->>'crm'"}
    attributes:
      - {id: spent, type: sum, value: "(payload->>'amount')::numeric(38,2)", default: 0}
      - {id: seen, type: expression, value: count(*)}
"""
WEB = """\
  web: {files: 'landing/{day}/web*', event: {id: id, type: type, time: at}}
"""


def project(sources: str = WEB, entities: str = CUSTOMER, more: str = "") -> str:
    """Return a project file with these sources and kinds of entity, each indented by two."""
    return (
        f"name: story\nwarehouse: duckdb:///warehouse.duckdb\nstart: 2026-01-01\n{more}"
        f"sources:\n{sources}entities:\n{entities}"
    )


def day(number: int) -> str:
    """Return a day of arrival as it stands in a path; the first is 1."""
    return f"2026-02-{number:02}"


def row(number: object, **more: Any) -> dict[str, Any]:
    """Return a row that is right; `more` adds to it or replaces."""
    return {"id": str(number), "type": "view", "at": "2026-02-01T10:00:00Z", **more}


def lines(*rows: dict[str, Any] | str) -> str:
    """Return NDJSON of rows; a text stands as it is."""
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows)


def in_csv(names: Sequence[str], *records: Sequence[str]) -> str:
    """Return CSV without quotes, as it stands."""
    return "".join(",".join(record) + "\n" for record in (names, *records))

"""The end of an erasure: the stages retract what followed from the erased events, then its history goes.

Whoever opens a session finishes what a killed process left.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.events.event_counts import count_events
from cdp_pipeline.events.tombstones import NO_KEYS, keys_of
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.operations.receipts import hash_of, read_receipt
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Schemas
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "erase.sql")
_SCRUBS = {
    "scrub_history": "entity_map_history",
    "scrub_changes": "entity_changes",
    "scrub_values": "identifier_values",
    "scrub_decisions": "decisions",
}
_LOGS = ("scrub_removed_identifiers", "scrub_removed_map_rows")


def finish_erasures(connection: Connection, project: Project, run: Run) -> None:
    """Finishes the erasures that are not at their end; a no-op where there are none.

    Raises:
        PublicationHeld: the publication gate holds back a map that is due.
    """
    unfinished = connection.fetch(SQL["unfinished"].bind({"cdp": project.schema_name}))
    if not unfinished:
        return
    count_events(connection, project, run)
    for kind in project.entities:
        for _, work in STAGES_OF_A_KIND:
            work(connection, project, kind, run)
    with connection.transaction():
        for row in unfinished:
            erasure = _Unfinished(*row)
            _close(connection, project, erasure, _scrub(connection, project, run, erasure))
        for kind in project.entities:
            connection.run(SQL["empty_queue"].bind(schemas_of(project, kind)))


@dataclass(frozen=True)
class _Unfinished:
    """An erasure whose events are gone and whose history is not."""

    erasure_id: int
    kind: str
    entity_id: UUID | None
    scope: str
    removed: str


def _scrub(connection: Connection, project: Project, run: Run, erasure: _Unfinished) -> dict[str, int]:
    """Takes the history away; returns how many rows went from which table, those of the first transaction included."""
    counts: dict[str, int] = json.loads(erasure.removed)
    keys = keys_of(connection, {"cdp": project.schema_name}) or NO_KEYS
    for kind in project.entities:
        schemas = schemas_of(project, kind)
        connection.run(SQL["gone"].bind(schemas))
        if kind == erasure.kind and erasure.scope == "person":
            values = {"run": run.run, "entity_id": str(erasure.entity_id), "now": datetime.now(UTC)}
            connection.run(SQL["note_change"].bind(schemas), **values)
        for name, table in _SCRUBS.items():
            gone = connection.run(SQL[name].bind(schemas))
            if gone > 0:
                counts[f"{schemas['kind']}.{table}"] = counts.get(f"{schemas['kind']}.{table}", 0) + gone
        connection.run(SQL["scrub_founders"].bind(schemas), **keys)
        for name in _LOGS:
            connection.run(SQL[name].bind(schemas))
        connection.drop_temporary(["gone"])
    connection.run(SQL["scrub_removed_events"].bind({"cdp": project.schema_name}))
    return counts


def _close(connection: Connection, project: Project, erasure: _Unfinished, removed: Mapping[str, int]) -> None:
    schemas: Schemas = {"cdp": project.schema_name}
    last = connection.fetch(SQL["last_receipt"].bind(schemas))
    values: dict[str, Any] = {
        "removed": json.dumps(dict(sorted(removed.items()))),
        "now": datetime.now(UTC),
        "previous_hash": last[0][0] if last else "",
    }
    receipt = replace(
        read_receipt(connection, project, erasure.erasure_id),
        removed=values["removed"],
        finished_at=values["now"],
        previous_hash=values["previous_hash"],
    )
    connection.run(SQL["finish"].bind(schemas), **values, receipt_hash=hash_of(receipt), erasure_id=erasure.erasure_id)

"""Receipts of erasures: what was removed, each chained to the one before by its hash."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.tables import ERASURES
from cdp_pipeline.warehouse.base import Connection

SQL = Statements(__package__, "erase.sql")


@dataclass(frozen=True)
class Receipt:
    """What was erased; times are UTC.

    Attributes:
        removed: JSON, how many rows went from which table.
        previous_hash: the hash of the receipt before; empty for the first.
        receipt_hash: hex of SHA-256 over all of it and the hash before.
    """

    erasure_id: int
    kind: str
    scope: str
    entity_id: UUID | None
    by: str
    why: str
    erased_at: datetime
    removed: str
    finished_at: datetime | None
    previous_hash: str | None
    receipt_hash: str | None


def hash_of(receipt: Receipt) -> str:
    """What the receipt's hash has to be: SHA-256 over its fields as a JSON array, times in UTC to the microsecond."""
    finished = receipt.finished_at
    said = [
        receipt.erasure_id, receipt.kind, receipt.scope, None if receipt.entity_id is None else str(receipt.entity_id),
        receipt.by, receipt.why, _text(receipt.erased_at), json.loads(receipt.removed),
        None if finished is None else _text(finished), receipt.previous_hash,
    ]  # fmt: skip
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def list_receipts(connection: Connection, project: Project) -> list[Receipt]:
    """All receipts, the oldest first."""
    if connection.columns_of(project.schema_name, ERASURES.name) is None:
        return []  # made by a release that had none
    rows = connection.fetch(SQL["receipts"].bind({"cdp": project.schema_name}), everything=True, erasure_id=0)
    return [Receipt(*row) for row in rows]


def read_receipt(connection: Connection, project: Project, erasure_id: int) -> Receipt:
    """One receipt."""
    schemas = {"cdp": project.schema_name}
    return Receipt(*connection.fetch(SQL["receipts"].bind(schemas), everything=False, erasure_id=erasure_id)[0])


def broken_receipts(receipts: list[Receipt]) -> list[int]:
    """The receipts that are not what they were: of another hash, or not chained to the one before."""
    broken, previous = [], ""
    for receipt in receipts:
        if receipt.finished_at is None:
            continue
        if receipt.receipt_hash != hash_of(receipt) or receipt.previous_hash != previous:
            broken.append(receipt.erasure_id)
        previous = receipt.receipt_hash or ""
    return broken


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")

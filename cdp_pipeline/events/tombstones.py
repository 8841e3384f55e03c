"""What keeps an erased person out: tombstones, by which later landings, replays and rebuilds know what was erased.

A tombstone is an HMAC-SHA256 (RFC 2104) with a secret key that the warehouse keeps: of an event's id, of an
identifier's id, or of the text of a rejected row. It says nothing about anybody to who does not have the key. An event
that carries an erased identifier is erased too, whenever it lands. What is left of a landed row is a row of
`rejected_events` without its content, so that landed rows are still events or rejected rows.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Schemas
from cdp_pipeline.warehouse.stage import Work

SQL = Statements(__package__, "tombstones.sql")
_BLOCK = 64  # bytes; a key of SHA-256's block size is used as it is
Keys = Mapping[str, Any]
NO_KEYS: Keys = {"inner_key": "", "outer_key": ""}  # for a statement that has nothing to mark


def keys_of(connection: Connection, schemas: Schemas) -> Keys | None:
    """The halves of the key as values of statements, in hex; None: nobody was ever erased here."""
    rows = connection.fetch(SQL["keys"].bind(schemas))
    return {"inner_key": rows[0][0], "outer_key": rows[0][1]} if rows else None


def make_keys(work: Work) -> Keys:
    """The halves of the key, which is made if there is none."""
    known = keys_of(work.connection, work.spec.schemas)
    if known is not None:
        return known
    key = secrets.token_bytes(_BLOCK)
    inner, outer = (bytes(byte ^ pad for byte in key).hex() for pad in (0x36, 0x5C))
    work.run(SQL["make_keys"], inner_key=inner, outer_key=outer)
    return {"inner_key": inner, "outer_key": outer}


def mark_landed(work: Work) -> None:
    """Marks the rows of `landed` that were erased once, before it is decided which rows are events."""
    keys = keys_of(work.connection, work.spec.schemas)
    if keys is not None:
        work.run(SQL["mark_landed"], **keys)


def blank_readings(work: Work, kind: str) -> None:
    """Makes erased identifiers in `readings` none: a rule or an identity map may name one that no event shows."""
    keys = keys_of(work.connection, work.spec.schemas)
    if keys is not None:
        work.run(SQL["blank_readings"], **keys, entity=kind)


def erase_events(work: Work, keys: Keys) -> int:
    """Erases the events whose ids are in `erased`, with the rows that lost against them; returns how many events."""
    work.run(SQL["add_event_tombstones"], **keys)
    work.run(SQL["erase_rejected"])
    work.run(SQL["reject_erased"])
    work.run(SQL["log_removed"], number=work.number)
    return work.run(SQL["remove_events"])

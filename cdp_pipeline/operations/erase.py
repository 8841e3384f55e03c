"""Erasure: a person, or one identifier, is taken out of everything and kept out.

What goes: the person's events, the events that carry an identifier that only they have, these identifiers, the rows of
identity maps that name them, and all history of both. An identifier that others have too stays, without the person's
events. A first transaction takes the events away and writes the tombstones; the ordinary stages then retract what
followed from them; a last transaction takes the history away and closes the receipt. A process that is killed in
between leaves an erasure that the next one finishes before it does anything else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.customer_events import customer_events_spec
from cdp_pipeline.events.tombstones import erase_events, make_keys
from cdp_pipeline.operations.finish_erasure import finish_erasures
from cdp_pipeline.operations.owner import Owner, find_owner
from cdp_pipeline.operations.receipts import Receipt, read_receipt
from cdp_pipeline.operations.rejected_text import SayingRow, erase_rows, rows_that_say
from cdp_pipeline.operations.search import search_everywhere
from cdp_pipeline.operations.session import Session
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Run, Work, stage

SQL = Statements(__package__, "erase.sql")


@dataclass(frozen=True)
class ErasedIdentifier:
    """An identifier that goes, or one that stays because others have it too."""

    type: str
    value: str
    identifier_id: UUID


@dataclass(frozen=True)
class Preview:
    """What would be erased.

    Attributes:
        entity_id: the person's id; None: nobody has the identifier.
        scope: person or identifier.
        events: events that go.
        events_of_others: those of them that belong to others or to nobody.
        rejected_rows: rows that landed and are no events, and lose their content.
        erased: the identifiers that go.
        shared: identifiers of the person that stay.
    """

    kind: str
    entity_id: UUID | None
    scope: str
    events: int
    events_of_others: int
    rejected_rows: int
    erased: list[ErasedIdentifier]
    shared: list[ErasedIdentifier]


@dataclass(frozen=True)
class Erasure:
    """What was erased, and where a value that was erased still stands: by table and column, in how many rows."""

    preview: Preview
    receipt: Receipt
    still_found: dict[str, int]


@dataclass(frozen=True)
class _Target:
    """Who was asked for, and whether the person goes or the identifier alone."""

    owner: Owner
    scope: str

    @property
    def entity_id(self) -> str | None:
        """The person's id as a value of statements."""
        return None if self.owner.entity_id is None else str(self.owner.entity_id)

    @property
    def identifier_id(self) -> str | None:
        """The identifier's id as a value of statements."""
        return None if self.owner.identifier_id is None else str(self.owner.identifier_id)


def preview_erasure(session: Session, text: str, *, only_identifier: bool) -> Preview:
    """What erasing would take, without taking anything.

    Args:
        session: a rehearsal.
        text: `[KIND/]TYPE:VALUE`.
        only_identifier: the identifier alone, not the person.

    Raises:
        UsageError: nobody has it, or it is no identifier.
    """
    target = _find(session.connection, session.project, text, only_identifier=only_identifier)
    spec = customer_events_spec(session.project)
    spec = replace(spec, schemas=schemas_of(session.project, target.owner.kind), invariants=())
    with stage(session.connection, spec, session.run) as work:
        _collect(work, session.project, target)
        return _look(work, target)[0]


def erase(session: Session, text: str, *, only_identifier: bool, by: str, why: str) -> Erasure:
    """Erases a person or an identifier, for good.

    Raises:
        UsageError: nobody has it, or it is no identifier.
        PublicationHeld: the publication gate holds back what else was due; what was asked for is erased, and its
            history goes with the next run.
    """
    project, connection = session.project, session.connection
    target = _find(connection, project, text, only_identifier=only_identifier)
    preview, erasure_id = _begin(connection, project, session.run, target, {"by": by, "why": why})
    finish_erasures(connection, project, session.run)
    receipt = read_receipt(connection, project, erasure_id)
    found = search_everywhere(connection, project, [(each.value, each.identifier_id) for each in preview.erased])
    return Erasure(preview, receipt, found)


def _find(connection: Connection, project: Project, text: str, *, only_identifier: bool) -> _Target:
    owner = find_owner(connection, project, text)
    if only_identifier and owner.identifier_id is None:
        raise UsageError(f"`{text}` is a person and no identifier. Leave out --identifier, or name an identifier.")
    if owner.entity_id is None and not only_identifier:
        raise UsageError(
            f"`{text}` belongs to nobody: no event has carried it, or too many share it. Erase the identifier alone "
            "with --identifier; then every event that carries it goes."
        )
    return _Target(owner, "identifier" if only_identifier else "person")


def _collect(work: Work, project: Project, target: _Target) -> None:
    """Which identifiers and events go: `erasing_identifiers` and the temporary table `erased`."""
    work.run(SQL["empty_queue"])
    work.run(SQL["carried"], entity_id=target.entity_id, identifier_id=target.identifier_id)
    work.run(SQL["make_erased"])
    work.run(SQL["shared"], entity_id=target.entity_id)
    if target.scope == "person":
        work.run(SQL["of_the_person"], entity_id=target.entity_id)
        work.run(SQL["events_of_the_person"], entity_id=target.entity_id)
    else:
        work.run(SQL["of_the_identifier"], identifier_id=target.identifier_id)
    work.run(SQL["events_that_carry"])
    for kind in project.entities:
        work.connection.run(SQL["also_carried"].bind(schemas_of(project, kind)))


def _look(work: Work, target: _Target) -> tuple[Preview, list[SayingRow]]:
    """What goes, and the rejected rows that go because of their text."""
    events, rejected = work.fetch(SQL["counts"])[0]
    rows = sorted(work.fetch(SQL["identifiers"]))
    erased = [ErasedIdentifier(*row[:3]) for row in rows if row[3]]
    saying = rows_that_say(work, [each.value for each in erased])
    preview = Preview(
        target.owner.kind,
        target.owner.entity_id,
        target.scope,
        events,
        work.scalar(SQL["events_of_others"], entity_id=target.entity_id),
        rejected + len(saying),
        erased,
        [ErasedIdentifier(*row[:3]) for row in rows if not row[3] and target.scope == "person"],
    )
    return preview, saying


def _begin(
    connection: Connection, project: Project, run: Run, target: _Target, said: Mapping[str, str]
) -> tuple[Preview, int]:
    """The first transaction: events go, tombstones come, everything downstream is due."""
    kind = target.owner.kind
    spec = replace(customer_events_spec(project), schemas=schemas_of(project, kind), invariants=())
    with stage(connection, spec, run) as work:
        work.facts.due = Due.CHANGES
        _collect(work, project, target)
        preview, saying = _look(work, target)
        keys = make_keys(work)
        work.run(SQL["add_identifier_tombstones"], entity=kind, **keys)
        work.run(SQL["touch"])
        if target.scope == "person":
            work.run(SQL["close_ids"], entity_id=target.entity_id, now=work.now, **keys)
        erase_events(work, keys)
        erase_rows(work, saying, keys)
        removed = {
            f"{project.schema_name}.customer_events": preview.events,
            f"{project.schema_name}.rejected_events": preview.rejected_rows,
            f"{spec.schemas['kind']}.identifiers": len(preview.erased),
            f"{spec.schemas['kind']}.identity_map_rows": _erase_map_rows(work),
        }
        followed: dict[str, Any] = {"maps": f"{kind}/identity_maps", "graph": f"{kind}/identity_graph"}
        work.run(SQL["make_due"], number=work.number, **followed)
        for each in project.entities:
            connection.run(SQL["count_again"].bind(schemas_of(project, each)))
        values: dict[str, Any] = {"entity": kind, "scope": target.scope, "entity_id": target.entity_id, **said}
        work.run(SQL["add_erasure"], **values, now=work.now, removed=json.dumps(removed))
        ((erasure_id, *_),) = work.fetch(SQL["unfinished"])[-1:]
    return preview, int(erasure_id)


def _erase_map_rows(work: Work) -> int:
    """Takes away what identity maps say of whoever is erased; returns how many rows."""
    work.run(SQL["erased_map_rows"])
    work.run(SQL["log_map_rows"], number=work.number)
    rows = work.run(SQL["remove_map_rows"])
    if rows:
        work.run(SQL["read_maps_again"])
    return rows

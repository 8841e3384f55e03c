"""Why an identifier belongs to whom it belongs, and why two are one or are not.

`cdp explain A` tells all that is known of one identifier: its links, what became of each and why, whose it is and was.
`cdp explain A B` is in `explain_pair`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.identity.decisions import Decision
from cdp_pipeline.operations.evidence import (
    ExampleEvent,
    FromMap,
    Identifier,
    Link,
    Quarantine,
    Reader,
    example,
    read_links,
)
from cdp_pipeline.operations.names import Name, read_name
from cdp_pipeline.operations.neighbourhood import Drawing, draw_around
from cdp_pipeline.warehouse.base import Connection

MOST_LINKS = 50
MOST_CHANGES = 20
MOST_LOG_INS = 20


@dataclass(frozen=True)
class Withdrawal:
    """Who took a decision back, when (UTC), and why if somebody said so."""

    by: str
    at: datetime
    why: str | None


@dataclass(frozen=True)
class KnownDecision:
    """A decision about an identifier: with whom, and whether it is in force, replaced or withdrawn."""

    decision: Decision
    names: tuple[str, ...]
    state: str
    withdrawn: Withdrawal | None = None


@dataclass(frozen=True)
class Span:
    """Whose an identifier is, and when: half-open, None is open; with the name of the entity's key."""

    valid_from: datetime | None
    valid_to: datetime | None
    entity_id: UUID
    recorded_from: datetime | None
    key: str | None


@dataclass(frozen=True)
class LogIn:
    """An event that says who had a shared identifier then."""

    time: datetime
    event_id: UUID
    anchor: str
    entity_id: UUID | None


@dataclass(frozen=True)
class Change:
    """A change of the map that concerned an identifier, with the event that caused it, where there is one."""

    changed_at: datetime
    kind: str
    reason: str
    run: str
    from_entity_id: UUID | None
    to_entity_id: UUID | None
    valid_from: datetime | None
    valid_to: datetime | None
    trigger: ExampleEvent | None


@dataclass(frozen=True)
class Ownership:
    """Whose an identifier is.

    Attributes:
        why: group (all of its group belong to one entity), log-ins (it is shared), quarantine or nobody.
        when_shared: what the project says of shared identifiers of its type.
        entity_id: the entity of its group.
        key: the entity's key identifier.
        identifiers: how many identifiers the group has.
        spans: whose it is, and when.
        log_ins: the latest log-ins on it, where it is shared.
        events_anchored: how many events it decides the owner of.
    """

    why: str
    when_shared: str
    entity_id: UUID | None
    key: str | None
    identifiers: int
    spans: tuple[Span, ...]
    log_ins: tuple[LogIn, ...]
    events_anchored: int


@dataclass(frozen=True)
class Explanation:
    """All that is known of one identifier.

    Attributes:
        asked: what was asked for, as it was written.
        links: its links, the refused ones and then the last seen first, at most 50.
        links_in_all: with how many identifiers of each type it is linked.
        maps: the rows of identity maps about it, where they name nobody (any more).
    """

    kind: str
    asked: str
    identifier: Identifier
    quarantine: Quarantine | None
    ownership: Ownership
    links: tuple[Link, ...]
    links_in_all: dict[str, int]
    empty_map_rows: tuple[FromMap, ...]
    decisions: tuple[KnownDecision, ...]
    changes: tuple[Change, ...]
    drawing: Drawing


def explain_identifier(connection: Connection, project: Project, written: str) -> Explanation:
    """Explains one identifier.

    Args:
        connection: the warehouse.
        project: the project.
        written: `[KIND/]TYPE:VALUE`, or `entity_id:UUID` for the entity's key.

    Raises:
        UsageError: it names no known kind or type, or was never seen.
    """
    name = read_name(project, written)
    with connection.transaction():
        reader = Reader(connection, project, name.kind)
        identifier = find_identifier(reader, name)
        most = {"id": identifier.identifier_id, "most": MOST_LINKS}
        around = [row[0] for which in ("refused_neighbours", "neighbours") for row in reader.fetch(which, **most)]
        around = list(dict.fromkeys(around))[:MOST_LINKS]
        links = read_links(reader, [(identifier.identifier_id, other) for other in around])
        quarantine = reader.quarantined([identifier]).get(identifier.identifier_id)
        return Explanation(
            name.kind,
            written,
            identifier,
            quarantine,
            _ownership(reader, identifier, quarantine is not None),
            tuple(links),
            dict(reader.fetch("neighbour_types", id=identifier.identifier_id)),
            _empty_map_rows(reader, identifier),
            _decisions_about(reader, identifier.identifier_id),
            _changes_of(reader, identifier.identifier_id),
            draw_around(reader, identifier, links),
        )


def find_identifier(reader: Reader, name: Name) -> Identifier:
    """The identifier that a name means; an entity's is its key.

    Raises:
        UsageError: it was never seen.
    """
    if name.entity_id is not None:
        rows = reader.fetch("key_of_entity", entity_id=str(name.entity_id))
        if not rows:
            raise UsageError(f"Never seen: no {name.kind} ever had the id {name.entity_id}.")
        if rows[0][0] is None:
            raise UsageError(
                f"The id {name.entity_id} is retired: none of its identifiers is in use any more. The table "
                f"{reader.schemas['kind']}.entity_changes says when its last one went."
            )
        return reader.identifiers([rows[0][0]])[rows[0][0]]
    given = {"identifier_type": name.type, "value": name.value}
    identifier_id: UUID = reader.fetch("identifier_id", **given)[0][0]
    found = reader.identifiers([identifier_id])[identifier_id]
    if found.type != "identifier_id":
        return found
    if not reader.fetch("decisions_about", id=identifier_id):
        raise UsageError(
            f"Never seen: no event and no identity map holds {name.type} {name.value}. Values are kept normalised "
            f"(trimmed, lower case, digits only, as project.yaml says); the table {reader.schemas['kind']}.identifiers "
            "holds them."
        )
    return Identifier(identifier_id, name.type, name.value, *(None,) * 7)


def spans_of(reader: Reader, identifier_id: UUID) -> tuple[Span, ...]:
    """Whose an identifier is, and when."""
    rows = reader.fetch("spans", id=identifier_id)
    keys = keys_of(reader, [row[2] for row in rows])
    return tuple(
        Span(valid_from, valid_to, entity, recorded, keys.get(entity))
        for valid_from, valid_to, entity, recorded in rows
    )


def keys_of(reader: Reader, entities: Sequence[UUID]) -> dict[UUID, str | None]:
    """The name of each entity's key."""
    rows = reader.fetch("entity", ids=list(dict.fromkeys(entities)))
    identifiers = reader.identifiers(row[1] for row in rows if row[1] is not None)
    return {row[0]: identifiers[row[1]].name if row[1] is not None else None for row in rows}


def _ownership(reader: Reader, identifier: Identifier, quarantined: bool) -> Ownership:
    spans = spans_of(reader, identifier.identifier_id)
    conflict = bool(reader.fetch("conflicts", id=identifier.identifier_id)[0][0])
    rows = [] if identifier.group_id is None else reader.fetch("entity", ids=[identifier.group_id])
    why = "quarantine" if quarantined else "log-ins" if conflict else "group" if spans else "nobody"
    key = reader.identifiers([rows[0][1]])[rows[0][1]].name if rows and rows[0][1] is not None else None
    return Ownership(
        why,
        next((each.when_shared for each in reader.entity.identifiers if each.type == identifier.type), "by_time"),
        identifier.group_id,
        key,
        0 if identifier.group_id is None else reader.fetch("size_of_group", entity_id=identifier.group_id)[0][0],
        spans,
        _log_ins(reader, identifier) if conflict else (),
        reader.fetch("anchored_by", id=identifier.identifier_id)[0][0],
    )


def _log_ins(reader: Reader, identifier: Identifier) -> tuple[LogIn, ...]:
    types = [each.type for each in reader.entity.identifiers]
    if identifier.type not in types:
        return ()
    values = {"id": identifier.identifier_id, "priority": types.index(identifier.type), "most": MOST_LOG_INS}
    rows = reader.fetch("log_ins", **values)
    anchors = reader.identifiers(row[2] for row in rows)
    return tuple(LogIn(time, event, anchors[anchor].name, entity) for time, event, anchor, entity in rows)


def _empty_map_rows(reader: Reader, identifier: Identifier) -> tuple[FromMap, ...]:
    rows = reader.fetch("map_rows", ids=[identifier.identifier_id])
    return tuple(reader.from_map(number, identifier, at) for number, _, person_ids, at in rows if not person_ids)


def _decisions_about(reader: Reader, identifier_id: UUID) -> tuple[KnownDecision, ...]:
    rows = reader.fetch("decisions_about", id=identifier_id)
    known = known_decisions(reader, [Decision(*row[:7]) for row in rows])
    withdrawn = [None if row[8] is None else Withdrawal(*row[7:]) for row in rows]
    return tuple(
        each if taken_back is None else replace(each, state="withdrawn", withdrawn=taken_back)
        for each, taken_back in zip(known, withdrawn, strict=True)
    )


def known_decisions(reader: Reader, decisions: Sequence[Decision]) -> tuple[KnownDecision, ...]:
    """Decisions with the names of whom they are about."""
    identifiers = reader.identifiers(end for each in decisions for end in each.ends)
    return tuple(
        KnownDecision(
            each,
            tuple(identifiers[end].name for end in each.ends),
            "in force" if reader.verdicts.in_force(each) else "replaced",
        )
        for each in decisions
    )


def _changes_of(reader: Reader, identifier_id: UUID) -> tuple[Change, ...]:
    rows = reader.fetch("changes", id=identifier_id, most=MOST_CHANGES)
    triggers = [row[-1] for row in rows if row[-1] is not None]
    events = {row[0]: example(row) for row in reader.fetch("events", ids=triggers)}
    return tuple(
        Change(at, kind, reason, run, giver, taker, since, until, events.get(trigger))
        for at, kind, reason, run, giver, taker, since, until, trigger in rows
    )

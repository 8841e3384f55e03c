"""Whose an identifier is, and when; and what changes between two maps.

An owner over time is a *timeline*: pieces that begin where the last one ended, the first one at the beginning of time.
What DESIGN.md leaves open is decided here: of several log-ins at one moment only the one with the greatest event_id
counts, before the first log-in too.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cdp_pipeline_tests.oracle.identity import EventIdentifiers
from cdp_pipeline_tests.oracle.kinds import EntityKind
from cdp_pipeline_tests.oracle.limits import Evidence, Refused


@dataclass(frozen=True)
class Span:
    """Somebody owns an identifier from a moment on (included) to another (excluded); None is open."""

    valid_from: datetime | None
    valid_to: datetime | None
    entity_id: str


@dataclass(frozen=True)
class EntityChange:
    """An identifier that belongs to another entity than before, for a span of time; None stands for nobody."""

    identifier_id: str
    from_entity_id: str | None
    to_entity_id: str | None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


Timeline = tuple[tuple[datetime | None, str | None], ...]
"""The moments from which on an owner counts, ascending; the first is None, the beginning. Owner None is nobody."""
NOBODY: Timeline = ((None, None),)


@dataclass(frozen=True)
class Login:
    """An event that says whose a shared identifier is: whose its anchor is then."""

    event_time: datetime
    event_id: str
    anchor_id: str


def timelines(
    groups: Mapping[str, str],
    refused: AbstractSet[Refused],
    carriers: Iterable[EventIdentifiers],
    anchors: Mapping[str, str | None],
    evidence: Evidence,
    kind: EntityKind,
) -> dict[str, Timeline]:
    """Return the owner over time of each identifier that is present.

    Args:
        groups: The entity that each of them is grouped with.
        refused: The links that were not used.
        carriers: The events.
        anchors: The effective anchor of each event.
        evidence: Who is present, and which links are in use.
        kind: The kind of entity.
    """
    in_conflict = {link.other_id for link in refused if link.effect == "conflict"}
    logins = logins_on(in_conflict, refused, carriers, anchors, evidence)

    @cache
    def timeline(identifier_id: str) -> Timeline:
        if identifier_id not in in_conflict:
            return ((None, groups[identifier_id]),)
        own = logins[identifier_id]
        when_shared = kind.of(evidence.identifiers[identifier_id].type).when_shared
        if when_shared == "nobody":
            return NOBODY
        if not own:
            return ((None, groups[identifier_id]),)
        if when_shared == "last_login":
            return ((None, owner_at(timeline(own[-1].anchor_id), own[-1].event_time)),)
        return without_repeats(turns(own))

    def turns(own: list[Login]) -> Iterable[tuple[datetime | None, str | None]]:
        latest = {login.event_time: login.anchor_id for login in own}
        moments = sorted(latest)
        for number, moment in enumerate(moments):
            begins = moment if number else None
            ends = moments[number + 1] if number + 1 < len(moments) else None
            yield from cut(timeline(latest[moment]), begins, ends)

    return {identifier_id: timeline(identifier_id) for identifier_id in evidence.identifiers}


def logins_on(
    identifier_ids: Iterable[str],
    refused: AbstractSet[Refused],
    carriers: Iterable[EventIdentifiers],
    anchors: Mapping[str, str | None],
    evidence: Evidence,
) -> dict[str, list[Login]]:
    """Return the log-ins on each of some identifiers, in the order of time."""
    effects = {link.ends: link.effect for link in refused}
    logins: dict[str, list[Login]] = {identifier_id: [] for identifier_id in identifier_ids}
    for event in sorted(carriers, key=lambda event: (event.event_time, event.event_id)):
        anchor_id = anchors[event.event_id]
        for identifier_id in logins.keys() & set(event.identifier_ids):
            if anchor_id is not None and is_login(anchor_id, identifier_id, effects, evidence):
                logins[identifier_id].append(Login(event.event_time, event.event_id, anchor_id))
    return logins


def is_login(anchor_id: str, identifier_id: str, effects: Mapping[frozenset[str], str], evidence: Evidence) -> bool:
    """Return whether an event with this anchor, that holds an identifier, is a log-in on it."""
    pair = frozenset((anchor_id, identifier_id))
    if pair not in evidence.pairs or effects.get(pair) == "surplus":
        return False
    return evidence.identifiers[anchor_id].priority < evidence.identifiers[identifier_id].priority


def owner_at(timeline: Timeline, moment: datetime) -> str | None:
    """Return the owner at a moment."""
    return [owner for begins, owner in timeline if begins is None or begins <= moment][-1]


def cut(
    timeline: Timeline, begins: datetime | None, ends: datetime | None
) -> Iterable[tuple[datetime | None, str | None]]:
    """Return the part of a timeline from one moment on and before another; None is open."""
    yield begins, timeline[0][1] if begins is None else owner_at(timeline, begins)
    for moment, owner in timeline[1:]:
        if moment is not None and (begins is None or moment > begins) and (ends is None or moment < ends):
            yield moment, owner


def without_repeats(pieces: Iterable[tuple[datetime | None, str | None]]) -> Timeline:
    """Return a timeline in which every piece has another owner than the one before it."""
    kept: list[tuple[datetime | None, str | None]] = []
    for begins, owner in pieces:
        if not kept or kept[-1][1] != owner:
            kept.append((begins, owner))
    return tuple(kept)


def spans(timeline: Timeline) -> tuple[Span, ...]:
    """Return the rows of the map: the pieces that are somebody's."""
    ends = [begins for begins, _ in timeline[1:]] + [None]
    return tuple(
        Span(begins, end, owner) for (begins, owner), end in zip(timeline, ends, strict=True) if owner is not None
    )


def entity_changes(old: Mapping[str, Timeline], new: Mapping[str, Timeline]) -> list[EntityChange]:
    """Return the difference between two maps, by identifier_id and time: the longest spans of one change each."""
    changes = []
    for identifier_id in sorted(old.keys() | new.keys()):
        before, now = old.get(identifier_id, NOBODY), new.get(identifier_id, NOBODY)
        moments = sorted({moment for moment, _ in (*before, *now) if moment is not None})
        pieces: list[tuple[datetime | None, tuple[str | None, str | None]]] = [(None, (before[0][1], now[0][1]))]
        pieces += [(moment, (owner_at(before, moment), owner_at(now, moment))) for moment in moments]
        kept = [piece for n, piece in enumerate(pieces) if n == 0 or piece[1] != pieces[n - 1][1]]
        for number, (begins, (from_id, to_id)) in enumerate(kept):
            ends = kept[number + 1][0] if number + 1 < len(kept) else None
            if from_id != to_id:
                changes.append(EntityChange(identifier_id, from_id, to_id, begins, ends))
    return changes

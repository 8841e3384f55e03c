"""What keeps two identifiers apart: no path, a refused link with its limit, a hub, a decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from cdp_pipeline.identity.decisions import Decision
from cdp_pipeline.operations.evidence import Identifier, Link, Quarantine, Reader
from cdp_pipeline.operations.explain import KnownDecision, known_decisions

MOST_VALUES = 6
_MOST_COUNTED = 2_000


@dataclass(frozen=True)
class BrokenLimit:
    """A limit that two groups would break as one: the setting, how many there would be, and some of them by name."""

    setting: str
    count: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Obstacle:
    """One thing that keeps two identifiers apart.

    Attributes:
        reason: no path, refused link, hub, decision, not in use, or not worked out.
        link: the step of the chain that is refused or out of use.
        limits: which limits the groups of the refused link's two ends would break as one.
        decisions: the decisions that say so.
        quarantine: the hub, with its numbers.
        identifier: who is not in use, or not worked out yet.
    """

    reason: str
    link: Link | None = None
    limits: tuple[BrokenLimit, ...] = ()
    decisions: tuple[KnownDecision, ...] = ()
    quarantine: Quarantine | None = None
    identifier: Identifier | None = None


def find_obstacles(
    reader: Reader, ends: tuple[Identifier, Identifier], chain: Sequence[Link] | None
) -> tuple[Obstacle, ...]:
    """What keeps two identifiers apart.

    Args:
        reader: of their kind.
        ends: the two.
        chain: the path that comes closest to joining them; None: there is none.
    """
    found = [Obstacle("not in use", identifier=end) for end in ends if not end.in_use]
    on_chain = {name for link in chain or () for name in link.quarantined}
    hubs = {each.identifier.name: each for each in reader.quarantined(_all(ends, chain)).values()}
    hub_ends = [end.name for end in ends if end.name in hubs]
    found += [Obstacle("hub", quarantine=hubs[name]) for name in dict.fromkeys([*hub_ends, *sorted(on_chain)])]
    waiting = [end for end in ends if end.in_use and end.group_id is None and end.name not in hubs]
    found += [Obstacle("not worked out", identifier=end) for end in waiting]
    found += [_of_link(reader, link) for link in chain or () if link.use in ("refused", "unstitched")]
    told = {known.decision.decision_id for obstacle in found for known in obstacle.decisions}
    decided = [each for each in _different(reader, ends) if each.decision_id not in told]
    found += [Obstacle("decision", decisions=(known,)) for known in known_decisions(reader, decided)]
    if chain is None and not found:
        found.append(Obstacle("no path"))
    return tuple(found)


def _all(ends: Sequence[Identifier], chain: Sequence[Link] | None) -> list[Identifier]:
    of_chain = [end for link in chain or () for end in (link.one, link.other)]
    return list({each.identifier_id: each for each in (*ends, *of_chain)}.values())


def _of_link(reader: Reader, link: Link) -> Obstacle:
    if link.decision is not None:
        return Obstacle("decision", link=link, decisions=known_decisions(reader, [link.decision]))
    decided = known_decisions(reader, _different(reader, (link.one, link.other)))
    return Obstacle("refused link", link=link, limits=_limits(reader, link), decisions=decided)


def _different(reader: Reader, ends: tuple[Identifier, Identifier]) -> list[Decision]:
    """The decisions that the groups of two identifiers are of different entities."""
    decisions = reader.verdicts.different
    named = {end for each in decisions for end in each.ends}
    members = {member for end in named for member in reader.verdicts.class_of(end)}
    groups: dict[UUID, UUID] = dict(reader.fetch("entities_of", ids=list(members))) if members else {}
    marks = [_marks(end, groups, reader) for end in ends]
    return [each for each in decisions if _parts(each, marks, groups, reader)]


def _marks(end: Identifier, groups: dict[UUID, UUID], reader: Reader) -> set[UUID]:
    """By what a decision may mean an identifier: all that decisions say is the same, and its group."""
    return {*reader.verdicts.class_of(end.identifier_id)} | ({end.group_id} if end.group_id is not None else set())


def _parts(decision: Decision, marks: Sequence[set[UUID]], groups: dict[UUID, UUID], reader: Reader) -> bool:
    sides = [_meant(end, groups, reader) for end in decision.ends]
    return any(bool(marks[a] & sides[0]) and bool(marks[1 - a] & sides[1]) for a in (0, 1))


def _meant(end: UUID, groups: dict[UUID, UUID], reader: Reader) -> set[UUID]:
    members = reader.verdicts.class_of(end)
    return {*members, *(groups[member] for member in members if member in groups)}


def _limits(reader: Reader, link: Link) -> tuple[BrokenLimit, ...]:
    """The limits that the groups of a link's two ends would break as one."""
    groups = [end.group_id for end in (link.one, link.other) if end.group_id is not None]
    counts: dict[str, int] = {}
    for _, identifier_type, count in reader.fetch("group_counts", entities=groups):
        counts[identifier_type] = counts.get(identifier_type, 0) + count
    broken = []
    for number, declared in enumerate(reader.entity.identifiers):
        limit = declared.max_per_entity
        if limit is None or counts.get(declared.type, 0) <= limit:
            continue
        values = {"entities": groups, "identifier_type": declared.type, "most": _MOST_COUNTED}
        members = reader.identifiers(row[1] for row in reader.fetch("members_of_type", **values))
        count = _distinct(reader, members.values()) if len(members) < _MOST_COUNTED else counts[declared.type]
        if count > limit:
            names = tuple(member.name for member in members.values())[:MOST_VALUES]
            broken.append(BrokenLimit(reader.limit_of_type(number), count, names))
    if sum(counts.values()) > reader.entity.guards.max_identifiers:
        broken.append(BrokenLimit(reader.limit_of_all(), sum(counts.values()), ()))
    return tuple(broken)


def _distinct(reader: Reader, members: Iterable[Identifier]) -> int:
    """How many identifiers of one type count: those that decisions or renames say are one count once."""
    counting = [each for each in members if not each.superseded]
    return len({reader.verdicts.class_of(each.identifier_id) for each in counting})

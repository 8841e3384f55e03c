"""Which identifiers are one group: components of the links in use, and in each of them the limits.

A *class* is identifiers that are the same by decision or by an accepted rename; of one type it counts once. What
DESIGN.md leaves open is decided here:

- Renames are taken before all other links. Otherwise a link that a limit refused could fit after a later rename.
- The reason of a refusal is the one that held when the link's turn came.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cdp_pipeline_tests.oracle.identity import IdentifierState, Link, components, ends_in_order
from cdp_pipeline_tests.oracle.kinds import EntityKind


@dataclass(frozen=True)
class Pair:
    """Two linked identifiers, over all days and kinds of link; ``identifier_id`` is the more important end."""

    identifier_id: str
    other_id: str
    last_seen: datetime
    of_map: bool
    of_events: bool
    renames: bool

    @property
    def ends(self) -> frozenset[str]:
        """Both ends."""
        return frozenset((self.identifier_id, self.other_id))


@dataclass(frozen=True)
class Evidence:
    """All that says who belongs together.

    Attributes:
        identifiers: The identifiers that are present: in use and not in quarantine.
        pairs: The links in use, both of whose ends are present.
        same: The classes that operators made, of identifiers present or not.
        different: The pairs that operators keep apart.
    """

    identifiers: Mapping[str, IdentifierState]
    pairs: Mapping[frozenset[str], Pair]
    same: frozenset[frozenset[str]]
    different: frozenset[frozenset[str]]


@dataclass(frozen=True)
class Refused:
    """A link that was not used."""

    identifier_id: str
    other_id: str
    reason: str
    effect: str

    @property
    def ends(self) -> frozenset[str]:
        """Both ends."""
        return frozenset((self.identifier_id, self.other_id))


def pairs_of(
    links: Iterable[Link], identifiers: Mapping[str, IdentifierState], renamed: AbstractSet[tuple[str, str]]
) -> dict[frozenset[str], Pair]:
    """Return the linked pairs, by their ends."""
    together: dict[frozenset[str], list[Link]] = {}
    for link in links:
        together.setdefault(frozenset((link.identifier_id, link.other_id)), []).append(link)
    return {
        ends: Pair(
            *ends_in_order(min(ends), max(ends), identifiers, renamed),
            last_seen=max(link.last_seen for link in found),
            of_map=any(link.kind == "map" for link in found),
            of_events=any(link.kind != "map" for link in found),
            renames=any({target, origin} == ends for target, origin in renamed),
        )
        for ends, found in together.items()
    }


def connected(evidence: Evidence) -> list[set[str]]:
    """Return the components: what links in use and `same` connect, whatever will be refused."""
    return components(evidence.identifiers, [*evidence.pairs, *same_within(evidence.identifiers.keys(), evidence)])


def same_within(members: AbstractSet[str], evidence: Evidence) -> list[tuple[str, str]]:
    """Return the pairs that connect those of the members that operators called the same."""
    return [pair for same in evidence.same for pair in pairwise(sorted(same & members))]


def solve(component: AbstractSet[str], evidence: Evidence, kind: EntityKind) -> tuple[list[set[str]], list[Refused]]:
    """Return the groups of a component, and the links that were refused."""
    pairs = [pair for pair in evidence.pairs.values() if pair.ends <= component]
    if not breaks_a_limit(component, evidence, kind):
        return [set(component)], []
    groups = components(component, same_within(component, evidence))
    accepted: list[Pair] = []
    refused: list[Refused] = []
    for pair in sorted(pairs, key=lambda pair: order(pair, evidence)):
        one, other = (group_of(end, groups) for end in (pair.identifier_id, pair.other_id))
        if one is other:
            continue
        refusal = why_not(pair, one, other, accepted, evidence, kind)
        if refusal is None:
            accepted.append(pair)
            groups = [group for group in groups if group is not one and group is not other] + [one | other]
        else:
            refused.append(Refused(pair.identifier_id, pair.other_id, *refusal))
    return groups, [each for each in refused if not any(each.ends <= group for group in groups)]


def group_of(identifier_id: str, groups: Iterable[set[str]]) -> set[str]:
    """Return the group that holds an identifier."""
    return next(group for group in groups if identifier_id in group)


def order(pair: Pair, evidence: Evidence) -> tuple[bool, bool, int, float, int, str, str]:
    """Return the place of a link in the order in which links are taken; the least comes first."""
    priority = {end: evidence.identifiers[end].priority for end in pair.ends}
    return (
        not pair.renames,
        not pair.of_map,
        priority[pair.other_id],
        -pair.last_seen.timestamp(),
        priority[pair.identifier_id],
        pair.identifier_id,
        pair.other_id,
    )


def why_not(
    pair: Pair, one: set[str], other: set[str], accepted: Iterable[Pair], evidence: Evidence, kind: EntityKind
) -> tuple[str, str] | None:
    """Return reason and effect of the refusal of a link that would join two groups; None if it may."""
    together = one | other
    renaming = [each for each in (*accepted, pair) if each.renames]
    counts = count_classes(together, renaming, evidence)
    ends = [evidence.identifiers[end].type for end in (pair.identifier_id, pair.other_id)]
    too_many = [type_ for type_ in kind.types if is_over(kind.of(type_).max_per_entity, counts[type_])]
    if any(kind.priority(type_) < kind.priority(ends[1]) for type_ in too_many):
        return ("max_per_entity", "conflict")
    if not all(kind.of(type_).bridge for type_ in ends) and all(has_bridging(g, evidence, kind) for g in (one, other)):
        return ("bridge", "conflict")
    if any(apart <= together for apart in evidence.different):
        return ("different", "surplus")
    if too_many:
        in_one_event = ends[0] == ends[1] and kind.of(ends[0]).max_per_entity == 1 and pair.of_events
        return ("same_event" if in_one_event else "max_per_entity", "surplus")
    if counts.total() > kind.max_identifiers:
        return ("max_identifiers", "surplus")
    return None


def breaks_a_limit(component: AbstractSet[str], evidence: Evidence, kind: EntityKind) -> bool:
    """Return whether a component cannot be one group."""
    renaming = [pair for pair in evidence.pairs.values() if pair.renames and pair.ends <= component]
    return breaks_a_number(component, renaming, evidence, kind) or len(cores(component, evidence, kind)) > 1


def breaks_a_number(members: AbstractSet[str], renaming: Iterable[Pair], evidence: Evidence, kind: EntityKind) -> bool:
    """Return whether members, as one group, were too many, or hold two that are different."""
    counts = count_classes(members, renaming, evidence)
    return (
        any(is_over(kind.of(type_).max_per_entity, counts[type_]) for type_ in kind.types)
        or counts.total() > kind.max_identifiers
        or any(apart <= members for apart in evidence.different)
    )


def is_over(limit: int | None, count: int) -> bool:
    """Return whether a count is above a limit, if there is one."""
    return limit is not None and count > limit


def count_classes(members: AbstractSet[str], renaming: Iterable[Pair], evidence: Evidence) -> Counter[str]:
    """Return how many classes hold an identifier of each type."""
    renamed = [tuple(pair.ends) for pair in renaming if pair.ends <= members]
    classes = components(members, [*same_within(members, evidence), *renamed])
    return Counter(type_ for ids in classes for type_ in {evidence.identifiers[i].type for i in ids})


def has_bridging(group: AbstractSet[str], evidence: Evidence, kind: EntityKind) -> bool:
    """Return whether a group holds an identifier that proves something about two people."""
    return any(kind.of(evidence.identifiers[i].type).bridge for i in group)


def cores(component: AbstractSet[str], evidence: Evidence, kind: EntityKind) -> list[set[str]]:
    """Return what bridging identifiers are connected by links of their own, and by `same`."""
    bridging = {i for i in component if kind.of(evidence.identifiers[i].type).bridge}
    return components(bridging, [*(p for p in evidence.pairs if p <= bridging), *same_within(bridging, evidence)])

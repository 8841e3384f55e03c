"""Hubs: who has so many neighbours of one type that it is in quarantine.

What DESIGN.md leaves open is decided here: the row of an identifier in quarantine names the type of which it has most
neighbours, of equals the most important; one that is pinned and has none names its own type and 0 links.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cdp_pipeline_tests.oracle.identity import IdentifierState, Link
from cdp_pipeline_tests.oracle.kinds import EntityKind

FEW, OF_FEW, LEAST = 1000, 64, 16


@dataclass(frozen=True)
class Hub:
    """An identifier in quarantine: how many neighbours of one type it has, and how many it may have."""

    links: int
    threshold: int


Neighbours = Mapping[str, AbstractSet[str]]


def neighbours_of(links: Iterable[Link]) -> dict[str, set[str]]:
    """Return the neighbours of each identifier, whether links are in use or not, whoever is in quarantine."""
    found: dict[str, set[str]] = {}
    for link in links:
        found.setdefault(link.identifier_id, set()).add(link.other_id)
        found.setdefault(link.other_id, set()).add(link.identifier_id)
    return found


def hubs(
    identifiers: Mapping[str, IdentifierState], neighbours: Neighbours, pins: Mapping[str, str], kind: EntityKind
) -> dict[str, Hub]:
    """Return who is in quarantine.

    Args:
        identifiers: All identifiers in use.
        neighbours: The neighbours of each that has any.
        pins: Whom operators keep in quarantine or out of it.
        kind: The kind of entity.
    """
    degrees = {
        type_: {
            identifier_id: sum(identifiers[other].type == type_ for other in neighbours.get(identifier_id, ()))
            for identifier_id in identifiers
        }
        for type_ in kind.types
    }
    limits = {
        (own, type_): threshold(own, [degrees[type_][i] for i in identifiers if identifiers[i].type == own], kind)
        for own in kind.types
        for type_ in kind.types
    }
    found = {}
    for identifier_id, state in identifiers.items():
        is_hub = any(degrees[type_][identifier_id] > limits[state.type, type_] for type_ in kind.types)
        if pins.get(identifier_id, "quarantine" if is_hub else "release") == "quarantine":
            most = max(kind.types, key=lambda type_: (degrees[type_][identifier_id], -kind.priority(type_)))
            links = degrees[most][identifier_id]
            found[identifier_id] = Hub(links, limits[state.type, most if links else state.type])
    return found


def threshold(identifier_type: str, degrees: Iterable[int], kind: EntityKind) -> int:
    """Return how many neighbours of one type an identifier may have.

    Args:
        identifier_type: Its type.
        degrees: How many neighbours of that type all identifiers of its own type have.
        kind: The kind of entity.
    """
    own = kind.of(identifier_type).max_links
    chosen = kind.max_links if own is None else own
    if chosen != "auto":
        return chosen
    ordered = sorted(degrees)
    if len(ordered) < FEW:
        return OF_FEW
    percentile = ordered[-(-len(ordered) * 999 // 1000) - 1]
    power = 1
    while power <= 8 * percentile:
        power *= 2
    return max(LEAST, power)


def effective_anchor(identifier_ids: Iterable[str], quarantined: Mapping[str, Hub]) -> str | None:
    """Return the first identifier of an event that is not in quarantine."""
    return next((i for i in identifier_ids if i not in quarantined), None)

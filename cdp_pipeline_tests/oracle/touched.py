"""Which components a step touches: the others may stay as they were published.

Each cause is needed: test_touched.py shows for each a history that comes out wrong without it.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from cdp_pipeline_tests.oracle.decisions import changed_decisions, same_classes
from cdp_pipeline_tests.oracle.states import Observed, State

Ids = set[str]


def presence(before: State, now: Observed) -> Ids:
    """Identifiers that came or went, or went into quarantine or left it."""
    return set(before.evidence.identifiers.keys() ^ now.evidence.identifiers.keys())


def links(before: State, now: Observed) -> Ids:
    """Ends of links that came into use or went out of it."""
    return {end for pair in before.evidence.pairs.keys() ^ now.evidence.pairs.keys() for end in pair}


def map_rows(before: State, now: Observed) -> Ids:
    """Identifiers of rows of identity maps that came, went or changed: their links count otherwise."""
    return {i for row in set(before.map_rows) ^ set(now.map_rows) for i in row.identifier_ids}


def superseded(before: State, now: Observed) -> Ids:
    """Identifiers that another number of renames leads on from: perhaps by a row far along the chain."""
    both = before.identifiers.keys() & now.identifiers.keys()
    return {i for i in both if before.identifiers[i].superseded != now.identifiers[i].superseded}


def decisions(before: State, now: Observed) -> Ids:
    """Identifiers about which something else is decided."""
    changed = changed_decisions(before.in_force, now.in_force)
    return {i for change in changed for i in change.subject[1]}


def same(before: State, now: Observed) -> Ids:
    """All who were or are the same as an identifier about which something else is decided, in use or not."""
    decided = decisions(before, now)
    classes = same_classes(before.in_force) | same_classes(now.in_force)
    return {i for members in classes if members & decided for i in members}


def events(before: State, now: Observed) -> Ids:
    """Identifiers of events that came, went or changed, if links of their components had been refused."""
    old, new = before.event_identifiers, now.event_identifiers
    changed = [i for i in old.keys() | new.keys() if old.get(i) != new.get(i)]
    return _held(changed, before, now)


def anchors(before: State, now: Observed) -> Ids:
    """The same of events that are anchored by another identifier now: one went into quarantine, or left it."""
    both = before.anchors.keys() & now.anchors.keys()
    return _held([i for i in both if before.anchors[i] != now.anchors[i]], before, now)


def _held(event_ids: list[str], before: State, now: Observed) -> Ids:
    held = {
        identifier_id
        for carriers in (before.event_identifiers, now.event_identifiers)
        for event_id in event_ids
        if event_id in carriers
        for identifier_id in carriers[event_id].identifier_ids
    }
    refused_in = {before.components[link.other_id] for link in before.refused}
    return {identifier_id for identifier_id in held if before.components.get(identifier_id) in refused_in}


Cause = Callable[[State, Observed], Ids]
CAUSES: Mapping[str, Cause] = {
    cause.__name__: cause for cause in (presence, links, map_rows, superseded, decisions, same, events, anchors)
}
COMPONENTS = "components"
ALL_CAUSES = frozenset((*CAUSES, COMPONENTS))


def touched(before: State, now: Observed, causes: AbstractSet[str]) -> Ids:
    """Return the identifiers whose components have to be solved again.

    Args:
        before: What was published.
        now: What there is now.
        causes: The causes to look at; "components" stands for all who were in one component with an identifier that is
            touched for another cause.
    """
    found = {i for name, cause in CAUSES.items() if name in causes for i in cause(before, now)}
    if COMPONENTS in causes:
        of_these = {before.components[i] for i in found if i in before.components}
        found |= {i for i, component in before.components.items() if component in of_these}
    return found

"""Why two identifiers are together or apart, in words."""

from collections.abc import Sequence

from cdp_pipeline.operations.evidence import Link
from cdp_pipeline.operations.explain_pair import End, PairExplanation, Parting, Side
from cdp_pipeline.operations.obstacles import Obstacle
from cdp_pipeline.terminal.phrases import (
    LINK_COLUMNS,
    Part,
    count,
    link_cells,
    tell_decision,
    tell_event,
    tell_quarantine,
    tell_rule,
    tell_span,
)

MOST_SPANS = 20
MOST_ALTERNATIVES = 5
_REASONS = {
    "max_per_entity": "together they would have too many of one type",
    "same_event": "one event holds two values of a type of which an entity may have one",
    "bridge": "a type with bridge: false may not join two people",
    "different": "an operator decided that they are different",
    "max_identifiers": "together they would have too many identifiers",
}


def parts_of_pair(found: PairExplanation) -> list[Part]:
    """Why two identifiers are together or apart."""
    names = f"{found.one.identifier.name} and {found.other.identifier.name}"
    if found.together:
        sentences = [f"Both are of {found.kind} {found.one.entity_id}, whose key is {found.one.key}."]
        if found.parting is not None:
            sentences.append(_hold(found.parting))
    else:
        sentences = [_tell_end(end) for end in (found.one, found.other)]
        sentences += [
            f"Yet one of them is shared: {tell_span(span.valid_from, span.valid_to)} both belong to entity "
            f"{span.entity_id} ({span.key})."
            for span in found.shared[-MOST_SPANS:]
        ]
    parts = [Part(f"{names} are {'together' if found.together else 'apart'}", sentences)]
    if found.obstacles:
        parts.append(Part("What keeps them apart", [line for each in found.obstacles for line in tell_obstacle(each)]))
    return parts + _chain(found) + _parting(found)


def _hold(parting: Parting) -> str:
    """What holds two together, in short."""
    links = [f"{link.one.name} — {link.other.name}" for link in parting.links]
    if len(links) == 1:
        return f"They hang together by a bridge, the link {links[0]}."
    return f"They hang together by {len(links)} links at least."


def _tell_end(end: End) -> str:
    if end.entity_id is None:
        return f"{end.identifier.name} is in no group."
    return f"{end.identifier.name} is of entity {end.entity_id}, whose key is {end.key}."


def _chain(found: PairExplanation) -> list[Part]:
    if found.chain is None:
        if not found.together:
            return []
        why = "The map says so, but no links in use lead from one to the other. `cdp run --full` works it out again."
        return [Part("The evidence", [why])]
    heading = "The shortest chain of evidence" if found.together else "The path that comes closest to joining them"
    sentences = [f"{count(found.steps, 'step')}."]
    left_out = found.steps - len(found.chain)
    if left_out:
        sentences.append(f"The {left_out:,} in the middle are left out.")
    half = len(found.chain) // 2
    rows = [
        (
            str(place if place <= half or not left_out else place + left_out),
            f"{link.one.name} — {link.other.name}",
            *link_cells(link),
            tell_event(link.examples[0]) if link.examples else "",
        )
        for place, link in enumerate(found.chain, start=1)
    ]
    return [Part(heading, sentences, ("step", "link", *LINK_COLUMNS, "an event of it"), rows, 3)]


def _parting(found: PairExplanation) -> list[Part]:
    parting = found.parting
    if parting is None:
        return []
    names = [f"{link.one.name} — {link.other.name}" for link in parting.links]
    if len(names) == 1:
        sentences = [f"The bridge is {names[0]}: without {_removal(parting.links[0])} they part."]
    else:
        sentences = [f"No single link holds them together. Without these {len(names)} they part:"]
        sentences += [f"{name} ({_removal(link)})" for name, link in zip(names, parting.links, strict=True)]
    if parting.alternatives_in_all:
        others = [f"{one} — {other}" for one, other in parting.alternatives[:MOST_ALTERNATIVES]]
        more = parting.alternatives_in_all - len(others)
        sentences.append(
            f"{count(parting.alternatives_in_all, 'other link')} would do as well, each by itself; named is the one "
            f"with the least evidence, and of those the newest. The others: {', '.join(others)}"
            f"{f' and {more:,} more' if more else ''}."
        )
    sentences.append("Who would go where, as the links stand now (links that are refused today might be taken then):")
    columns = ("with", "identifiers", "events", "key", "others", "would go by")
    ends = (found.one.identifier.name, found.other.identifier.name)
    rows = [_side(name, side) for name, side in zip(ends, parting.sides, strict=True)]
    return [Part("What would part them", sentences, columns, rows)]


def _removal(link: Link) -> str:
    by_events = f"its {count(link.events, 'event')}" if link.events else "its row of an identity map"
    if link.decision is None or link.use != "decided":
        return by_events
    decided = f"decision {link.decision.decision_id} of {link.decision.by}"
    return f"{decided} and {by_events}" if link.kinds else decided


def _side(name: str, side: Side) -> tuple[str, ...]:
    more = side.identifiers - len(side.named) - 1
    others = ", ".join(side.named) + (f" and {more:,} more" if more else "")
    goes_by = str(side.entity_id) if side.entity_id is not None else "a new id"
    return name, f"{side.identifiers:,}", f"{side.events:,}", side.key, others, goes_by


def tell_obstacle(obstacle: Obstacle) -> list[str]:
    """What keeps two apart, in sentences."""
    if obstacle.reason == "no path":
        return [
            "No path: nothing that is linked with the one is linked with the other, neither by a link that is in use "
            "nor by one that is refused, nor through an identifier in quarantine."
        ]
    if obstacle.identifier is not None and obstacle.reason == "not in use":
        return [f"{obstacle.identifier.name} is not in use: no event and no row of an identity map holds it now."]
    if obstacle.identifier is not None:
        return [f"{obstacle.identifier.name} is not worked out yet. Run `cdp run`."]
    if obstacle.quarantine is not None:
        return [f"A hub: {tell_quarantine(obstacle.quarantine)}"]
    told = [] if obstacle.link is None else _tell_link(obstacle, obstacle.link)
    return told + [tell_decision(known) for known in obstacle.decisions]


def _tell_link(obstacle: Obstacle, link: Link) -> list[str]:
    names = f"{link.one.name} — {link.other.name}"
    refusal = link.refusal
    if refusal is None:
        return [f"The link {names} was taken out of use."]
    told = [f"The link {names} was refused: {refusal.reason}, {_REASONS.get(refusal.reason, 'a limit')}."]
    if refusal.detail:
        told.append(f"It says: {refusal.detail.rstrip('.')}.")
    told += [
        f"The limit: {limit.setting}; they would have {limit.count:,}{_such_as(limit.values)}."
        for limit in obstacle.limits
    ]
    if refusal.limit and not any(limit.setting == refusal.limit for limit in obstacle.limits):
        told.append(f"The limit: {refusal.limit}.")
    shared = "is shared, and its owner follows the log-ins on it" if refusal.effect == "conflict" else "stays by itself"
    told.append(f"So {refusal.gives_way} gives way: it {shared} ({refusal.effect}).")
    rules = dict.fromkeys(rule for event in link.examples for rules in event.rules for rule in rules)
    if rules:
        told.append(f"The link is found by {' and by '.join(tell_rule(rule) for rule in rules)}.")
    return told


def _such_as(values: Sequence[str]) -> str:
    return f", such as {', '.join(values)}" if values else ""

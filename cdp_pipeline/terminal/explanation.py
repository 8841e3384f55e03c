"""What `cdp explain` shows, in words: the same sentences and tables on a terminal, in plain lines, and in HTML.

An explanation is first put into `Part`s (a heading, sentences, tables); how a part looks is the business of whoever
shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cdp_pipeline import terminal
from cdp_pipeline.operations.evidence import ExampleEvent, Link, Quarantine, Rule
from cdp_pipeline.operations.explain import Change, Explanation, KnownDecision, Ownership, Span
from cdp_pipeline.operations.explain_pair import PairExplanation, Side
from cdp_pipeline.operations.obstacles import Obstacle

MOST_SPANS = 20
_REASONS = {
    "max_per_entity": "together they would have too many of one type",
    "same_event": "one event holds two values of a type of which an entity may have one",
    "bridge": "a type with bridge: false may not join two people",
    "different": "an operator decided that they are different",
    "max_identifiers": "together they would have too many identifiers",
}


@dataclass(frozen=True)
class Part:
    """A part of an explanation: sentences, then a table; a heading where it has one."""

    heading: str
    sentences: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def show_explanation(found: Explanation | PairExplanation, as_json: bool, written_to: Path | None = None) -> None:
    """Shows an explanation.

    Args:
        found: of one identifier or of two.
        as_json: as one JSON document.
        written_to: the HTML file that was written too.
    """
    if as_json:
        terminal.print_json(found)
        return
    for part in parts_of(found):
        terminal.show_part(part.heading, part.sentences, part.columns, part.rows)
    if written_to is not None:
        terminal.say(f"Wrote {written_to}.")


def parts_of(found: Explanation | PairExplanation) -> list[Part]:
    """An explanation in words."""
    return _parts_of_pair(found) if isinstance(found, PairExplanation) else _parts_of_one(found)


def title_of(found: Explanation | PairExplanation) -> str:
    """What is explained."""
    if isinstance(found, PairExplanation):
        return f"{found.one.identifier.name} and {found.other.identifier.name}"
    return found.identifier.name


def _parts_of_one(found: Explanation) -> list[Part]:
    known = found.identifier
    sentences = [f"Asked for {found.asked}."] if found.asked.partition(":")[0].endswith("entity_id") else []
    if known.in_use:
        sentences.append(
            f"In use from {_time(known.first_seen)} to {_time(known.last_seen)}, in "
            f"{_count(known.events or 0, 'event')}, {found.ownership.events_anchored:,} of which it anchors."
        )
    else:
        sentences.append("Not in use: no event and no row of an identity map holds it now.")
    if found.quarantine is not None:
        sentences.append(_tell_quarantine(found.quarantine))
    sentences += [
        f"{row.path} ({row.table}) has its row{_of(row.updated_at)} and names nobody there (any more)."
        for row in found.empty_map_rows
    ]
    parts = [Part(f"{found.kind} {known.name}", sentences), _whose(found.ownership)]
    parts.append(_links(found.links, found.links_in_all))
    if found.decisions:
        columns = ("number", "verdict", "about", "by", "why", "at", "state")
        parts.append(Part("Decisions", (), columns, [_decision_row(each) for each in found.decisions]))
    if found.changes:
        columns = ("at", "kind", "reason", "from", "to", "concerns", "caused by")
        parts.append(
            Part("Changes of the map, the latest first", (), columns, [_change(each) for each in found.changes])
        )
    return parts


def _whose(owned: Ownership) -> Part:
    sentences = []
    if owned.why == "quarantine":
        sentences.append("It is in quarantine: it belongs to nobody and joins nobody.")
    elif owned.why == "nobody":
        sentences.append("It belongs to nobody.")
    elif owned.entity_id is not None:
        others = owned.identifiers - 1
        with_whom = f"with {_count(others, 'other identifier')}" if others else "alone: no link in use leads from it"
        sentences.append(f"Its group is entity {owned.entity_id}, {with_whom}. The entity's key is {owned.key}.")
    if owned.why == "log-ins":
        sentences.append(
            f"Several people share it (when_shared: {owned.when_shared}), so its owner follows the log-ins on it."
        )
    rows = [(_moment(span.valid_from), _moment(span.valid_to), *_entity(span)) for span in owned.spans[-MOST_SPANS:]]
    if len(owned.spans) > MOST_SPANS:
        sentences.append(f"The latest {MOST_SPANS} of {len(owned.spans):,} spans of time are shown.")
    sentences += [f"Logged in {_time(each.time)}: {each.anchor} (event {each.event_id})." for each in owned.log_ins[:5]]
    return Part("Whose it is", sentences, ("from", "to", "entity", "key") if rows else (), rows)


def _links(links: Sequence[Link], in_all: dict[str, int]) -> Part:
    if not links:
        return Part("Links", ["It has none."])
    count = sum(in_all.values())
    types = ", ".join(f"{number:,} {name}" for name, number in in_all.items())
    sentences = [f"It is linked with {_count(count, 'identifier')}: {types}."]
    if count > len(links):
        sentences.append(f"Shown are {len(links)} of them: refused ones, then the last seen.")
    columns = ("with", "use", "kinds", "events", "first seen", "last seen", "found by")
    return Part("Links", sentences, columns, [(link.other.name, *_link_row(link)) for link in links])


def _link_row(link: Link) -> tuple[str, ...]:
    return (
        _use(link),
        _kinds(link),
        f"{link.events:,}",
        _time(link.first_seen),
        _time(link.last_seen),
        "; ".join(dict.fromkeys(_found_by(event) for event in link.examples)),
    )


def _use(link: Link) -> str:
    """What became of a link, and why."""
    if link.refusal is not None:
        told = f"refused ({link.refusal.reason}, {link.refusal.effect})"
        return told + (f": {link.refusal.detail}" if link.refusal.detail else "")
    if link.use == "quarantine":
        return f"out of use: {' and '.join(link.quarantined)} in quarantine"
    if link.decision is not None:
        what = "decided" if link.use == "decided" else "out of use: unstitched"
        return f"{what} by {link.decision.by} on {_time(link.decision.at)}: {link.decision.why}"
    return link.use


def _kinds(link: Link) -> str:
    """What says so, and what remains where an identity map's row is nulled."""
    told = [f"{each.kind} {each.events:,}" if each.kind != "map" else _tell_maps(link) for each in link.kinds]
    if link.use == "decided":
        told.append("decision")
    if link.without_maps is not None:
        told.append("events hold it without the map" if link.without_maps else "nothing else holds it")
    return ", ".join(told)


def _tell_maps(link: Link) -> str:
    if not link.maps:
        return "map"
    return " and ".join(
        f"{each.path}{f' {each.table}' if each.table else ''}, row {each.primary}{_of(each.updated_at)}"
        for each in link.maps
    )


def _found_by(event: ExampleEvent) -> str:
    """The rules that find the two ends of a link in an event: those of the one, then those of the other."""
    ends = [", ".join(f"{rule.path} ({rule.reads})" for rule in rules) for rules in event.rules]
    return f"{event.source} {event.type}: {' and '.join(end or 'no rule of today' for end in ends)}"


def _tell_quarantine(hub: Quarantine) -> str:
    toward = f" of type {hub.neighbours}" if hub.neighbours else ""
    told = (
        f"{hub.identifier.name} is in quarantine: it has {_count(hub.links, 'link')} with identifiers{toward}, and may "
        f"have {hub.threshold:,}; it would join {hub.entities_it_would_join:,} entities."
    )
    if hub.pinned_by is not None:
        told += f" {hub.pinned_by.by} put it there on {_time(hub.pinned_by.at)}: {hub.pinned_by.why}."
    return told


def _decision_row(known: KnownDecision) -> tuple[str, ...]:
    decision = known.decision
    state = known.state
    if decision.withdrawn_at is not None:
        state = f"withdrawn by {decision.withdrawn_by} on {_time(decision.withdrawn_at)}"
    number = str(decision.decision_id)
    return number, decision.verdict, " and ".join(known.names), decision.by, decision.why, _time(decision.at), state


def _change(change: Change) -> tuple[str, ...]:
    trigger = change.trigger
    span = "always" if change.valid_from is None and change.valid_to is None else _span(change)
    return (
        _time(change.changed_at),
        change.kind,
        change.reason,
        str(change.from_entity_id or "nobody"),
        str(change.to_entity_id or "nobody"),
        span,
        "" if trigger is None else f"{trigger.source} {trigger.type} {trigger.source_event_id} {_time(trigger.time)}",
    )


def _span(change: Change | Span) -> str:
    return f"{_moment(change.valid_from)} to {_moment(change.valid_to)}"


def _parts_of_pair(found: PairExplanation) -> list[Part]:
    ends = (found.one, found.other)
    heading = f"{title_of(found)} are {'together' if found.together else 'apart'}"
    sentences = []
    if found.together:
        sentences.append(f"Both are of {found.kind} {found.one.entity_id}, whose key is {found.one.key}.")
    else:
        sentences += [_tell_end(end.identifier.name, end.entity_id, end.key) for end in ends]
        sentences += [
            f"Yet one of them is shared: from {_moment(span.valid_from)} to {_moment(span.valid_to)} both belong to "
            f"entity {span.entity_id} ({span.key})."
            for span in found.shared[-MOST_SPANS:]
        ]
    parts = [Part(heading, sentences)]
    if found.obstacles:
        parts.append(Part("What keeps them apart", [line for each in found.obstacles for line in tell_obstacle(each)]))
    parts += _chain(found)
    return parts + _parting(found)


def _tell_end(name: str, entity_id: UUID | None, key: str | None) -> str:
    return f"{name} is in no group." if entity_id is None else f"{name} is of entity {entity_id}, whose key is {key}."


def _chain(found: PairExplanation) -> list[Part]:
    if found.chain is None:
        if not found.together:
            return []
        why = "The map says so, but no links in use lead from one to the other. `cdp run --full` works it out again."
        return [Part("The evidence", [why])]
    heading = "The shortest chain of evidence" if found.together else "The path that comes closest to joining them"
    sentences = [f"{_count(found.steps, 'step')}."]
    if found.steps > len(found.chain):
        sentences.append(f"The {found.steps - len(found.chain):,} in the middle are left out.")
    columns = ("step", "from", "to", "use", "kinds", "events", "first seen", "last seen", "found by", "an event of it")
    numbers = [*range(1, found.steps + 1)]
    half = len(found.chain) // 2
    numbers = numbers[:half] + numbers[found.steps - (len(found.chain) - half) :]
    rows = [
        (str(number), link.one.name, link.other.name, *_link_row(link), _event(link))
        for number, link in zip(numbers, found.chain, strict=True)
    ]
    return [Part(heading, sentences, columns, rows)]


def _event(link: Link) -> str:
    if not link.examples:
        return ""
    event = link.examples[0]
    return f"{event.source} {event.type} {event.source_event_id} {_time(event.time)} ({event.event_id})"


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
    if parting.alternatives:
        others = [f"{one} — {other}" for one, other in parting.alternatives[:5]]
        more = f" and {parting.alternatives_in_all - 5:,} more" if parting.alternatives_in_all > 5 else ""
        sentences.append(
            f"Any one of {parting.alternatives_in_all:,} other links would do as well, so the one with the least "
            f"evidence is named: {', '.join(others)}{more}."
        )
    sentences.append("Who would go where, as the links stand now (links that are refused today might be taken then):")
    columns = ("with", "identifiers", "events", "key", "others", "would go by")
    ends = (found.one.identifier.name, found.other.identifier.name)
    rows = [_side(name, side) for name, side in zip(ends, parting.sides, strict=True)]
    return [Part("What would part them", sentences, columns, rows)]


def _removal(link: Link) -> str:
    if link.decision is not None and link.use == "decided":
        told = f"decision {link.decision.decision_id} of {link.decision.by}"
        return told if not link.kinds else f"{told} and {_count(link.events, 'event')}"
    return f"its {_count(link.events, 'event')}" if link.events else "its row of an identity map"


def _side(name: str, side: Side) -> tuple[str, ...]:
    more = f" and {side.identifiers - len(side.named) - 1:,} more" if side.identifiers > len(side.named) + 1 else ""
    others = ", ".join(side.named) + more
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
        return [f"A hub: {_tell_quarantine(obstacle.quarantine)}"]
    told = [] if obstacle.link is None else _tell_refused(obstacle, obstacle.link)
    return told + [_tell_decision(known) for known in obstacle.decisions]


def _tell_refused(obstacle: Obstacle, link: Link) -> list[str]:
    names = f"{link.one.name} — {link.other.name}"
    if link.refusal is None:
        return [f"The link {names} was taken out of use."]
    refusal = link.refusal
    told = [f"The link {names} was refused: {refusal.reason}, {_REASONS.get(refusal.reason, 'a limit')}."]
    if refusal.detail:
        told.append(f"It says: {refusal.detail}.")
    told += [
        f"The limit: {limit.setting}; they would have {limit.count:,}{_such_as(limit.values)}."
        for limit in obstacle.limits
    ]
    if refusal.limit and not any(limit.setting == refusal.limit for limit in obstacle.limits):
        told.append(f"The limit: {refusal.limit}.")
    shared = "is shared, and its owner follows the log-ins on it" if refusal.effect == "conflict" else "stays by itself"
    told.append(f"So {refusal.gives_way} gives way: it {shared} ({refusal.effect}).")
    rules = dict.fromkeys(rule for event in link.examples for rules in event.rules for rule in rules)
    told += [f"The link is found by {_tell_rule(rule)}." for rule in rules]
    return told


def _tell_rule(rule: Rule) -> str:
    return f"{rule.path} ({rule.reads})" + (f", {rule.place}" if rule.place else "")


def _such_as(values: Sequence[str]) -> str:
    return f", such as {', '.join(values)}" if values else ""


def _tell_decision(known: KnownDecision) -> str:
    decision = known.decision
    return (
        f"Decision {decision.decision_id}: {decision.by} said on {_time(decision.at)} of {' and '.join(known.names)}: "
        f"{decision.verdict} ({decision.why})."
    )


def _entity(span: Span) -> tuple[str, str]:
    return str(span.entity_id), span.key or ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _of(moment: datetime | None) -> str:
    return "" if moment is None else f" of {_time(moment)}"


def _moment(moment: datetime | None) -> str:
    return "always" if moment is None else _time(moment)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

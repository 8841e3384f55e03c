"""How an explanation is put into words: parts of headings, sentences and tables, whoever shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cdp_pipeline.operations.evidence import ExampleEvent, Link, Quarantine, Rule
from cdp_pipeline.operations.explain import KnownDecision

LINK_COLUMNS = ("use", "events", "evidence", "first seen", "last seen", "found by")


@dataclass(frozen=True)
class Part:
    """A part of an explanation.

    Attributes:
        heading: what it is about.
        sentences: what there is to say.
        columns: the names of the table's columns; none: there is no table.
        rows: its rows.
        leading: where there is no room for a wide table, how many of its columns head each of its rows.
    """

    heading: str
    sentences: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    leading: int = 0


def link_cells(link: Link) -> tuple[str, ...]:
    """What is known of a link, by LINK_COLUMNS."""
    return (
        tell_use(link),
        f"{link.events:,}",
        tell_evidence(link),
        tell_time(link.first_seen),
        tell_time(link.last_seen),
        "; ".join(dict.fromkeys(_found_by(event) for event in link.examples)),
    )


def tell_use(link: Link) -> str:
    """What became of a link, and why."""
    if link.refusal is not None:
        told = f"refused ({link.refusal.reason}, {link.refusal.effect})"
        return told + (f": {link.refusal.detail}" if link.refusal.detail else "")
    if link.use == "quarantine":
        return f"out of use: {' and '.join(link.quarantined)} in quarantine"
    if link.decision is not None:
        what = "decided" if link.use == "decided" else "out of use: unstitched"
        return f"{what} by {link.decision.by} on {tell_time(link.decision.at)}: {link.decision.why}"
    return link.use


def tell_evidence(link: Link) -> str:
    """What says so, kind by kind, and what would remain if the identity map's row were nulled."""
    told = [f"{each.kind} {each.events:,}" if each.kind != "map" else _tell_maps(link) for each in link.kinds]
    if link.use == "decided":
        told.append("decision")
    if link.without_maps is not None:
        told.append("events hold it without the map" if link.without_maps else "nothing else holds it")
    return ", ".join(told)


def _tell_maps(link: Link) -> str:
    return " and ".join(f"{row.path} {row.table} row {row.primary}{of(row.updated_at)}" for row in link.maps) or "map"


def _found_by(event: ExampleEvent) -> str:
    """The rules that find the two ends of a link in an event: those of the one, then those of the other."""
    ends = [", ".join(f"{rule.path} ({rule.reads})" for rule in rules) for rules in event.rules]
    return f"{event.source} {event.type}: {' and '.join(end or 'no rule of today' for end in ends)}"


def tell_rule(rule: Rule) -> str:
    """A rule with its place."""
    return f"{rule.path} ({rule.reads})" + (f", {rule.place}" if rule.place else "")


def tell_event(event: ExampleEvent) -> str:
    """An event by name."""
    return f"{event.source} {event.type} {event.source_event_id}, {tell_time(event.time)} ({event.event_id})"


def tell_quarantine(hub: Quarantine) -> str:
    """Why an identifier joins nobody, with its numbers and who pinned it."""
    toward = f" of type {hub.neighbours}" if hub.neighbours else ""
    told = (
        f"{hub.identifier.name} is in quarantine: it is linked with {count(hub.links, 'identifier')}{toward} and may "
        f"be with {hub.threshold:,}; it would join {hub.entities_it_would_join:,} entities."
    )
    if hub.pinned_by is None:
        return told
    pinned = hub.pinned_by
    return f"{told} {pinned.by} put it there on {tell_time(pinned.at)}: {pinned.why} (decision {pinned.decision_id})."


def tell_decision(known: KnownDecision) -> str:
    """A decision in a sentence."""
    made = known.decision
    about = " and ".join(known.names)
    told = f"Decision {made.decision_id}, {made.verdict}: {made.by} said so of {about} on {tell_time(made.at)}"
    return f"{told} ({made.why})."


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def of(moment: datetime | None) -> str:
    """Of when, where that is known."""
    return "" if moment is None else f" of {tell_time(moment)}"


def tell_span(since: datetime | None, until: datetime | None) -> str:
    """A span of time, half-open; a bound that is None is open."""
    if since is None and until is None:
        return "always"
    if since is None or until is None:
        return f"since {tell_time(since)}" if until is None else f"until {tell_time(until)}"
    return f"from {tell_time(since)} to {tell_time(until)}"


def tell_time(moment: datetime | None) -> str:
    """A time, in UTC."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

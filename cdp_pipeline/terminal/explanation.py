"""What `cdp explain` shows: the same sentences and tables on a terminal, in plain lines, and in HTML."""

from collections.abc import Sequence
from pathlib import Path

from cdp_pipeline import terminal
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.evidence import Link
from cdp_pipeline.operations.explain import Change, Explanation, KnownDecision, Ownership
from cdp_pipeline.operations.explain_pair import PairExplanation, explain_one_or_two
from cdp_pipeline.terminal.explanation_pair import parts_of_pair
from cdp_pipeline.terminal.phrases import (
    LINK_COLUMNS,
    Part,
    count,
    link_cells,
    of,
    tell_event,
    tell_quarantine,
    tell_span,
    tell_time,
)
from cdp_pipeline.warehouse.base import Connection

MOST_SPANS = 20


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
        terminal.show_part(part)
    if written_to is not None:
        terminal.say(f"Wrote {written_to}.")


def parts_of(found: Explanation | PairExplanation) -> list[Part]:
    """An explanation in words."""
    return parts_of_pair(found) if isinstance(found, PairExplanation) else _parts_of_one(found)


def say_why(connection: Connection, project: Project, kind: str, names: Sequence[str]) -> str:
    """Why identifiers are together or apart, in sentences: of one what is known of it, of several of the first two."""
    asked = [f"{kind}/{name}" for name in names[:2]]
    try:
        found = explain_one_or_two(connection, project, asked[0], asked[1] if len(asked) > 1 else None)
    except UsageError as error:
        return str(error)
    return " ".join(sentence for part in parts_of(found)[:2] for sentence in part.sentences)


def _parts_of_one(found: Explanation) -> list[Part]:
    known = found.identifier
    sentences = []
    if known.in_use:
        sentences.append(
            f"In use from {tell_time(known.first_seen)} to {tell_time(known.last_seen)}, in "
            f"{count(known.events or 0, 'event')}, {found.ownership.events_anchored:,} of which it anchors."
        )
    else:
        sentences.append("Not in use: no event and no row of an identity map holds it now.")
    if found.quarantine is not None:
        sentences.append(tell_quarantine(found.quarantine))
    sentences += [
        f"{row.path} {row.table} has its row{of(row.updated_at)}, which names nobody (any more)."
        for row in found.empty_map_rows
    ]
    parts = [Part(f"{found.kind} {known.name}", sentences), _whose(found.ownership)]
    parts.append(_links(found.links, found.links_in_all))
    if found.decisions:
        columns = ("number", "verdict", "about", "by", "why", "at", "state")
        parts.append(Part("Decisions", (), columns, [_decision_row(each) for each in found.decisions], 3))
    if found.changes:
        columns = ("at", "kind", "reason", "from", "to", "concerns", "caused by")
        heading = "Changes of the map, the latest first"
        parts.append(Part(heading, (), columns, [_change(each) for each in found.changes], 3))
    return parts


def _whose(owned: Ownership) -> Part:
    sentences = []
    if owned.why == "quarantine":
        sentences.append("It belongs to nobody and joins nobody, because it is in quarantine.")
    elif owned.entity_id is not None:
        others = owned.identifiers - 1
        with_whom = f"with {count(others, 'other identifier')}" if others else "alone: no link in use leads from it"
        sentences.append(f"Its group is entity {owned.entity_id}, {with_whom}. The entity's key is {owned.key}.")
    if owned.why == "log-ins":
        sentences.append(f"Several share it: its owner follows the log-ins on it (when_shared: {owned.when_shared}).")
    if owned.why in ("nobody", "log-ins") and not owned.spans:
        sentences.append("It belongs to nobody.")
    if len(owned.spans) > MOST_SPANS:
        sentences.append(f"The latest {MOST_SPANS} of {len(owned.spans):,} spans of time are shown.")
    sentences += [
        f"Logged in {tell_time(each.time)}: {each.anchor} (event {each.event_id})." for each in owned.log_ins[:5]
    ]
    rows = [
        (tell_span(span.valid_from, span.valid_to), str(span.entity_id), span.key or "")
        for span in owned.spans[-MOST_SPANS:]
    ]
    return Part("Whose it is", sentences, ("when", "entity", "key") if rows else (), rows)


def _links(links: Sequence[Link], in_all: dict[str, int]) -> Part:
    if not links:
        return Part("Links", ["It has none."])
    number = sum(in_all.values())
    types = ", ".join(f"{each:,} {name}" for name, each in in_all.items())
    sentences = [f"It is linked with {count(number, 'identifier')}: {types}."]
    if number > len(links):
        sentences.append(f"Shown are {len(links)} of them: refused ones, then the last seen.")
    rows = [(link.other.name, *link_cells(link)) for link in links]
    return Part("Links", sentences, ("with", *LINK_COLUMNS), rows, 2)


def _decision_row(known: KnownDecision) -> tuple[str, ...]:
    made = known.decision
    state = known.state
    if known.withdrawn is not None:
        why = f" ({known.withdrawn.why})" if known.withdrawn.why else ""
        state = f"withdrawn by {known.withdrawn.by} on {tell_time(known.withdrawn.at)}{why}"
    return (
        str(made.decision_id),
        made.verdict,
        " and ".join(known.names),
        made.by,
        made.why,
        tell_time(made.at),
        state,
    )


def _change(change: Change) -> tuple[str, ...]:
    return (
        tell_time(change.changed_at),
        change.kind,
        change.reason,
        str(change.from_entity_id or "nobody"),
        str(change.to_entity_id or "nobody"),
        tell_span(change.valid_from, change.valid_to),
        "" if change.trigger is None else tell_event(change.trigger),
    )

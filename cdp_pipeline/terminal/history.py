"""What `cdp profile --as-of` shows."""

from cdp_pipeline import terminal
from cdp_pipeline.operations.history import AsOf, Holder
from cdp_pipeline.terminal.phrases import Part, tell_span, tell_time


def show_as_of(found: AsOf, as_json: bool) -> None:
    """Whose an identifier was at a moment: as is known today, and as the map said it then."""
    if as_json:
        terminal.print_json(found)
        return
    moment = tell_time(found.moment)
    terminal.show_part(Part(f"{found.kind} {found.identifier.name} at {moment} UTC", [_seen(found)]))
    _show(f"By what is known today, at {moment}", found, found.known_today)
    _show(f"What the map said at {moment}", found, found.said_then)


def _seen(found: AsOf) -> str:
    known = found.identifier
    if known.first_seen is None or known.last_seen is None:
        return "It is not in use today."
    told = f"It was seen from {tell_time(known.first_seen)} to {tell_time(known.last_seen)}"
    return f"{told}, for the first time after that moment." if known.first_seen > found.moment else f"{told}."


def _show(heading: str, found: AsOf, holder: Holder | None) -> None:
    if holder is None:
        told = ["It was nobody's."]
        if found.map_began is not None and found.map_began > found.moment and heading.startswith("What"):
            told.append(f"The map began later, on {tell_time(found.map_began)}.")
        terminal.show_part(Part(heading, told))
        return
    told = [f"Entity {holder.entity_id}.{_today(holder)}"]
    if holder.valid_from is not None or holder.valid_to is not None:
        told.append(f"It was theirs {tell_span(holder.valid_from, holder.valid_to)}.")
    if holder.recorded_from is not None:
        until = "" if holder.recorded_to is None else f" until {tell_time(holder.recorded_to)}"
        told.append(f"The map says so since {tell_time(holder.recorded_from)}{until}.")
    rows = [
        (each.type, each.value, tell_time(each.first_seen) or "not in use", tell_time(each.last_seen))
        for each in holder.identifiers
    ]
    terminal.show_part(Part(heading, told, ("type", "value", "first seen", "last seen"), rows))


def _today(holder: Holder) -> str:
    if holder.today is None:
        return " That id is retired today."
    return "" if holder.today == holder.entity_id else f" Today that id stands for {holder.today}."

"""What `cdp profile --as-of` shows."""

from datetime import UTC, datetime

from cdp_pipeline import terminal
from cdp_pipeline.operations.history import AsOf, Holder


def show_as_of(found: AsOf, as_json: bool) -> None:
    """Whose an identifier was at a moment: as is known today, and as the map said it then."""
    if as_json:
        terminal.print_json(found)
        return
    moment = _time(found.moment)
    terminal.show_part(f"{found.kind} {found.identifier.name} at {moment} UTC", [_seen(found)], (), ())
    _show(f"By what is known today, at {moment}", found, found.known_today)
    _show(f"What the map said at {moment}", found, found.said_then)


def _seen(found: AsOf) -> str:
    known = found.identifier
    if known.first_seen is None or known.last_seen is None:
        return "It is not in use today."
    told = f"It was seen from {_time(known.first_seen)} to {_time(known.last_seen)}"
    return f"{told}, for the first time after that moment." if known.first_seen > found.moment else f"{told}."


def _show(heading: str, found: AsOf, holder: Holder | None) -> None:
    if holder is None:
        told = ["It was nobody's."]
        if found.map_began is not None and found.map_began > found.moment and heading.startswith("What"):
            told.append(f"The map began later, on {_time(found.map_began)}.")
        terminal.show_part(heading, told, (), ())
        return
    told = [f"Entity {holder.entity_id}.{_today(holder)}"]
    if holder.valid_from is not None or holder.valid_to is not None:
        told.append(f"It was theirs from {_bound(holder.valid_from)} to {_bound(holder.valid_to)}.")
    if holder.recorded_from is not None:
        until = "" if holder.recorded_to is None else f" until {_time(holder.recorded_to)}"
        told.append(f"The map says so since {_time(holder.recorded_from)}{until}.")
    rows = [
        (each.type, each.value, _bound(each.first_seen, "not in use"), _bound(each.last_seen, ""))
        for each in holder.identifiers
    ]
    terminal.show_part(heading, told, ("type", "value", "first seen", "last seen"), rows)


def _today(holder: Holder) -> str:
    if holder.today is None:
        return " That id is retired today."
    return "" if holder.today == holder.entity_id else f" Today that id stands for {holder.today}."


def _bound(moment: datetime | None, otherwise: str = "always") -> str:
    return otherwise if moment is None else _time(moment)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

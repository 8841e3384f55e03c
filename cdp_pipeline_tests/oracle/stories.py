"""The words in which a story is told. An event is a text such as "c1 e1 100 @5": cookie 1 and e-mail 1, 100, at 5:00.

``n`` is a number of the CRM, ``d`` a device. Days count from SUNDAY. Events without ``@`` happen from midnight on, an
hour after each other, and are for 1.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from cdp_pipeline_tests.oracle.events import Decision, Identifier, LandingFile, MapRow, Row, Step, h, land, replace
from cdp_pipeline_tests.oracle.ownership import spans
from cdp_pipeline_tests.oracle.states import State

TYPE_OF = {"n": "crm", "e": "email", "d": "device", "c": "cookie"}
SUNDAY = date(2026, 2, 1)


def identifier(name: str) -> Identifier:
    """Return the identifier that a story calls by a name."""
    return Identifier(TYPE_OF[name[0]], name)


def key(name: str) -> str:
    """Return the identifier_id of an identifier of a story."""
    return identifier(name).identifier_id


def moment(day: int, hour: int) -> datetime:
    """Return a moment of a story."""
    return datetime.combine(SUNDAY + timedelta(days=day), time(hour), UTC)


def event(day: int, line: int) -> str:
    """Return the event_id of a line of a day."""
    return h("event", "web", f"{day}/{line}")


def files_of(day: int, *events: str) -> dict[LandingFile, tuple[Row, ...]]:
    """Return the file of a day of a story."""
    arrived = SUNDAY + timedelta(days=day)
    rows = tuple(_row(day, arrived, line, words.split()) for line, words in enumerate(events))
    return {LandingFile(arrived, "web", "a.ndjson"): rows}


def _row(day: int, arrived: date, line: int, words: list[str]) -> Row:
    return Row(
        source="web",
        day=arrived,
        place=("a.ndjson", line),
        event_id=event(day, line),
        time=moment(day, next((int(word[1:]) for word in words if word[0] == "@"), line)),
        identifiers=tuple(identifier(word) for word in words if word[0] in TYPE_OF),
        amount=next((Decimal(word) for word in words if word.isdigit()), Decimal(1)),
    )


def seen(day: int, *events: str) -> Step:
    """Land a day."""
    return land(files_of(day, *events))


def instead(day: int, *events: str) -> Step:
    """Replace a day."""
    return replace([SUNDAY + timedelta(days=day)], files_of(day, *events) if events else {})


def decided(*sentences: str) -> Step:
    """Decide, for example, "same n1 n2"; a sentence that begins with "not" withdraws."""
    return land({}, *(_decision(sentence.split()) for sentence in sentences))


def _decision(words: list[str]) -> Decision:
    withdraws = words[0] == "not"
    verdict, *names = words[withdraws:]
    return Decision(verdict, key(names[0]), key(names[1]) if len(names) > 1 else None, withdraws)


def mapped(*tables: Iterable[str]) -> Step:
    """Change the maps: a row is "c1 n1 e1 @5", its primary id, the persons', and the day on which it changed."""
    return land({}, maps=tuple(tuple(_map_row(row.split()) for row in table) for table in tables))


def _map_row(words: list[str]) -> MapRow:
    names = [word for word in words if word[0] in TYPE_OF]
    day = next((int(word[1:]) for word in words if word[0] == "@"), None)
    return MapRow(
        names[0],
        tuple((TYPE_OF[name[0]], name) for name in names[1:]),
        None if day is None else moment(day, 0),
        "deleted" in words,
    )


def owners(state: State, *names: str) -> list[str]:
    """Return the entity_id of each identifier of a story."""
    return [state.map[key(name)] for name in names]


def groups(state: State) -> set[str]:
    """Return the groups as texts, such as "c1 e1"."""
    name_of = {identifier_id: found.value for identifier_id, found in state.identifiers.items()}
    return {" ".join(sorted(name_of[identifier_id] for identifier_id in group)) for group in state.groups}


def span_names(state: State, name: str) -> list[tuple[int | None, int | None, str]]:
    """Return the rows of the map in hours of the day, each with the most important name in its owner's group."""
    return [
        (
            None if span.valid_from is None else span.valid_from.hour,
            None if span.valid_to is None else span.valid_to.hour,
            max(state.identifiers[i].value for i, owner in state.map.items() if owner == span.entity_id),
        )
        for span in spans(state.owners[key(name)])
    ]


def refusals(state: State) -> set[str]:
    """Return the refused links as texts, such as "n1 c1: max_per_entity, conflict"."""
    name_of = {identifier_id: found.value for identifier_id, found in state.identifiers.items()}
    return {
        f"{name_of[link.identifier_id]} {name_of[link.other_id]}: {link.reason}, {link.effect}"
        for link in state.refused
    }

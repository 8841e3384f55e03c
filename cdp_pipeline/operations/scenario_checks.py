"""What a test expects, held against what its run gave; for what is not so, what was found instead."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Any
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.scenario_files import GIVEN, NOBODY, PlacedScenario, read_identifier
from cdp_pipeline.operations.scenario_model import ExpectedOwner
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Row

SQL = Statements(__package__, "scenarios.sql")
# Why identifiers are together or apart, in words: connection, project, kind, identifiers as TYPE:VALUE.
Explain = Callable[[Connection, Project, str, Sequence[str]], str]
_MANY = 6
_END = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold: its line, what was expected, what was found instead, and why, if known."""

    line: int
    expected: str
    found: str
    why: str = ""


def check(
    connection: Connection, project: Project, placed: PlacedScenario, explain: Explain | None = None
) -> list[Failure]:
    """All expectations of a test that do not hold."""
    return list(_Check(connection, project, placed, explain).failures())


class _Check:
    """What one run gave."""

    def __init__(
        self, connection: Connection, project: Project, placed: PlacedScenario, explain: Explain | None
    ) -> None:
        self._connection = connection
        self._project = project
        self._placed = placed
        self._entity = project.entities[placed.kind]
        self._explain = explain
        self._schemas = {"cdp": project.schema_name, "kind": self._entity.schema_name}
        rows = self._fetch("people")
        self._owners = {(kind, value): owner for kind, value, owner in rows}
        self._members: dict[UUID, list[str]] = defaultdict(list)
        for kind, value, owner in rows:
            if owner is not None:
                self._members[owner].append(f"{kind}:{value}")

    def failures(self) -> Iterator[Failure]:
        """What does not hold, in the order of the model."""
        expect = self._placed.scenario.expect
        if expect.people is not None and expect.people != len(self._members):
            yield self._failure(("people",), f"{expect.people} people", self._everybody())
        for number, names in enumerate(expect.together):
            yield from self._together(number, names)
        for number, names in enumerate(expect.apart):
            yield from self._apart(number, names)
        for number, name in enumerate(expect.quarantined):
            if read_identifier(self._entity, name) not in self._quarantined:
                found = ", ".join(f"{kind}:{value}" for kind, value in self._quarantined) or "nothing"
                yield self._failure(("quarantined", number), f"{name} in quarantine", f"{found} in quarantine")
        for number, owner in enumerate(expect.owner):
            yield from self._owner(number, owner)
        for number, values in enumerate(expect.attributes):
            yield from self._attributes(number, values)
        yield from self._rejected(expect.rejected)

    @cached_property
    def _quarantined(self) -> list[tuple[str, str]]:
        return [(kind, value) for kind, value in self._fetch("quarantined")]

    def _together(self, number: int, names: Sequence[str]) -> Iterator[Failure]:
        owners = {name: self._group(name) for name in names}
        if None in owners.values() or len(set(owners.values())) > 1:
            expected = f"{', '.join(names)} together"
            yield self._failure(("together", number), expected, self._told(owners), names)

    def _apart(self, number: int, names: Sequence[str]) -> Iterator[Failure]:
        for one, other in combinations(names, 2):
            owners = {name: self._group(name) for name in (one, other)}
            if None in owners.values() or len(set(owners.values())) == 1:
                yield self._failure(("apart", number), f"{one} and {other} apart", self._told(owners), (one, other))

    def _told(self, owners: dict[str, UUID | None]) -> str:
        """What became of identifiers: those that are nobody's, and the people of the others."""
        parts = [self._absent(name) for name, owner in owners.items() if owner is None]
        people = list(dict.fromkeys(owner for owner in owners.values() if owner is not None))
        if people:
            count = "1 person" if len(people) == 1 else f"{len(people)} people"
            parts.append(f"{count}: {'; '.join(self._person(owner) for owner in people)}")
        return "; ".join(parts)

    def _absent(self, name: str) -> str:
        identifier = read_identifier(self._entity, name)
        if identifier in self._quarantined:
            return f"{name} is in quarantine"
        return f"{name} is nobody's" if identifier in self._owners else f"{name} is in no event"

    def _owner(self, number: int, owner: ExpectedOwner) -> Iterator[Failure]:
        wanted = None if owner.person == NOBODY else self._group(owner.person)
        if owner.event is not None:
            what, found = f"event {owner.event}", self._fetch("owner_of_event", event=owner.event, given=GIVEN)
        else:
            identifier_type, value = read_identifier(self._entity, owner.identifier or "")
            at = owner.at or _END
            what = f"{owner.identifier}" + (f" at {owner.at:%Y-%m-%d %H:%M:%S}" if owner.at else "")
            found = self._fetch("owner", identifier_type=identifier_type, value=value, at=at)
        owners = [row[0] for row in found if row[0] is not None]
        expected = f"{what} is {owner.person}'s"
        if wanted is None and owner.person != NOBODY:
            yield self._failure(("owner", number), expected, self._absent(owner.person))
        elif set(owners) != ({wanted} if wanted else set()):
            told = " and ".join(f"{self._person(each)}'s" for each in owners) or f"{NOBODY}'s"
            names = [name for name in (owner.identifier, owner.person) if name and name != NOBODY]
            yield self._failure(("owner", number), expected, f"it is {told}", names)

    def _attributes(self, number: int, values: dict[str, Any]) -> Iterator[Failure]:
        of = values["of"]
        owner = self._group(of)
        if owner is None:
            yield self._failure(("attributes", number), f"attributes of {of}", self._absent(of))
            return
        rows = self._fetch("attributes", entity_id=owner)
        found = {name: None if text is None else json.loads(text, parse_float=Decimal) for name, text in rows}
        for name, wanted in values.items():
            if name == "of":
                continue
            expected = f"{name} of {of} is {_shown(wanted)}"
            if name not in found:
                yield self._failure(("attributes", number, name), expected, f"{of} has no event, and so no profile")
            elif not is_same(wanted, found[name]):
                told = f"it is {_shown(found[name])}; the person is {self._person(owner)}"
                yield self._failure(("attributes", number, name), expected, told)

    def _rejected(self, expected: int) -> Iterator[Failure]:
        rows = self._fetch("rejected")
        if len(rows) != expected:
            told = "; ".join(f"row {row} of {source}: {reason}" for source, row, reason in rows[:_MANY]) or "none"
            yield self._failure(("rejected",), f"{expected} rows that are no events", f"{len(rows)}: {told}")

    def _group(self, name: str) -> UUID | None:
        return self._owners.get(read_identifier(self._entity, name))

    def _person(self, owner: UUID) -> str:
        members = self._members.get(owner, [str(owner)])
        return "{" + ", ".join(members[:_MANY]) + (", …" if len(members) > _MANY else "") + "}"

    def _everybody(self) -> str:
        people = [self._person(owner) for owner in self._members]
        return f"{len(people)}: {'; '.join(people[:_MANY])}" + ("; …" if len(people) > _MANY else "")

    def _failure(self, loc: tuple[str | int, ...], expected: str, found: str, names: Sequence[str] = ()) -> Failure:
        why = "" if self._explain is None or not names else self._explained(names)
        return Failure(self._placed.line("expect", *loc), expected, found, why)

    def _explained(self, names: Sequence[str]) -> str:
        assert self._explain is not None
        return self._explain(self._connection, self._project, self._placed.kind, names)

    def _fetch(self, name: str, **values: Any) -> list[Row]:
        return self._connection.fetch(SQL[name].bind(self._schemas), **values)


def is_same(expected: Any, found: Any) -> bool:
    """Whether a value is the one that was written: numbers by their value, times whatever their spelling."""
    if isinstance(expected, bool) or isinstance(found, bool) or expected is None or found is None:
        return expected is found
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(is_same(*pair) for pair in zip(expected, found, strict=True))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(is_same(expected[key], found[key]) for key in expected)
    if isinstance(expected, int | float) and isinstance(found, int | Decimal):
        return Decimal(str(expected)) == found
    if isinstance(expected, str) and isinstance(found, str):
        return expected == found or (_moment(expected) is not None and _moment(expected) == _moment(found))
    return False


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value

"""Identity maps: which of their rows are in force, and which ids they rename.

What DESIGN.md leaves open is decided here:

- Of several rows of one primary id the newest counts, whether it stands in the table now or stood there once (mirror).
- A deleted row says nothing: not even that its primary id is in use. A row without person ids says that alone.
- A person id that is the primary id is passed over.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, time

from cdp_pipeline_tests.oracle.events import Identifier, MapRow, MapTables
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules


@dataclass(frozen=True)
class RowInForce:
    """The newest row of a primary id in one of the maps; ``persons`` are those that it links, by importance."""

    map_number: int
    primary: Identifier
    persons: tuple[Identifier, ...]
    updated_at: datetime

    @property
    def identifier_ids(self) -> tuple[str, ...]:
        """All identifiers that the row holds."""
        return (self.primary.identifier_id, *(person.identifier_id for person in self.persons))


Known = Mapping[tuple[int, str], MapRow]
"""The newest row that was ever read of each (number of the map, primary value)."""


def read_maps(known: Known, tables: MapTables, kind: EntityKind) -> Known:
    """Return what is known after the maps' tables were read."""
    later: dict[tuple[int, str], MapRow] = {}
    for number, (rules, rows) in enumerate(zip(kind.maps, tables, strict=True)):
        if rules.mode == "mirror":
            later |= {place: row for place, row in known.items() if place[0] == number}
        for row in sorted(rows, key=lambda row: when(row, kind)):
            place = (number, row.primary)
            if place not in later or when(row, kind) >= when(later[place], kind):
                later[place] = row
    return later


def rows_in_force(known: Known, kind: EntityKind) -> list[RowInForce]:
    """Return the rows that count now, by map and primary value."""
    return [
        RowInForce(
            number,
            Identifier(kind.maps[number].primary, primary),
            linked(row, kind.maps[number], kind),
            when(row, kind),
        )
        for (number, primary), row in sorted(known.items(), key=lambda item: item[0])
        if not row.deleted
    ]


def when(row: MapRow, kind: EntityKind) -> datetime:
    """Return when a row was last changed: the project's start if its map does not say."""
    return row.updated_at or datetime.combine(kind.start, time(), UTC)


def linked(row: MapRow, rules: MapRules, kind: EntityKind) -> tuple[Identifier, ...]:
    """Return the person ids that a row links, by importance."""
    given = sorted(row.persons, key=lambda person: kind.priority(person[0]))
    named = [Identifier(type_, value) for type_, value in given if value is not None]
    persons = [person for person in named if person != Identifier(rules.primary, row.primary)]
    return tuple(persons if rules.resolve == "all" else persons[:1])


def renames(rows: Iterable[RowInForce]) -> AbstractSet[tuple[str, str]]:
    """Return all renames as (target, origin): a row that names a person id of its primary id's own type."""
    return {
        (person.identifier_id, row.primary.identifier_id)
        for row in rows
        for person in row.persons
        if person.type == row.primary.type
    }


def superseded(rows: Iterable[RowInForce]) -> dict[str, int]:
    """Return how many renames lead on from each id to the end of its chain; a circle leads nowhere.

    An id that several maps rename follows the first of them.
    """
    target_of: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.map_number):
        for target, origin in renames([row]):
            target_of.setdefault(origin, target)
    return {origin: steps_on(origin, target_of) for origin in target_of}


def steps_on(origin: str, target_of: Mapping[str, str]) -> int:
    """Return the number of renames from an id to the end of its chain, or to the circle in which it ends."""
    path = [origin]
    while path[-1] in target_of and target_of[path[-1]] not in path:
        path.append(target_of[path[-1]])
    if path[-1] in target_of:  # the path runs into itself: the circle begins at the target
        return path.index(target_of[path[-1]])
    return len(path) - 1

"""The stage `<kind>/identity_maps`: what the user's own tables say about whose an identifier is.

A row of `identity_map_rows` is the newest row of its primary id, with the ids of the person that it links. The tables
are the user's, so the stage looks itself whether they have changed: where rows say when they were changed, those of the
last day seen and later are looked at, else all of them. What differs from what was read is read again, and only rows
that say something else than before are written; a table that was dropped and made again as it was costs a scan.

`mirror`: a row that is missing says what it said. `snapshot`: a missing row is a deleted one. A map that is declared
otherwise than before is another map: what it gave is withdrawn, as far as its rows do not give it again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial

import pyarrow as pa
import sqlglot
from sqlglot import exp

from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import ProjectError
from cdp_pipeline.events.identifier_values import readings
from cdp_pipeline.events.tombstones import blank_readings
from cdp_pipeline.identity.map_tables import (
    MapTable,
    find_mistakes,
    fingerprint,
    map_definition,
    open_map,
    read_statement,
    value_statements,
)
from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "identity_maps.sql")
INVARIANTS = ("one row for each map and primary id", "the value of every id is known")
OVERLAP = timedelta(days=1)  # how late a row may come to light after the time that it says
_FIGURES = (
    "map_rows_read", "deleted_rows", "rows_without_valid_primary", "unreadable_times", "invalid_values",
    "blocked_values",
)  # fmt: skip
_FIRST_PERSON = sqlglot.parse_one("s.person_ids[1:1]", read="postgres")
_ALL_PERSONS = sqlglot.parse_one("s.person_ids", read="postgres")


@dataclass(frozen=True)
class _Cursor:
    """How far a map was read."""

    definition: str
    read_up_to: datetime | None
    fingerprint: str

    @property
    def since(self) -> datetime | None:
        """From when on rows are looked at again; None: all."""
        return None if self.read_up_to is None else self.read_up_to - OVERLAP


def identity_maps_spec(project: Project, kind: str) -> StageSpec:
    """The stage that reads the identity maps of a kind of entity; it is due when one of them has changed."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    definition = hashlib.sha256(" ".join(_definitions(project, entity)).encode()).hexdigest()
    look = partial(_has_news, project=project, kind=kind)
    return StageSpec(f"{kind}/identity_maps", kind, schemas, (), definition, None, INVARIANTS, look)


def missing_columns(connection: Connection, project: Project) -> list[ProjectError]:
    """What keeps the identity maps of a project from being read: a table or a column that is not there."""
    return [
        mistake
        for kind, entity in project.entities.items()
        for number in range(len(entity.identity_maps))
        for mistake in find_mistakes(connection, project, kind, number)
    ]


def read_maps(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Reads what has changed in the identity maps of a kind.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: compare all rows, whatever has changed.

    Raises:
        InputError: the table of a map is not there, or lacks a column.
        InvariantError: the result breaks an invariant; nothing was written.
    """
    entity = project.entities[kind]
    with stage(connection, identity_maps_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        cursors = _settle(work, _definitions(project, entity))
        for number in range(len(entity.identity_maps)):
            map_table = open_map(connection, project, kind, number)
            _Reading(work, project, entity, number, map_table, cursors.get(number)).read(full=full)
        # What comes after it follows the rows that were written: nothing has to be done again as a whole.
        work.facts.due = Due.CHANGES if work.numbered else Due.NOTHING
        if work.numbered:
            work.measure(map_rows=work.scalar(SQL["total"]))
            work.must_be_empty(INVARIANTS[0], SQL["doubled_rows"], number=work.number)
            work.must_be_empty(INVARIANTS[1], SQL["valueless_ids"], number=work.number)
    return work.facts


def _definitions(project: Project, entity: Entity) -> list[str]:
    return [map_definition(project, entity, declared) for declared in entity.identity_maps]


def _has_news(connection: Connection, *, project: Project, kind: str) -> bool:
    """Whether a map is declared otherwise than when it was read, or its rows have changed since."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    cursors = {number: _Cursor(*rest) for number, *rest in connection.fetch(SQL["cursors"].bind(schemas))}
    definitions = _definitions(project, entity)
    if {number: cursor.definition for number, cursor in cursors.items()} != dict(enumerate(definitions)):
        return True
    return any(
        fingerprint(connection, open_map(connection, project, kind, number), cursor.since) != cursor.fingerprint
        for number, cursor in sorted(cursors.items())
    )


def _settle(work: Work, definitions: Sequence[str]) -> dict[int, _Cursor]:
    """Withdraws the rows of maps that are declared no more; those of a map that has another place go there with it.

    Returns:
        The cursors of the maps that were read by the same definition before, by number.
    """
    known = {number: _Cursor(*rest) for number, *rest in work.fetch(SQL["cursors"])}
    stays = {n for n, definition in enumerate(definitions) if n in known and known[n].definition == definition}
    goes_to: dict[int, int | None] = dict.fromkeys(known.keys() - stays)
    goes_to |= dict.fromkeys({number for (number,) in work.fetch(SQL["maps_with_rows"])} - stays)
    for number, definition in enumerate(definitions):
        if number not in stays:
            same = [n for n, to in goes_to.items() if to is None and n in known and known[n].definition == definition]
            goes_to |= dict.fromkeys(same[:1], number)
    # Where a map that is declared otherwise takes its own place, its first reading replaces the rows that differ.
    own = {number for number, to in goes_to.items() if to is None and number < len(definitions)}
    for number in own - set(goes_to.values()):
        del goes_to[number]
    if goes_to:
        _move(work, goes_to)
    moved = {to: known[old] for old, to in goes_to.items() if to is not None}
    cursors = {number: known[number] for number in stays} | moved
    if cursors != known:
        work.run(SQL["remove_cursors"])
        for number, cursor in cursors.items():
            work.run(SQL["add_cursor"], map_number=number, **vars(cursor))
    return cursors


def _move(work: Work, goes_to: dict[int, int | None]) -> None:
    """Gives the rows of some maps another number, or None: takes them away."""
    numbers = {"old_number": pa.array(goes_to.keys(), pa.int64()), "new_number": pa.array(goes_to.values(), pa.int64())}
    work.connection.load("map_moves", pa.table(numbers))
    if work.scalar(SQL["moving_rows"]):
        work.run(SQL["kept_rows"])
        removed = work.run(SQL["log_moved"], number=work.number)
        work.run(SQL["remove_moved"])
        kept = work.run(SQL["add_kept"], number=work.number)
        _count(work, map_rows_written=kept, map_rows_removed=removed)
    work.connection.unload("map_moves")


def _count(work: Work, **more: int) -> None:
    """Adds to the figures of the stage, which are those of all maps together."""
    work.measure(**{name: work.facts.metrics.get(name, 0) + count for name, count in more.items()})


@dataclass(frozen=True)
class _Reading:
    """One map that is read; `known` is how far it was read before, by the same definition."""

    work: Work
    project: Project
    entity: Entity
    number: int
    map_table: MapTable
    known: _Cursor | None

    def read(self, *, full: bool) -> None:
        """Brings the rows of the map up to date; if `full`, all of them are read and compared."""
        work, known = self.work, None if full else self.known
        work.drop_temporary()
        statement, values = read_statement(self.map_table, None if known is None else known.since)
        work.run(statement, **values)
        trusted = exp.false() if known is None else exp.true()
        work.run(SQL["known_rows"], {"trusted": trusted}, map_number=self.number)
        self._find_identifiers()
        persons = _ALL_PERSONS if self.map_table.declared.resolve == "all" else _FIRST_PERSON
        start = datetime.combine(self.project.start, time(), UTC)
        work.run(SQL["newest_rows"], {"persons": persons}, start=start)
        # The rows that another definition gave are another map's; so the first reading replaces all that is there.
        replaces = self.known is None or self.map_table.declared.mode == "snapshot"
        whole = {"whole": exp.true() if replaces else exp.false()}
        work.run(SQL["changed_rows"], whole, map_number=self.number)
        work.run(SQL["gone_rows"], whole, map_number=self.number)
        self._write()
        self._note()

    def _find_identifiers(self) -> None:
        """What the values of new rows are as identifiers."""
        work = self.work
        work.run(SQL["make_occurrences"])
        work.run(SQL["make_readings"])
        for statement in value_statements(self.map_table, self.entity):
            work.run(statement)
        types = {type_ for type_, _, _ in self.map_table.values}
        for priority, identifier in enumerate(self.entity.identifiers):
            if identifier.type in types:
                work.run(from_tree("readings.add", readings(priority, identifier)))
        blank_readings(work, self.entity.kind)
        for name in ("map_found", "primaries", "persons"):
            work.run(SQL[name])

    def _write(self) -> None:
        work = self.work
        written, gone = work.fetch(SQL["counts"])[0]
        if written or gone:
            work.run(SQL["log_removed"], map_number=self.number, number=work.number)
            work.run(SQL["remove"], map_number=self.number)
            work.run(SQL["add"], map_number=self.number, number=work.number)
            work.run(SQL["add_values"])
        figures = dict(zip(_FIGURES, work.fetch(SQL["figures"])[0], strict=True))
        _count(work, **figures, map_rows_written=written, map_rows_removed=gone)

    def _note(self) -> None:
        """Notes how far the map was read."""
        work, known = self.work, self.known
        read_up_to = None
        if self.map_table.rises:
            seen = (work.scalar(SQL["latest"], now=work.now), None if known is None else known.read_up_to)
            read_up_to = max((moment for moment in seen if moment is not None), default=None)
        cursor = _Cursor(map_definition(self.project, self.entity, self.map_table.declared), read_up_to, "")
        cursor = replace(cursor, fingerprint=fingerprint(work.connection, self.map_table, cursor.since))
        if cursor != known:
            work.run(SQL["remove_cursor"], map_number=self.number)
            work.run(SQL["add_cursor"], map_number=self.number, **vars(cursor))

"""Whether a slice of the entities is what a rebuild gives: small enough to be looked at in every run.

A slice holds whole components, chosen by a hash, and of the events without identifiers its share; the next run takes
the next slice, so that in time all are seen. In one transaction that is rolled back, what was worked out about the
slice is taken away, its events are taken for landed anew, and the ordinary stages work for nothing but that. Then the
rows are compared. Group and registry rows stay, for a rebuild goes on from them too. An event is seen with the
identifiers that it is known by; one whose row was lost, with the events that have none.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from cdp_pipeline.attributes.clock_use import worked_out_daily
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import InvariantError
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.operations.verify import take_in_due
from cdp_pipeline.operations.verify_rows import SQL as ROWS
from cdp_pipeline.operations.verify_rows import Comparison, TableVerdict
from cdp_pipeline.progress import listening
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import SQL as STAGES
from cdp_pipeline.warehouse.stage import Run

SQL = Statements(__package__, "verify_slice.sql")
_HASHES = 1 << 16  # a component is in a slice by the last 16 bits of its id
_IDS = 1 << 128
_PARTS = ("slice_identifiers", "slice_events", "slice_entities")
_FORGOTTEN = ("sightings", "map_sightings", "identifiers", "links", "pairs", "degrees", "refused", "shared", "owners")


@dataclass(frozen=True)
class Slice:
    """The n-th (from 0) of so many slices of about the same size."""

    number: int
    of: int

    @property
    def ends(self) -> dict[str, str]:
        """The first and the last of the four hexadecimal digits by which an id ends."""
        low, high = self._range(_HASHES)
        return {"low": f"{low:04x}", "high": f"{high - 1:04x}"}

    @property
    def ids(self) -> dict[str, str]:
        """The first and the last id of as many ranges as there are slices."""
        first, after = self._range(_IDS)
        return {"first_id": str(UUID(int=first)), "last_id": str(UUID(int=after - 1))}

    def _range(self, size: int) -> tuple[int, int]:
        return self.number * size // self.of, (self.number + 1) * size // self.of


@dataclass(frozen=True)
class SliceVerdict:
    """What came of the comparison of a slice.

    Attributes:
        broken: the invariant that a rebuild of the slice would break, in words; empty: none.
    """

    slice: Slice
    identifiers: int
    events: int
    entities: int
    tables: list[TableVerdict]
    broken: str = ""

    @property
    def same(self) -> bool:
        """Whether no row differs."""
        return not self.broken and not any(table.differing or table.columns for table in self.tables)


def slice_of_run(connection: Connection, project: Project, run: Run, share: float) -> Slice:
    """The slice whose turn it is in a run; a share is above 0 and at most 1."""
    slices = min(_HASHES, max(1, round(1 / share)))
    number = connection.fetch(ROWS["run_number"].bind({"cdp": project.schema_name}), run=run.run)[0][0]
    return Slice(int(number) % slices, slices)


def verify_slice(connection: Connection, project: Project, kind: str, run: Run, part: Slice) -> SliceVerdict:
    """Works out a slice of a kind of entity afresh, compares, and takes all of it back.

    Args:
        connection: the warehouse, held by us alone, with no transaction open.
        project: the project.
        kind: the kind of entity.
        run: the run that works, with the as_of by which profiles were calculated.
        part: the slice.

    Raises:
        WarehouseError: a stage has all of its work to do, so that there is nothing to compare with; or cannot be done.
    """
    with connection.rehearsal(), listening(lambda what, done, total: None):
        rehearsing = replace(run, rehearsal=True)
        take_in_due(connection, project, kind, rehearsing)
        return _Slice(connection, project, kind, part).verdict(rehearsing)


class _Slice:
    """A slice that is worked out within a rehearsal."""

    def __init__(self, connection: Connection, project: Project, kind: str, part: Slice) -> None:
        self._connection = connection
        self._project = project
        self._kind = kind
        self._part = part
        self._schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}

    def verdict(self, run: Run) -> SliceVerdict:
        """Chooses the slice, works it out, compares."""
        self._connection.drop_temporary(_PARTS)
        self._run("identifiers", **self._part.ends, **self._part.ids)
        self._run("events", **self._part.ids)
        self._run("entities")
        identifiers, events, entities = self._connection.fetch(SQL["figures"].bind(self._schemas))[0]
        tables: list[TableVerdict] = []
        broken = ""
        if identifiers or events or entities:
            passing = worked_out_daily(self._project.entities[self._kind])
            comparison = Comparison(self._connection, self._schemas, in_part=True, passing=passing)
            self._disturb()
            try:
                for _, work in STAGES_OF_A_KIND:
                    work(self._connection, self._project, self._kind, run)
                tables = comparison.verdicts()
            except InvariantError as error:
                broken = str(error)
        if not broken:
            self._connection.drop_temporary(_PARTS)
        return SliceVerdict(self._part, identifiers, events, entities, tables, broken)

    def _disturb(self) -> None:
        """Takes away what was worked out, and makes the stages do it again."""
        self._connection.run(STAGES["next_number"].bind(self._schemas))
        number = self._connection.fetch(STAGES["last_number"].bind(self._schemas))[0][0]
        for name in ("take_away_events", "land_events", "touch_map_rows"):
            self._run(name, number=number)
        self._run("due", number=number, maps=f"{self._kind}/identity_maps")
        for name in _FORGOTTEN:
            self._run(f"forget_{name}")
        for name in ("queue_identifiers", "queue_entities"):
            self._run(name)

    def _run(self, name: str, **values: object) -> None:
        self._connection.run(SQL[name].bind(self._schemas), **values)

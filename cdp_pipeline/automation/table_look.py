"""What a sensor sees of a source table: the rows that arrived of late, read beside the writer's lock.

A row may be seen later than its time of arrival says, because it is committed after others that came later. So each
look reads an hour back from the newest row that was seen, and compares what it finds there with what it found before.
What is committed later still is taken in by the scheduled run.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cdp_pipeline.config.model import Project, Source
from cdp_pipeline.events.landing import table_shape, table_trees
from cdp_pipeline.sql.statements import Statement, Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.lock import Claim
from cdp_pipeline.warehouse.opening import read_warehouse

SQL = Statements(__package__, "new_rows.sql")
OVERLAP = timedelta(hours=1)


@dataclass(frozen=True)
class Look:
    """What lies in a table of late.

    Attributes:
        newest: when the newest row arrived; None: there is no row.
        rows: a hash of the rows that arrived up to an hour before that.
        days: the days of arrival on which something is new; no day at all where only an earlier row came or went.
    """

    newest: datetime | None
    rows: str = ""
    days: tuple[date, ...] = ()


def look_at_table(project: Project, source: Source, before: Look, now: datetime) -> Look:
    """Looks at a source table.

    Args:
        project: the project, whose warehouse can be read while a run is at work.
        source: the source.
        before: what the last look saw.
        now: rows that arrive later wait.

    Raises:
        InputError: there is no such table.
        WarehouseError: the warehouse cannot be read.
    """
    claim = Claim(project.schema_name, "", f"sensor {source.name}", lambda holder: None)
    with read_warehouse(project.warehouse, project.folder, claim) as connection:
        statements = _statements(connection, source)
        newest = before.newest
        if newest is None:
            [[newest]] = connection.fetch(statements["newest"], now=now)
            if newest is None:
                return before
        seen = connection.fetch(statements["recent_days"], after=newest - OVERLAP, now=now)
        if before.newest is not None and _hashed(seen) == before.rows:
            return before
        days = tuple(day for day, _, latest, _ in seen if before.newest is None or latest > before.newest)
        newest = max([newest, *(latest for _, _, latest, _ in seen)])
        # What is remembered is no more than the run will find, which has yet to begin.
        seen = connection.fetch(statements["recent_days"], after=newest - OVERLAP, now=now)
        return Look(newest, _hashed(seen), days)


def _statements(connection: Connection, source: Source) -> dict[str, Statement]:
    trees = table_trees(connection, source, table_shape(connection, source))
    return {
        name: Statement(f"new_rows.{name}", SQL[name].bind({}, **trees).tree, cached=False)
        for name in ("newest", "recent_days")
    }


def _hashed(rows: list[tuple[object, ...]]) -> str:
    told = "\n".join(f"{day} {count} {fingerprint}" for day, count, _, fingerprint in rows)
    return hashlib.sha256(told.encode()).hexdigest()[:12]

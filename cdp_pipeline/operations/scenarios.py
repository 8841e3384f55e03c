"""Runs a project's own tests: what is given becomes landing files, and the real stages run over them.

Each test has a warehouse of its own, in a folder that is gone afterwards; the project's warehouse is neither opened nor
locked. Events arrive on the day on which they happen. A given event is landed like a raw row, from a source that the
runner adds and whose rows name the event's source themselves.
"""

import json
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cdp_pipeline.config.model import EventFields, Project, Source
from cdp_pipeline.errors import CdpError, UsageError
from cdp_pipeline.events.customer_events import land_events
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.scenario_checks import SQL, Explain, Failure, check
from cdp_pipeline.operations.scenario_files import GIVEN, PlacedScenario, read_identifier, read_scenarios
from cdp_pipeline.operations.scenario_tables import make_tables
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.scratch import scratch_connection
from cdp_pipeline.warehouse.stage import Run

_FIRST_DAY = date(1, 1, 1)
_LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)  # no given day is still to come


@dataclass(frozen=True)
class ScenarioResult:
    """How a test ended.

    Attributes:
        file: its file, relative to the project's folder.
        line: where it begins.
        error: why it could not be run to its end; a test with one has failed.
    """

    name: str
    file: str
    line: int
    passed: bool
    seconds: float
    failures: list[Failure] = field(default_factory=list)
    error: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ScenarioReport:
    """How all tests ended."""

    passed: int
    failed: int
    tests: list[ScenarioResult]


def run_scenarios(
    project: Project, names: Sequence[str] = (), explain: Explain | None = None
) -> Iterator[ScenarioResult]:
    """Runs the tests of a project one after the other.

    Args:
        project: the project.
        names: which ones: parts of a test's name or file, or patterns with `*`; none: all.
        explain: tells in words why identifiers are together or apart; asked when they should not be.

    Raises:
        ProjectErrors: the tests have mistakes; none was run.
        UsageError: there are no tests, or none of these names.
    """
    scenarios = read_scenarios(project)
    chosen = [each for each in scenarios if not names or any(_is_named(each, name) for name in names)]
    if not chosen:
        known = "; ".join(each.scenario.name for each in scenarios)
        raise UsageError(f"No test is named like {' or '.join(names)}. There are: {known}.")
    for scenario in chosen:
        yield _run(project, scenario, explain)


def summed_up(results: Sequence[ScenarioResult]) -> ScenarioReport:
    """The results with their counts."""
    passed = sum(result.passed for result in results)
    return ScenarioReport(passed, len(results) - passed, list(results))


def _is_named(placed: PlacedScenario, name: str) -> bool:
    wanted, known = name.lower(), (placed.scenario.name.lower(), placed.file.as_posix().lower())
    return any(wanted in each or fnmatchcase(each, wanted) for each in known)


def _run(project: Project, placed: PlacedScenario, explain: Explain | None) -> ScenarioResult:
    started = clock.monotonic()
    failures: list[Failure] = []
    error = None
    try:
        with (
            TemporaryDirectory(prefix="cdp-test-") as folder,
            scratch_connection(Path(folder, "test.duckdb")) as connection,
        ):
            world = _World(connection, Path(folder), project, placed)
            world.run()
            failures = check(connection, world.project, placed, explain)
    except CdpError as raised:
        error = str(raised)
    return ScenarioResult(
        placed.scenario.name,
        placed.file.as_posix(),
        placed.line(),
        error is None and not failures,
        round(clock.monotonic() - started, 3),
        failures,
        error,
        placed.notes,
    )


class _World:
    """The project of a test: the kind that it is about, over what is given."""

    def __init__(self, connection: Connection, folder: Path, project: Project, placed: PlacedScenario) -> None:
        self._connection = connection
        self._folder = folder
        self._scenario = placed.scenario
        self._entity = project.entities[placed.kind]
        sources = {name: self._placed(project.sources[name]) for name in placed.scenario.rows}
        # Raw rows arrive when they say, be it before the project starts.
        start = _FIRST_DAY if placed.scenario.rows else project.start
        self.project = project.model_copy(
            update={
                "folder": folder,
                "warehouse": "duckdb:///test.duckdb",
                "start": start,
                "end": None,
                "sources": sources | ({GIVEN: _GIVEN_SOURCE} if placed.scenario.events else {}),
                "entities": {placed.kind: self._entity},
            }
        )
        self._only_source = next(iter(project.sources)) if len(project.sources) == 1 else GIVEN
        self._first_moment = datetime.combine(project.start, time(), UTC)

    def run(self) -> None:
        """Lands what is given and runs all stages."""
        project = self.project
        self._connection.set_up(project.name, project.schema_name, [self._entity.schema_name])
        make_tables(self._connection, project, self._entity, self._scenario)
        self._write_rows()
        self._write_events()
        self._decide()
        as_of = self._scenario.as_of
        land_events(self._connection, project, Run("test", as_of or _LAST_MOMENT, _LAST_MOMENT))
        if as_of is None:
            last = self._connection.fetch(SQL["last_arrival"].bind({"cdp": project.schema_name}))[0][0]
            as_of = datetime.combine((last or self._first_moment.date()) + timedelta(days=1), time(), UTC)
        for _ in run_stages(self._connection, project, Run("test", as_of, _LAST_MOMENT)):
            pass

    @staticmethod
    def _placed(source: Source) -> Source:
        """The source over rows of ours; without a day in their path they arrive as they happen."""
        if source.table is not None:
            return source
        update: dict[str, Any] = {"files": f"rows/{source.name}/*"}
        return source.model_copy(update=update | ({} if source.arrived_at else {"arrived_at": source.event.time}))

    def _write_rows(self) -> None:
        for name, rows in self._scenario.rows.items():
            if self.project.sources[name].table is None:
                self._write(f"rows/{name}/rows.ndjson", rows)

    def _write_events(self) -> None:
        moment = self._first_moment
        days: dict[date, list[Mapping[str, Any]]] = {}
        for number, event in enumerate(self._scenario.events, start=1):
            moment = event.time or moment + timedelta(minutes=1)
            given = {
                "id": event.id or str(number),
                "source": event.source or self._only_source,
                "type": event.type,
                "version": event.version,
                "time": moment.isoformat(),
                "payload": event.payload,
            }
            days.setdefault(max(moment.date(), self._first_moment.date()), []).append(given)
        for day, events in days.items():
            self._write(f"events/{day}/events.ndjson", events)

    def _write(self, place: str, rows: Sequence[Mapping[str, Any]]) -> None:
        file = self._folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def _decide(self) -> None:
        schemas = {"cdp": self.project.schema_name, "kind": self._entity.schema_name}
        for number, decision in enumerate(self._scenario.decisions, start=1):
            ((verdict, identifiers),) = decision.written().items()
            (identifier_type, value), *others = (read_identifier(self._entity, each) for each in identifiers)
            values: dict[str, Any] = {"identifier_type": identifier_type, "value": value, "verdict": verdict}
            values |= {"why": decision.why, "at": self._first_moment, "number": number}
            for other_type, other_value in others:
                values |= {"other_type": other_type, "other_value": other_value}
            self._connection.run(SQL["decide" if others else "decide_of_one"].bind(schemas), **values)


_GIVEN_SOURCE = Source(
    name=GIVEN,
    files="events/{day}/*",
    event=EventFields(id="id", source="source", type="type", version="version", time="time", payload="payload"),
)

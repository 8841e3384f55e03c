"""Builds a project folder, runs the pipeline's stages over it, and reads its tables as plain Python values.

Queries and changes by hand are PostgreSQL's SQL with the placeholders `cdp` and `kind` for the schemas, so that only
`engines` knows an engine. Ids come back as texts, times in UTC, arrays as tuples.
"""

import dataclasses
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.loader import load_project
from cdp_pipeline.config.model import Project
from cdp_pipeline.events.customer_events import ASSET
from cdp_pipeline.events.landing import Days, Plan
from cdp_pipeline.operations.pipeline import landing_due, run_stages
from cdp_pipeline.sql.statements import Statement, statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Facts, Run, Work
from cdp_pipeline_tests import engines

EVENTS = ASSET
TODAY = datetime(2026, 6, 1, 12, tzinfo=UTC)

Rows: TypeAlias = list[tuple[Any, ...]]


def open_warehouse(folder: Path) -> Connection:
    """Open the warehouse of a test's project, on the engine that the test runs on."""
    return engines.current().open(folder)


class Pipeline:
    """A project folder and its warehouse."""

    def __init__(self, folder: Path, project_text: str) -> None:
        """Write `project.yaml`, open the warehouse and make its tables."""
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.now = TODAY
        self._run_numbers = itertools.count(1)
        self.last_run = ""
        self.project = self.rewrite(project_text)
        self.connection = open_warehouse(folder)
        self.set_up()

    def rewrite(self, project_text: str) -> Project:
        """Change the project file and read it again."""
        (self.folder / "project.yaml").write_text(engines.placed(project_text, self.folder), encoding="utf-8")
        self.project = load_project(self.folder, {})
        return self.project

    def set_up(self) -> None:
        """Make the tables that are not there yet."""
        kinds = [entity.schema_name for entity in self.project.entities.values()]
        self.connection.set_up(self.project.name, self.project.schema_name, kinds)

    def write(self, place: str, content: str | bytes) -> Path:
        """Put a file into the project folder."""
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def new_run(self) -> Run:
        """Return the next run; it begins at `now`."""
        self.last_run = f"run-{next(self._run_numbers)}"
        return Run(self.last_run, self.now, self.now)

    def run(
        self, days: Days | None = None, *, full: bool = False, until: str | None = None, accept_merge: str = ""
    ) -> dict[str, Facts]:
        """Run the stages; what each of them did, by asset.

        Args:
            days: Replace these days of arrival.
            full: Calculate everything after the events again.
            until: Stop after this asset, as if the process had died then.
            accept_merge: The run whose map the publication gate held back and which is let through.
        """
        done = {}
        run = self.new_run()
        for facts in run_stages(self.connection, self.project, run, days=days, full=full, accept_merge=accept_merge):
            done[facts.asset] = facts
            if facts.asset == until:
                break
        return done

    def land(self, days: Days | None = None) -> Facts:
        """Run the first stage alone."""
        return self.run(days, until=EVENTS)[EVENTS]

    def plan(self) -> Plan:
        """Return what a plain run would land now."""
        return landing_due(self.connection, self.project, Run("plan", self.now, self.now))

    def replace(self, *days: date) -> dict[str, Facts]:
        """Run with `--from/--to`: replace the days from the first to the last with what lies there now."""
        return self.run(Days(min(days), max(days)))

    def schemas(self, kind: str | None = None) -> Mapping[str, str]:
        """Return the schemas behind the placeholders; without a kind, of the first one."""
        entity = self.project.entities[kind or next(iter(self.project.entities))]
        return {"cdp": self.project.schema_name, "kind": entity.schema_name}

    def query(self, text: str, kind: str | None = None, **values: Any) -> Rows:
        """Return the rows of a query."""
        rows = self.connection.fetch(parsed(text).bind(self.schemas(kind)), **values)
        return [tuple(plain(value) for value in row) for row in rows]

    def column(self, text: str, kind: str | None = None, **values: Any) -> list[Any]:
        """Return the first column of a query."""
        return [row[0] for row in self.query(text, kind, **values)]

    def execute(self, text: str, kind: str | None = None, **values: Any) -> int:
        """Change a table by hand; returns the number of rows."""
        return self.connection.run(parsed(text).bind(self.schemas(kind)), **values)

    def dump(self, *, without: tuple[str, ...] = ()) -> dict[str, Rows]:
        """Return all rows of all tables, in a fixed order, timestamps and numbers included.

        Args:
            without: Tables or columns to leave out, such as `metrics` or `changed_in`.
        """
        found: dict[str, Rows] = {}
        kinds = [(kind, (*tables.OF_A_KIND, tables.PROFILES)) for kind in self.project.entities]
        for kind, of_scope in ((None, tables.SHARED), *kinds):
            there = {scope: self.connection.columns_in(schema) for scope, schema in self.schemas(kind).items()}
            for table in of_scope:
                columns = [name for name, _ in there[table.scope].get(table.name, ()) if name not in without]
                if columns and table.name not in without:
                    rows = self.query(" ".join(("select", ", ".join(columns), "from", table.placeholder)), kind)
                    found[f"{kind or 'cdp'}.{table.name}"] = sorted(rows, key=repr)
        return found


@cache
def parsed(text: str) -> Statement:
    """Return the statement of a text; it is parsed once, and rendered once for each engine."""
    return dataclasses.replace(statement(f"test: {text}", text), cached=True)


def plain(value: Any) -> Any:
    """Return a value of the driver as one that compares and prints well."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list):
        return tuple(plain(item) for item in value)
    return value


@contextmanager
def each_statement(seen: Callable[[Work, str], None]) -> Iterator[None]:
    """Call `seen` with the name of every statement that a stage runs in the block, after it has run."""
    run = Work.run

    def run_and_tell(work: Work, text: Statement, trees: Mapping[str, exp.Expr] | None = None, **values: Any) -> int:
        count = run(work, text, trees, **values)
        seen(work, text.name)
        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Work, "run", run_and_tell)
        yield


@contextmanager
def open_pipeline(folder: Path, project_text: str) -> Iterator[Pipeline]:
    """Open a pipeline for the block."""
    pipeline = Pipeline(folder, project_text)
    try:
        yield pipeline
    finally:
        pipeline.connection.close()

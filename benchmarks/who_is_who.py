"""What it costs to part two people among a million identifiers, and to leave a crowd that shares an e-mail apart.

    python -m benchmarks.who_is_who [--people 500000] [--events 10] [--days 30] [--crowd 200000]

It prints CPU seconds of the stages alone, each beside the full build of the same world. A small world goes first, so
that no figure holds what a process costs once: reading and rendering the statements.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from cdp_pipeline.config.loader import load_project
from cdp_pipeline.events.landing import Days
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import Session, open_session
from cdp_pipeline.operations.verify_slice import slice_of_run, verify_slice
from cdp_pipeline.warehouse.stage import Facts

PROJECT = """\
name: who_is_who
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web: {files: 'landing/{day}/*', event: {id: id, type: type, time: time}}
entities:
  customer:
    identifiers:
      - {type: crm_id, max_per_entity: 1}
      - {type: email}
      - {type: cookie, bridge: false}
    stitching:
      - {identifier: crm_id, value: "payload->>'crm'"}
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: email, value: "payload->>'other'"}
      - {identifier: cookie, value: "payload->>'cookie'"}
    attributes:
      - {id: seen, type: expression, value: count(*)}
"""
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def main() -> None:
    """Builds both worlds, changes one of them, prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.who_is_who", description=__doc__)
    parser.add_argument("--people", type=int, default=500_000, help="people of one e-mail and one cookie each")
    parser.add_argument("--crowd", type=int, default=200_000, help="people of one crm_id each, who share one e-mail")
    parser.add_argument("--events", type=int, default=10, help="events of each of them")
    parser.add_argument("--days", type=int, default=30, help="days over which they are spread")
    arguments = parser.parse_args()
    table = Table(title="Who is who, in CPU seconds of the stages", title_justify="left")
    for name in ("what", "CPU s", "wall s", "of the full build", "entities", "events moved"):
        table.add_column(name, justify="left" if name == "what" else "right")
    with tempfile.TemporaryDirectory() as folder:
        small = argparse.Namespace(people=2_000, events=2, days=2)
        _part_two(Path(folder) / "small", small, Table(*(str(column.header) for column in table.columns)))
        _part_two(Path(folder) / "people", arguments, table)
        _crowd(Path(folder) / "crowd", arguments.crowd, table)
    Console().print(table)


def _part_two(folder: Path, arguments: argparse.Namespace, table: Table) -> None:
    people, events, days = arguments.people, arguments.events, arguments.days
    days_of = [(number + k * days // events) % days for number in range(people) for k in range(events)]
    for day in range(days):
        _visits(folder, day, [place // events for place, its_day in enumerate(days_of) if its_day == day])
    with _opened(folder) as session:
        full = _measure(session, table, f"full build of {2 * people:,} identifiers, {people * events:,} events", None)
        link = _land(folder, days, email=["p1@x.org"], other=["p2@x.org"], cookie=["c1"])
        _measure(session, table, "a link that makes two people one", full)
        link.unlink()
        taken = (START + timedelta(days)).date()
        _measure(session, table, "it is taken away: they part", full, Days(taken, taken))
        # A day of a hundredth of the people, half of whom come for the first time.
        more = [n for n in range(people - people // 200, people + people // 200) for _ in range(events)]
        _visits(folder, days + 1, more)
        _measure(session, table, f"{len(more):,} events more, 1 %, of {people // 100:,} people", full)
        _measure(session, table, "nothing new", full)
        _prove(session, table, full)


def _visits(folder: Path, day: int, people: list[int]) -> None:
    _land(folder, day, email=[f"p{n}@x.org" for n in people], cookie=[f"c{n}" for n in people])


def _crowd(folder: Path, crowd: int, table: Table) -> None:
    _land(folder, 0, crm=[f"C{n}" for n in range(crowd)], email=["info@x.org"] * crowd)
    with _opened(folder) as session:
        _measure(session, table, f"{crowd:,} people who share an e-mail", None)
        query = "SELECT links, threshold, entities_it_would_join FROM customer.quarantined_identifiers"
        ((links, threshold, entities),) = session.connection.fetch_text(query, {}, "quarantined")
        table.caption = f"In quarantine: {links:,} links, {threshold:,} allowed, would join {entities:,} entities."


def _land(folder: Path, day: int, **columns: list[str]) -> Path:
    rows = max(map(len, columns.values()))
    moment = START + timedelta(day)
    base = {
        "id": [f"{day}-{n}" for n in range(rows)],
        "type": ["seen"] * rows,
        "time": pa.array([moment] * rows, pa.timestamp("us", "UTC")),
    }
    file = folder / "landing" / f"{moment:%Y-%m-%d}" / "events.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(base | {name: pa.array(column) for name, column in columns.items()}), file)
    return file


@contextmanager
def _opened(folder: Path) -> Iterator[Session]:
    (folder / "project.yaml").write_text(PROJECT, encoding="utf-8")
    with open_session(load_project(folder), "benchmark", lambda holder: None) as session:
        yield session


def _prove(session: Session, table: Table, full: float) -> None:
    """The check `same_as_rebuild` of the default share."""
    share = session.project.entities["customer"].checks.rebuild_share
    cpu, wall = time.process_time(), time.perf_counter()
    part = slice_of_run(session.connection, session.project, session.run, share)
    verdict = verify_slice(session.connection, session.project, "customer", session.run, part)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    what = f"{share:.0%} of them worked out afresh and compared" + ("" if verdict.same else ": NOT THE SAME")
    table.add_row(what, f"{cpu:.2f}", f"{wall:.2f}", f"{cpu / full:.1%}", f"{verdict.entities:,}", "")


def _measure(session: Session, table: Table, what: str, full: float | None, days: Days | None = None) -> float:
    cpu, wall = time.process_time(), time.perf_counter()
    facts: dict[str, Facts] = {
        f.asset: f for f in run_stages(session.connection, session.project, session.run, days=days)
    }
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    stitched = facts["customer/stitched_events"].metrics
    entities = facts["customer/entity_map"].metrics.get("entities")
    share = "" if full is None else f"{cpu / full:.1%}"
    counts = ("" if count is None else f"{count:,.0f}" for count in (entities, stitched.get("events_rekeyed")))
    table.add_row(what, f"{cpu:.2f}", f"{wall:.2f}", share, *counts)
    return cpu


if __name__ == "__main__":
    main()

"""Whether a reader who polls during a replay sees every event exactly once, each person whole, before or after.

    python -m benchmarks.reader_during_replay [--people 50000] [--events 10]

Each person goes by a cookie and by an e-mail, with as many events under each; then an identity map tells which belong
together, so that half of all events change hands, in batches. On a PostgreSQL server that is started for the occasion.
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.postgresql import DEFAULTS
from cdp_pipeline.config.loader import load_project
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_session
from cdp_pipeline_tests.postgres_server import PostgresServer

PROJECT = """\
name: reader
warehouse: {url}
start: 2026-01-01
end: 2026-01-01
sources:
  web: {{files: 'landing/{{day}}/*', event: {{id: id, type: type, time: time}}}}
entities:
  customer:
    identifiers: [{{type: email}}, {{type: cookie}}]
    stitching:
      - {{identifier: email, value: "payload->>'email'"}}
      - {{identifier: cookie, value: "payload->>'cookie'"}}
    identity_maps:
      - {{table: raw.people, primary: {{type: cookie, column: cookie}}, persons: {{email: email}}}}
    guards: {{publish: {{max_share_merged: 1}}}}
    replay: {{batch_events: {batch}}}
    attributes: [{{id: seen, type: expression, value: count(*)}}]
"""
LOOK = """
select count(*), sum(events), sum(different), count(*) filter (where events not in ({half}, {whole}))
from (
    select s.entity_id, count(*) as events, count(distinct s.event_id) as different
    from customer.stitched_events as s
    group by s.entity_id
) as person
"""


@dataclass
class Looks:
    """What the reader saw: how many looks, how many different states, and looks at which something was wrong."""

    looks: int = 0
    states: set[int] = field(default_factory=set)
    wrong: list[tuple[int, ...]] = field(default_factory=list)


def main() -> None:
    """Builds the world, replays it under the reader's eyes, and tells what the reader saw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reader_during_replay", description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=10, help="events of each under each of their two names")
    parser.add_argument("--batch", type=int, default=100_000, help="replay.batch_events")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        server = PostgresServer(*DEFAULTS)
        try:
            _show(folder, server.create_database("reader"), asked)
        finally:
            server.discard()


def _show(folder: Path, url: str, asked: argparse.Namespace) -> None:
    (folder / "project.yaml").write_text(PROJECT.format(url=url, batch=asked.batch), encoding="utf-8")
    people, events = asked.people, asked.events
    _land(folder, people, events)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("create schema raw")
        owner.execute("create table raw.people (cookie text, email text)")
        _run(folder)
        owner.execute(
            "insert into raw.people select 'c' || n, 'p' || n || '@x.org' from generate_series(0, %s - 1) as n",
            (people,),
        )
        looks, done = Looks(), threading.Event()
        reader = threading.Thread(target=_poll, args=(url, 2 * people * events, events, looks, done))
        reader.start()
        began = time.monotonic()
        moved = _run(folder)
        done.set()
        reader.join()
    out = Console()
    out.print(
        f"{moved:,.0f} of {2 * people * events:,} events changed hands in {time.monotonic() - began:.0f} seconds."
    )
    out.print(
        f"{looks.looks} looks, {len(looks.states)} different states of the replay, wrong: {looks.wrong or 'none'}"
    )


def _land(folder: Path, people: int, events: int) -> None:
    numbers = [number for number in range(people) for _ in range(events)]
    nobody: list[str | None] = [None] * len(numbers)
    rows = {
        "id": [str(number) for number in range(2 * len(numbers))],
        "type": ["seen"] * 2 * len(numbers),
        "time": pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC)] * 2 * len(numbers), pa.timestamp("us", "UTC")),
        "cookie": pa.array([*(f"c{number}" for number in numbers), *nobody], pa.string()),
        "email": pa.array([*nobody, *(f"p{number}@x.org" for number in numbers)], pa.string()),
    }
    file = folder / "landing" / "2026-01-01" / "events.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(rows), file)


def _run(folder: Path) -> float:
    """Run all stages; how many past events changed hands."""
    with open_session(load_project(folder), "benchmark", lambda holder: None) as session:
        facts = {each.asset: each for each in run_stages(session.connection, session.project, session.run)}
    return facts["customer/stitched_events"].metrics.get("events_rekeyed", 0.0)


def _poll(url: str, events: int, half: int, looks: Looks, done: threading.Event) -> None:
    """Look again and again until all is done: every event once, and every person with half or all of their events."""
    with psycopg.connect(url, autocommit=True) as reader:
        while not done.is_set():
            row = reader.execute(LOOK.format(half=half, whole=2 * half)).fetchone()
            assert row is not None
            people, seen, different, in_part = (int(value) for value in row)
            looks.looks += 1
            looks.states.add(people)
            if (seen, different, in_part) != (events, events, 0):
                looks.wrong.append((people, seen, different, in_part))


if __name__ == "__main__":
    main()

"""What attributes cost: a hundred of them beside ten, over the same events.

    python -m benchmarks.attributes [--people 500000] [--events 10] [--mix grid|motley]

It prints the CPU seconds of the stage `profiles` alone, which calculates all of them for everybody. A grid is what a
project has that asks the same of many things: sum, average, greatest, first and last of five numbers in four types of
event. In a motley hardly two attributes read the same under the same conditions.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from cdp_pipeline.attributes.profiles import calculate_profiles
from cdp_pipeline.config.loader import load_project
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import Session, open_session

PROJECT = """\
name: attributes
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
end: 2026-01-01
sources:
  web: {{files: 'landing/{{day}}/*', event: {{id: id, type: type, time: time}}}}
entities:
  customer:
    identifiers: [{{type: email}}]
    stitching:
      - {{identifier: email, value: "payload->>'email'"}}
    attributes:
{attributes}
"""
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TYPES = ("order", "view", "login", "search")
PLACES = ("sku", "category", "device", "page", "country", "total", "quantity", "discount", "duration", "rating")
NUMBERS = PLACES[5:]


def main() -> None:
    """Builds the world once, calculates ten attributes of it and then a hundred."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attributes", description=__doc__)
    parser.add_argument("--people", type=int, default=500_000, help="people of one e-mail each")
    parser.add_argument("--events", type=int, default=10, help="events of each of them")
    parser.add_argument("--mix", choices=sorted(MIXES), default="grid", help="what the attributes are")
    arguments = parser.parse_args()
    table = Table(title="Attributes, in CPU seconds of the stage", title_justify="left")
    for name in ("attributes", "CPU s", "wall s", "times ten"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _land(folder, arguments.people, arguments.events)
        ten = None
        for count in (10, 100):
            (folder / "project.yaml").write_text(
                PROJECT.format(attributes=_attributes(arguments.mix, count)), encoding="utf-8"
            )
            with open_session(load_project(folder), "benchmark", lambda holder: None) as session:
                if ten is None:
                    list(run_stages(session.connection, session.project, session.run))
                cpu, wall = _measure(session)
            table.add_row(str(count), f"{cpu:.1f}", f"{wall:.1f}", "" if ten is None else f"{cpu / ten:.2f}")
            ten = ten or cpu
    Console().print(table)


def _measure(session: Session) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    calculate_profiles(session.connection, session.project, "customer", session.run, full=True)
    return time.process_time() - cpu, time.perf_counter() - wall


def _attributes(mix: str, count: int) -> str:
    return "\n".join(line for line, _ in zip(MIXES[mix](), range(count), strict=False))


def _grid() -> Iterator[str]:
    """Five sorts over five numbers and four types of event; the first ten are of all sorts and numbers."""
    for number in range(100):
        sort = ("sum", "avg", "max", "first", "last")[number % 5]
        amount, of = divmod((number // 5 + 4 * (number % 5)) % 20, 4)
        value = f"(payload->>'{NUMBERS[amount]}')::numeric(38,9)"
        yield f'      - {{id: a{number}, type: {sort}, value: "{value}", events: {TYPES[of]}}}'


def _motley() -> Iterator[str]:
    """Attributes of all sorts, each other than those before."""
    for number in range(100):
        of, place, amount = TYPES[number % 4], PLACES[number % 10], NUMBERS[number % 5]
        exact = f"(payload->>'{amount}')::numeric(38,9)"
        sorts = (
            f'type: sum, value: "{exact}", events: {of}',
            f"type: last, value: \"payload->>'{place}'\"",
            f"type: expression, value: \"count(*) filter (where type = '{of}' and {exact} > {number})\"",
            f"type: num_of_unique, value: \"payload->>'{place}'\", events: {of}",
            f"type: avg, value: \"{exact}\", filter: \"payload->>'device' = 'd{number % 7}'\"",
            f'type: max, value: event_time, events: {of}, filter: "{exact} > {number}"',
            f"type: first, value: \"payload->>'{place}'\", filter: \"event_time > '2026-01-01 12:{number % 60:02}'\"",
            f'type: expression, value: "sum({exact}) / nullif(count(*), 0)::double precision", events: {of}',
        )
        yield f"      - {{id: a{number}, {sorts[number % len(sorts)]}}}"


MIXES: dict[str, Callable[[], Iterator[str]]] = {"grid": _grid, "motley": _motley}


def _land(folder: Path, people: int, events: int) -> None:
    rows = people * events
    random = np.random.default_rng(7)
    columns: dict[str, pa.Array] = {
        "id": pa.array(np.arange(rows).astype(str)),
        "type": pa.array(np.array(TYPES)[random.integers(0, 4, rows)]),
        "time": pa.array([NOON + timedelta(minutes=n) for n in range(60)], pa.timestamp("us", "UTC")).take(
            pa.array(random.integers(0, 60, rows))
        ),
        "email": pa.array(np.char.add(np.char.add("p", (np.arange(rows) // events).astype(str)), "@x.org")),
    }
    for place in PLACES[:5]:
        columns[place] = pa.array(np.char.add(place[0], random.integers(0, 50, rows).astype(str)))
    for place in NUMBERS:
        columns[place] = pa.array(random.integers(0, 10_000, rows) / 100)
    file = folder / "landing" / "2026-01-01" / "events.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), file)


if __name__ == "__main__":
    main()

"""The main job on a PostgreSQL server with its default settings: all of it, and a hundred rows more."""

import gzip
import json
import os
import re
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Stopwatch, cpu_seconds
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline_tests.postgres_server import PostgresServer

MORE = Path("landing/web/2026-01-30/more.ndjson")
ROWS = 100
DEFAULTS = ("fsync=on", "full_page_writes=on", "max_connections=100")  # what the tests' server leaves out


def on_postgresql(folder: Path, console: Console) -> None:
    """Runs everything, then lands some more rows of the last day, and prints the figures by stage."""
    server = PostgresServer(*DEFAULTS)
    try:
        file = folder / "project.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub("(?m)^warehouse: .*$", f"warehouse: {server.create_database('bench')}", text), "utf-8")
        project = load_valid_project(folder)
        version = server.execute("show server_version")[0][0]
        _show(console, f"PostgreSQL {version}, everything", *_run(server, project))
        _add_rows(folder)
        _show(console, f"PostgreSQL {version}, {ROWS} rows more", *_run(server, project))
    finally:
        server.discard()


def _run(server: PostgresServer, project: Project) -> tuple[list[tuple[str, float]], float]:
    """Wall seconds by stage, and the CPU seconds of this process and of the server."""
    stages = []
    before = cpu_seconds() + _server_cpu(server)
    watch = Stopwatch()
    with open_session(project, "bench", lambda holder: None) as session:
        stages.append(("session", watch.read()[1]))
        watch = Stopwatch()
        for facts in run_stages(session.connection, project, session.run):
            stages.append((facts.asset, watch.read()[1]))
            watch = Stopwatch()
        return stages, cpu_seconds() + _server_cpu(server) - before


def _server_cpu(server: PostgresServer) -> float:
    """User and system time of the server's processes, those that have ended included."""
    ticks = 0
    for pid in server.processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, and counts as the first one's child
            own = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += sum(int(field) for field in own[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _add_rows(folder: Path) -> None:
    place = folder / MORE
    day = next(path for path in sorted(place.parent.iterdir()) if path != place)
    data = gzip.decompress(day.read_bytes()) if day.suffix == ".gz" else day.read_bytes()
    rows = [json.loads(line) for line in data.decode().splitlines()[:ROWS] if line.startswith("{")]
    told = (json.dumps(row | {"message_id": f"more-{number}"}) for number, row in enumerate(rows))
    place.write_text("\n".join(told) + "\n", encoding="utf-8")


def _show(console: Console, title: str, stages: list[tuple[str, float]], cpu: float) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    table.add_column("wall s", justify="right")
    for name, wall in stages:
        table.add_row(name, f"{wall:.2f}")
    table.add_section()
    table.add_row("all", f"{sum(wall for _, wall in stages):.2f}")
    console.print(table)
    console.print(f"CPU seconds of run and server: {cpu:.1f}")

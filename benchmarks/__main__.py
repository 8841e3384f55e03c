"""Time and memory of the main job, by stage, beside one bare pass over the same files: `make bench`.

The reference is one DuckDB pass that reads the same files, extracts the same JSON paths once, and keeps nothing. Both
run in processes of their own, one after the other, so that each one's memory is its own. Compare CPU seconds and their
ratio; wall time depends on what else the machine does.

With `--engine postgresql` the warehouse is a PostgreSQL server with its default settings, started for the occasion, and
a hundred rows more are landed after all; CPU seconds are then those of the run and of the server together.
"""

import argparse
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.postgresql import MORE, on_postgresql
from cdp_pipeline.demo import estimate_people, generate

ROOT = Path(__file__).parent.parent
BUDGET = 10.0
DAYS = 30


def main() -> None:
    """Generates the shop if it is not there, runs reference and pipeline, prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000, help="about how many events")
    parser.add_argument("--engine", choices=["duckdb", "postgresql"], default="duckdb", help="where the warehouse is")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench", help="where files and warehouse go")
    arguments = parser.parse_args()
    console = Console()
    folder = arguments.folder / str(arguments.events)
    _prepare(folder, arguments.events, console)
    if arguments.engine == "postgresql":
        on_postgresql(folder, console)
        return
    console.print("Running the bare pass …")
    bare = _child("benchmarks.bare_pass", folder)
    console.print("Running the pipeline …")
    stages = _child("benchmarks.main_job", folder)
    again = _child("benchmarks.main_job", folder, "--again")
    _show(console, bare, stages, again)


def _prepare(folder: Path, events: int, console: Console) -> None:
    for leftover in folder.glob("warehouse.duckdb*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    if not (folder / "done").exists():
        console.print(f"Generating about {events:,} events …")
        folder.mkdir(parents=True, exist_ok=True)
        generate(folder, people=estimate_people(events, DAYS), days=DAYS, start=date(2026, 1, 1), seed=1)
        (folder / "done").touch()
    (folder / MORE).unlink(missing_ok=True)
    shutil.copyfile(ROOT / "examples" / "shop" / "project.yaml", folder / "project.yaml")


def _child(module: str, *arguments: object) -> dict[str, object]:
    command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def _show(console: Console, bare: dict[str, object], job: dict[str, object], again: dict[str, object]) -> None:
    table = Table(title=f"{job['events']:,} events, from files to profiles", title_justify="left")
    for name in ("stage", "CPU s", "wall s", "of the bare pass"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    reference = float(str(bare["cpu"]))
    for name, cpu, wall in job["stages"]:  # type: ignore[attr-defined]
        table.add_row(name, f"{cpu:.1f}", f"{wall:.1f}", f"{cpu / reference:.2f} ×")
    total = float(str(job["cpu"]))
    table.add_section()
    table.add_row("all stages", f"{total:.1f}", f"{job['wall']:.1f}", f"{total / reference:.2f} ×")
    table.add_row("bare pass", f"{reference:.1f}", f"{bare['wall']:.1f}", "1.00 ×")
    table.add_row("nothing new", f"{again['cpu']:.2f}", f"{again['wall']:.2f}", "")
    console.print(table)
    console.print(f"Budget: {BUDGET:.0f} × the bare pass. Peak memory: {job['memory_mb']:,.0f} MB.")


if __name__ == "__main__":
    main()

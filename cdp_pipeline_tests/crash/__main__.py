"""The crash test: kill -9 at random moments, of the stages at work and of whole runs; the next one makes up for it.

    make crash-test ARGS='--kills 200 --whole 10 --seed 7 --engine postgresql'

It prints the kills by stage and what the next run left otherwise; the exit code is 1 if there is any.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cdp_pipeline_tests.automation.tiny import Rows, copy_of, published, quick_folder, run_without_dagster
from cdp_pipeline_tests.crash.killing import Kill, kill, prepare, random_moment
from cdp_pipeline_tests.crash.world import new_and_changed_days, write_world
from cdp_pipeline_tests.engines import ENGINES, on
from cdp_pipeline_tests.operations.children import Child

EARLIEST = 1.0  # seconds from the start of a whole run to the kill


def main() -> None:
    """Kills, tells, and ends with 1 if a next run left anything otherwise."""
    parser = argparse.ArgumentParser(prog="python -m cdp_pipeline_tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills of the stages at work")
    parser.add_argument("--whole", type=int, default=10, help="kills of a whole `cdp run`")
    parser.add_argument("--seed", type=int, default=20260101, help="the same seed chooses the same moments")
    parser.add_argument("--engine", choices=list(ENGINES), default="duckdb")
    asked = parser.parse_args()
    out = Console()
    out.print(f"{asked.kills} kills of the stages, {asked.whole} of whole runs, on {asked.engine}, seed {asked.seed}")
    with on(asked.engine), quick_folder() as folder:
        failed = _kill_stages(out, folder, asked.kills, random.Random(asked.seed))
        failed += _kill_whole_runs(out, folder / "whole", asked.whole, random.Random(asked.seed))
    out.print(
        "Every next run ended with exactly the tables of an undisturbed one." if not failed else f"{failed} failed"
    )
    sys.exit(1 if failed else 0)


def _kill_stages(out: Console, folder: Path, kills: int, rng: random.Random) -> int:
    if not kills:
        return 0
    began = time.monotonic()
    prepared = prepare(folder)
    found: list[Kill] = []
    for number in range(kills):
        undisturbed = prepared[number % len(prepared)]
        place = folder / f"killed-{number}"
        found.append(kill(undisturbed, random_moment(rng, undisturbed), place))
        if not found[-1].made_up_for:
            out.print(f"{number}: {found[-1]}", style="red", markup=False)
    table = Table("killed in", "kills", "in the middle of a call", "otherwise", title="Kills of the stages at work")
    for stage in sorted({each.stage for each in found}):
        of_stage = [each for each in found if each.stage == stage]
        in_the_middle = sum(each.moment.seconds > 0 for each in of_stage)
        otherwise = sum(not each.made_up_for for each in of_stage)
        table.add_row(stage or "before the first stage", *map(str, (len(of_stage), in_the_middle, otherwise)))
    out.print(table)
    by_scenario = Counter(each.scenario for each in found)
    out.print(", ".join(f"{name}: {count}" for name, count in by_scenario.items()))
    out.print(f"{time.monotonic() - began:.0f} seconds")
    return sum(not each.made_up_for for each in found)


def _kill_whole_runs(out: Console, folder: Path, kills: int, rng: random.Random) -> int:
    """Kill `cdp run` after a random time, at most as long as it takes; then run it to its end."""
    if not kills:
        return 0
    world = write_world(folder / "world")
    run_without_dagster(world)
    new_and_changed_days(world.folder)
    wanted = _end(copy_of(world.folder, folder / "undisturbed").folder)
    began = time.monotonic()  # not of the first: it waited until the children's server had imported everything
    if _end(copy_of(world.folder, folder / "undisturbed-too").folder) != wanted:
        raise AssertionError("two undisturbed runs differ")
    longest = time.monotonic() - began
    failed = 0
    for number in range(kills):
        place = copy_of(world.folder, folder / f"killed-{number}").folder
        seconds = rng.uniform(EARLIEST, longest)
        child = Child(place, "killed", "run", "--project", str(place))
        child.process.join(seconds)
        ended = child.process.exitcode is not None
        child.kill()
        left = _end(place)
        differing = [name for name in wanted if left[name] != wanted[name]]
        failed += bool(differing)
        when = "after its end" if ended else f"after {seconds:.1f} of {longest:.1f} seconds"
        out.print(f"cdp run killed {when}: {'otherwise: ' + ', '.join(differing) if differing else 'made up for'}")
    return failed


def _end(folder: Path) -> dict[str, Rows]:
    """Run `cdp run` to its end; what is published then."""
    child = Child(folder, "next", "run", "--project", str(folder))
    code = child.end()
    if code:
        raise AssertionError(f"the next run failed: {child.said}")
    return published(copy_of(folder, folder.with_name(folder.name + "-looked-at")))


if __name__ == "__main__":
    main()

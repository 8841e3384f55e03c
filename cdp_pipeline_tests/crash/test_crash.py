"""The short form of the crash test; `make crash-test ARGS='--kills 200 --whole 10'` is the long one."""

import random
from pathlib import Path

from cdp_pipeline_tests.crash.killing import kill, prepare, random_moment
from cdp_pipeline_tests.crash.world import SCENARIOS
from cdp_pipeline_tests.engines import Engine

KILLS = {"duckdb": 4, "postgresql": 2}
SCENARIOS_OF = {"duckdb": (SCENARIOS[0], SCENARIOS[5]), "postgresql": SCENARIOS[4:5]}


def test_the_next_run_makes_up_for_one_that_was_killed(engine: Engine, folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    prepared = prepare(folder, SCENARIOS_OF[engine.name])
    for number in range(KILLS[engine.name]):
        undisturbed = prepared[number % len(prepared)]
        found = kill(undisturbed, random_moment(rng, undisturbed), folder / f"killed-{number}")
        assert found.made_up_for, f"seed {seed}: {found}"

"""A run with nothing new: nothing is changed, nothing is launched, nothing slow is imported."""

import json
import os
import sys
import time
from pathlib import Path

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.processes import run
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, every_row, land, landing_file
from cdp_pipeline_tests.cli.conftest import Command

# Runs the command in a process of its own and tells what is in memory at its end.
PROGRAM = """\
import json, sys
from cdp_pipeline.cli import main
code = 0
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
modules = [name for name, module in sys.modules.items() if module]
print(json.dumps({"code": code, "modules": modules}), file=sys.stderr)
"""
SLOW = {"dagster", "great_expectations", "scipy", "grpc", "sqlalchemy", "networkx"}


def seconds_of(*command: str, project: Project) -> float:
    """Return the CPU seconds of a command, its own children included."""
    before = os.times()
    assert run(*command, variables={"CDP_PROJECT": str(project.folder)}).returncode == 0
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_nothing_new_leaves_no_trace(ran: Project) -> None:
    before = every_row(ran)
    place = Path(ran.folder)
    times = {path: path.stat().st_mtime_ns for path in place.rglob("*") if "warehouse" not in path.name}
    done = run("python", "-c", PROGRAM, "run", variables={"CDP_PROJECT": str(place)})
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0
    assert done.stdout == "Nothing new: no row was changed and no run was launched.\n"
    assert len(done.stderr.splitlines()) == 1
    assert not SLOW & set(told["modules"])
    assert every_row(ran) == before
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if "warehouse" not in path.name} == times
    assert not (place / ".dagster").exists()


def test_a_file_that_was_only_touched_is_nothing_new(cdp: Command, ran: Project) -> None:
    """A file that is written anew as it was, or is given another time, is the same file."""
    before = every_row(ran)
    os.utime(landing_file(ran.folder, FIRST), (1, 1))
    land(ran.folder, FIRST, DAYS[FIRST])
    assert cdp("run", "--project", ran.folder).out.startswith("Nothing new")
    assert every_row(ran) == before


def test_how_long_it_takes(ran: Project) -> None:
    """Reported, not judged: the seconds beyond the start of a process that only shows its help."""
    start = seconds_of("cdp", "--help", project=ran)
    clock = time.perf_counter()
    beyond = seconds_of("cdp", "run", project=ran) - start
    wall = time.perf_counter() - clock
    sys.stderr.write(f"nothing new: {beyond:.2f} CPU seconds beyond the process's start, {wall:.2f} seconds in all\n")

"""Kills a run of the stages at a moment, runs again, and compares with a run that nothing happened to.

A run is a child forked from this process, which has imported everything, parsed every statement, and has no connection
open: so a kill costs as long as the run up to there. A moment is before the n-th call of the engine, or a few
milliseconds into it. The child ends as by `kill -9`: nothing of it can clean up.
"""

import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events import customer_events
from cdp_pipeline.operations.erase import erase
from cdp_pipeline.operations.pipeline import landing_due, run_stages, stages_due
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Work
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.automation.tiny import TIMES_AND_RUNS, Rows, copy_of, read, table_names
from cdp_pipeline_tests.crash.world import SCENARIOS, Scenario, write_world

SECONDS = 120
CALLS = ("begin", "commit", "run_text", "fetch_text", "fetch_arrow_text", "load")
LONGEST = 0.02  # seconds from the beginning of a call to the kill
# What a run writes about itself, and the numbers of its transactions, of which a killed one has used up some.
OF_THE_RUN = TIMES_AND_RUNS | {"landed_in", "removed_in", "changed_in", "issued_in", "modified", "pid",
                               "erased_at", "founder_mark", "number"}  # fmt: skip
UNCOMPARED = (tables.RUNS, tables.METRICS, tables.REPLAYS, tables.SEQUENCE, tables.STAGES, tables.LANDED_FILES,
              tables.ERASURES, tables.TOMBSTONES, tables.ERASURE_SECRETS)  # fmt: skip
Tables: TypeAlias = dict[str, Rows]
Seen: TypeAlias = Callable[[str, str], None]


class Moment(NamedTuple):
    """Before the n-th call (from 1) of the engine; with seconds, that long after it began."""

    call: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Undisturbed:
    """A scenario to which nothing happened: the folder before its run, the engine's calls in it, what it left."""

    scenario: Scenario
    folder: Path
    calls: int
    left: Tables


@dataclass(frozen=True)
class Kill:
    """What came of one kill.

    Attributes:
        stage: the stage at work; empty: between two.
        call: what the engine was called for.
        differing: the tables that the next run left otherwise.
        still_due: what there was to do after it.
    """

    scenario: str
    moment: Moment
    stage: str
    call: str
    differing: list[str]
    still_due: list[str]

    @property
    def made_up_for(self) -> bool:
        """Whether the next run ended with exactly the tables of an undisturbed one."""
        return not (self.differing or self.still_due)


class Outcome(NamedTuple):
    """What a run left: all rows, without what it writes about itself; and what a further run would have to do."""

    calls: int
    left: Tables
    still_due: list[str]


def prepare(folder: Path, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Undisturbed]:
    """Run the world, then each scenario in a copy of it."""
    customer_events.GROUP_BYTES = 1  # each day is landed in a transaction of its own
    world = write_world(folder / "world")
    work(world, Scenario("before", lambda folder: None))
    prepared = []
    for number, scenario in enumerate(scenarios):
        before = copy_of(world.folder, folder / f"scenario-{number}").folder
        scenario.change(before)
        done = work(copy_of(before, folder / f"undisturbed-{number}"), scenario)
        assert not done.still_due, done.still_due
        prepared.append(Undisturbed(scenario, before, done.calls, done.left))
    return prepared


def random_moment(rng: random.Random, undisturbed: Undisturbed) -> Moment:
    """Return a moment of a run: half of them in the middle of a call."""
    return Moment(rng.randint(1, undisturbed.calls), rng.choice((0.0, rng.uniform(0, LONGEST))))


def kill(undisturbed: Undisturbed, moment: Moment, place: Path) -> Kill:
    """Kill the scenario's run at a moment, in a copy of its folder, and let the next run make up for it."""
    project = copy_of(undisturbed.folder, place)
    said = place / "killed"
    _fork_and_wait(project, undisturbed.scenario, moment, said)
    stage, _, call = said.read_text(encoding="utf-8").partition("|") if said.exists() else ("", "", "the end")
    done = work(project, undisturbed.scenario)
    differing = [name for name in undisturbed.left if done.left[name] != undisturbed.left[name]]
    found = Kill(undisturbed.scenario.name, moment, stage, call, differing, done.still_due)
    engines.current().discard(place)
    return found


def work(project: Project, scenario: Scenario, seen: Seen | None = None) -> Outcome:
    """Erase whom the scenario erases, unless that is done, and run all stages, in a session."""
    calls = 0
    patched: list[tuple[type, str, Any]] = []

    def counted(name: str, call: Any) -> Any:
        def count(self: Any, *arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if seen is not None:
                seen(name, str(arguments[-1]) if arguments and name != "load" else name)
            return call(self, *arguments)

        return count

    with open_session(project, "crash", lambda holder: None) as session:
        engine = type(session.connection)
        for name in CALLS:
            patched.append((engine, name, engine.__dict__[name]))
            setattr(engine, name, counted(name, engine.__dict__[name]))
        try:
            session.start("")
            if scenario.erases:
                with suppress(UsageError):  # nobody is called so any more
                    erase(session, scenario.erases, only_identifier=False, by="crash", why="a test")
            for _ in run_stages(session.connection, project, session.run, **scenario.asked):
                pass
            session.end("done")
        finally:
            for owner, name, call in patched:
                setattr(owner, name, call)
        plan = landing_due(session.connection, project, session.run)
        due = [*(reading.place for reading in plan.readings), *stages_due(session.connection, project)]
        return Outcome(calls, _left_by(session.connection, project), due)


def _left_by(connection: Connection, project: Project) -> Tables:
    found: Tables = {}
    for schema, table in table_names(project):
        columns = connection.columns_of(schema, table.name)
        if columns is not None and table not in UNCOMPARED:
            names = [name for name, _ in columns if name not in OF_THE_RUN]
            found[f"{schema}.{table.name}"] = read(connection, schema, table.name, names)
    return found


def _fork_and_wait(project: Project, scenario: Scenario, moment: Moment, said: Path) -> None:
    child = os.fork()
    if child == 0:
        _be_killed(project, scenario, moment, said)
    end = time.monotonic() + SECONDS
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"{scenario.name}: the run hung, to be killed at {moment}")
        time.sleep(0.002)
    if os.waitstatus_to_exitcode(status) > 0:
        raise AssertionError(f"{scenario.name}: the run failed by itself: {said.read_text(encoding='utf-8')}")


def _be_killed(project: Project, scenario: Scenario, moment: Moment, said: Path) -> NoReturn:
    """In the child: run until the moment has come."""
    stage = ""
    begin = Work.__init__

    def begin_work(self: Work, *arguments: Any) -> None:
        nonlocal stage
        begin(self, *arguments)
        stage = self.spec.asset

    calls = 0

    def die_at(_: str, call: str) -> None:
        nonlocal calls
        calls += 1
        if calls != moment.call:
            return
        said.write_text(f"{stage}|{call}", encoding="utf-8")
        if not moment.seconds:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the kernel ends the process, whatever it does
        signal.setitimer(signal.ITIMER_REAL, moment.seconds)

    code = 0
    try:
        Work.__init__ = begin_work  # type: ignore[assignment, method-assign]
        work(project, scenario, die_at)
    except BaseException:  # noqa: BLE001  # a forked test must not go on in the child
        said.write_text(traceback.format_exc(), encoding="utf-8")
        code = 1
    os._exit(code)

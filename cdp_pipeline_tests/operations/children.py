"""The command in children of a process that has imported everything: real processes, which begin at once.

A child can be made to stop before one of its statements: to wait there until it may go on, or to be killed there, as
`kill -9` does. So a test chooses the moment, and no clock does.
"""

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 120
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["cdp_pipeline.cli", "cdp_pipeline.automation.launch", "cdp_pipeline_tests"])


class Moment(NamedTuple):
    """Before the n-th time (from 1) that a statement is run."""

    statement: str
    time: int = 1


class Child:
    """A command that runs.

    Attributes:
        process: its process.
        reached: a file that is there once it has stopped at its moment.
        go: a file that lets it go on.
    """

    def __init__(self, folder: Path, name: str, *words: str, at: Moment | None = None, die: bool = False) -> None:
        """Start it; what it says goes to files of this name in the folder."""
        self._said = folder / f"{name}.out"
        self.reached, self.go = folder / f"{name}.reached", folder / f"{name}.go"
        arguments = (words, self._said, at, None if die else (self.reached, self.go))
        self.process: ForkServerProcess = _SERVER.Process(target=_command, args=arguments)
        self.process.start()

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._said.read_text(encoding="utf-8") if self._said.exists() else ""

    def wait_until_reached(self) -> None:
        """Wait until it has stopped at its moment."""
        until(self.reached.exists, self)

    def wait_until_it_says(self, words: str) -> None:
        """Wait until these words are part of what it said."""
        until(lambda: words in self.said, self)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.join(SECONDS)

    def end(self) -> int:
        """Let it go on to its end; its exit code, or the signal that ended it, negative."""
        self.go.touch()
        self.process.join(SECONDS)
        assert self.process.exitcode is not None, f"it did not end: {self.said}"
        return self.process.exitcode


def until(happened: Any, child: Child) -> None:
    """Wait for something that a child does."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, f"it did not come so far: {child.said}"
        assert child.process.exitcode is None, f"it ended with {child.process.exitcode}: {child.said}"
        time.sleep(0.02)


def _command(words: tuple[str, ...], said: Path, at: Moment | None, wait: tuple[Path, Path] | None) -> None:
    from cdp_pipeline.cli import main
    from cdp_pipeline.events import customer_events

    output = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.modules["great_expectations"] = None  # type: ignore[assignment]
    sys.argv = ["cdp", *words]
    customer_events.GROUP_BYTES = 1  # each day is landed in a transaction of its own
    if at is not None:
        _stop_at(at, wait)
    main()


def _stop_at(at: Moment, wait: tuple[Path, Path] | None) -> None:
    from cdp_pipeline.warehouse.base import Connection

    run = Connection.run
    times = 0

    def stopping(self: Connection, statement: Any, **values: Any) -> int:
        nonlocal times
        times += statement.name == at.statement
        if statement.name == at.statement and times == at.time:
            if wait is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                wait[0].touch()
                while not wait[1].exists():
                    time.sleep(0.02)
        return run(self, statement, **values)

    Connection.run = stopping  # type: ignore[method-assign]

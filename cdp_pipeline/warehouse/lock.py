"""The writer's lock: one run at a time for each warehouse, freed by the kernel when its holder dies.

On DuckDB the lock is `flock` on a file beside the DuckDB file. Its text names the holder, for those who wait; the text
of a dead holder stays until the next one writes its own. On PostgreSQL the session holds it (see `postgres_session`).
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cdp_pipeline.errors import WarehouseBusy

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds the lock: process, run, and since when (UTC)."""

    pid: int
    run: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid}, run {self.run}, since {self.since}"


class WarehouseHeld(WarehouseBusy):
    """Another process holds the writer's lock, and whoever asked does not wait.

    Attributes:
        holder: who holds it, as far as that is known.
    """

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"The warehouse is held by {holder or 'another process'}.")
        self.holder = holder


def not_waiting(holder: Holder | None) -> None:
    """What a claim does that would rather have nothing than wait.

    Raises:
        WarehouseHeld: always.
    """
    raise WarehouseHeld(holder)


@dataclass(frozen=True)
class Claim:
    """Who asks for the warehouse: its shared schema, the job and run, and who is told when there is to wait."""

    schema: str
    job: str
    run: str
    waiting: Callable[[Holder | None], None]


def read_holder(path: Path) -> Holder | None:
    """The holder that the lock's file names, dead or alive; None when it names none."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def writer_lock(path: Path, run: str, waiting: Callable[[Holder | None], None]) -> Iterator[Holder | None]:
    """Holds the lock for the block; yields the holder that died with it, if one did.

    Args:
        path: the lock's file.
        run: the run that asks.
        waiting: told once who holds it, when the lock is not free at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, path, waiting)
        dead = read_holder(path)
        _write(descriptor, json.dumps(asdict(Holder(os.getpid(), run, datetime.now(UTC).isoformat(" ", "seconds")))))
        try:
            yield dead
        finally:
            _write(descriptor, "")
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, waiting: Callable[[Holder | None], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                waiting(read_holder(path))
                told = True
            time.sleep(POLL_SECONDS)
        else:
            return


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)

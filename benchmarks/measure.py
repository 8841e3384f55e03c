"""CPU seconds, wall seconds and peak memory of this process."""

import resource
import time


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._cpu = cpu_seconds()
        self._wall = time.monotonic()

    def read(self) -> tuple[float, float]:
        """CPU seconds and wall seconds since it was made."""
        return cpu_seconds() - self._cpu, time.monotonic() - self._wall

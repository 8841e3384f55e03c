"""A place in memory for files that a test throws away: to make, write and remove them costs less than on a disk."""

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 2 * 2**30  # a container's is 64 MB unless somebody asked for more


def memory() -> Path | None:
    """The place, if the system has one with room for what a run of the suite holds at a time."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM else None

"""Starts commands as a user does: another process, an environment that holds only what it needs."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PASSED_ON = ("PATH", "HOME", "PYTHONPATH", "TZ", "LANG")
BIN = Path(sys.executable).parent
WITHOUT_QUALITY = Path(__file__).parent / "without_quality"


def environment(**more: str) -> dict[str, str]:
    """Return what a process needs of our environment, and `more`; Great Expectations is not installed there.

    Where Python may not leave bytecode beside the sources, it may in one place of ours: compiling Dagster takes longer
    than a small run.
    """
    paths = (str(WITHOUT_QUALITY), os.environ.get("PYTHONPATH", ""))
    more.setdefault("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    if sys.dont_write_bytecode:
        more["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / f"cdp-tests-bytecode-{os.getuid()}")
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | more


def run(*command: str, variables: Mapping[str, str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a program of the virtual environment to its end."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=300,
    )

"""Start the server that holds the code and starts the runs; arguments are those of `dagster code-server start`.

Once it serves, runs whose process went down with the last server are marked as failed: they would count among the runs
at work, of which Dagster allows only so many. Not earlier, because the daemon starts a failed run again at once or not
at all, and has to find this server for it.

When it is told to end, it ends once its runs have. Dagster waits for them for half a minute and then leaves them to
themselves, which in a container kills them.
"""

import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

SECONDS_TO_BE_FOUND = 20  # by the daemon: it looks again every 10 seconds once it has given up


def fail_dead_runs() -> None:
    """Wait until the server serves, then mark the runs as failed whose process is gone."""
    while not _serves(int(os.environ["CDP_CODE_PORT"])):
        time.sleep(1)
    time.sleep(SECONDS_TO_BE_FOUND)
    import dagster as dg

    from cdp_pipeline.automation import resource
    from cdp_pipeline.errors import ProjectErrors
    from cdp_pipeline.validation import load_valid_project

    with suppress(ProjectErrors):  # the server shows a project's mistakes in the UI, and has no runs then
        project = load_valid_project(Path(os.environ["CDP_PROJECT"]))
        with dg.DagsterInstance.get() as instance:
            resource.fail_dead_runs(instance, project.warehouse_name)


def _serves(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Become the code server, with a thread that tidies up."""
    threading.Thread(target=fail_dead_runs, daemon=True).start()
    sys.argv = ["dagster", "code-server", "start", *sys.argv[1:]]
    try:
        runpy.run_module("dagster", run_name="__main__", alter_sys=True)
    except subprocess.TimeoutExpired:
        _wait_for_children()


def _wait_for_children() -> None:
    """The process of the code has been told to end, and does so when its runs have ended."""
    with suppress(ChildProcessError):
        while True:
            os.wait()


if __name__ == "__main__":
    main()

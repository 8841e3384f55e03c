"""Start Dagster's UI on a project, say when it is ready, and leave no process behind.

`dagster dev` is a family of processes: a code server, the webserver, the daemon and the runs that they start. Here the
family has a process group of its own. It is asked to end through its head, which knows the order; whoever is still
there after a while is told to, and then made to. Used by `make ui`, and by the screenshot as a context manager.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from rich.console import Console

HOST = "127.0.0.1"
USUAL_PORT = 3000
WORKSPACE = Path(__file__).resolve().parents[1] / "workspace.yaml"
SECONDS_TO_START = 120
# In turn: the head ends its family in order, then all are told, then all are killed.
SIGNALS_TO_STOP = ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 5))
LOAD_ERRORS = (
    "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {... on PythonError {message}}}}}}"
)

# A proxy of the environment has no business with the loopback.
http = build_opener(ProxyHandler({}))


class ServerError(Exception):
    """The server did not start, or did not end; the message says what is known."""


def free_port(wanted: int = 0) -> int:
    """Return the wanted loopback port if nobody listens there, else any free one."""
    with socket.socket() as probe:
        # Connections that are closing do not count, as they do not for the server itself.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return free_port()
        port: int = probe.getsockname()[1]
        return port


def dagster_home(project: Path) -> Path:
    """Return the folder where the project's runs are kept, made and configured as `cdp run` makes it."""
    home = Path(os.environ.get("DAGSTER_HOME") or project / ".dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        with as_file(files("cdp_pipeline") / "automation" / "dagster.yaml") as packaged:
            shutil.copyfile(packaged, home / "dagster.yaml")
    return home


def start(project: Path, port: int, output: int | None) -> "subprocess.Popen[bytes]":
    """Start the family of processes on a project; `output` is where its log goes, None for our own."""
    # A shell that starts us in the background has SIGINT ignored, and programs hand that down to those they start. A
    # handler of our own is not handed down: the family is back at what is usual.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(port)]
    return subprocess.Popen(
        command,
        cwd=project,
        env=os.environ | {"CDP_PROJECT": str(project), "DAGSTER_HOME": str(dagster_home(project))},
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
    )


def wait_until_ready(server: "subprocess.Popen[bytes]", url: str) -> None:
    """Return once the webserver answers."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        if server.poll() is not None:
            raise ServerError(f"dagster dev ended with code {server.returncode} before it answered at {url}")
        try:
            with http.open(f"{url}/server_info", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise ServerError(f"dagster dev did not answer at {url} within {SECONDS_TO_START} seconds")


def graphql(url: str, query: str) -> dict[str, Any]:
    """Return what the webserver answers to a query."""
    request = Request(f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
    with http.open(request, timeout=60) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
        return data


def load_errors(url: str) -> dict[str, str]:
    """Return what kept a code location from loading, by the location's name."""
    entries = graphql(url, LOAD_ERRORS)["workspaceOrError"]["locationEntries"]
    found = {entry["name"]: (entry["locationOrLoadError"] or {}).get("message") for entry in entries}
    return {name: message for name, message in found.items() if message is not None}


def group_members(group: int) -> list[int]:
    """Return the living processes of a group; where there is no /proc, the group's own number if any lives."""
    if not Path("/proc/self/stat").exists():
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
        return [group]
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # `pid (name, which may hold anything) state ppid pgrp …`
            state, _, its_group, *_ = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state != "Z":
            members.append(int(stat.parent.name))
    return members


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End the whole family, and complain about orphans."""
    group = server.pid
    for number, seconds in SIGNALS_TO_STOP:
        if number != signal.SIGINT:
            with suppress(ProcessLookupError):
                os.killpg(group, number)
        elif server.poll() is None:
            server.send_signal(number)
        else:
            continue  # the head is gone already and asks nobody any more
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if server.poll() is not None and not group_members(group):
                return
            time.sleep(0.1)
    raise ServerError(f"processes of the UI are still there: {group_members(group)}")


class DevServer(NamedTuple):
    """A running UI."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def dev_server(project: Path, port: int, log: Path | None = None) -> Iterator[DevServer]:
    """Run Dagster's UI on a project as long as the context lasts; its own output goes to `log`."""
    if not (project / "project.yaml").exists():
        raise ServerError(f"{project} has no project.yaml")
    output = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    server = start(project.resolve(), port, output)
    url = f"http://{HOST}:{port}"
    try:
        wait_until_ready(server, url)
        yield DevServer(url, server)
    finally:
        stop(server)
        if output is not None:
            os.close(output)


def main() -> int:
    """Serve until somebody presses Ctrl-C or ends this process."""
    parser = argparse.ArgumentParser(description="Start Dagster's UI on a project.")
    parser.add_argument("project", type=Path, help="the project's folder")
    parser.add_argument("--port", type=int, help=f"default: {USUAL_PORT}, or a free one if that is taken")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    # Being told to end is no different from Ctrl-C: the family has to be ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with dev_server(arguments.project, arguments.port or free_port(USUAL_PORT)) as server:
            for name, message in load_errors(server.url).items():
                console.print(f"{name} could not be loaded: {message}", style="red", markup=False)
            ready = f"\nDagster's UI is at {server.url} on {arguments.project}; Ctrl-C ends it.\n"
            console.print(ready, style="bold", markup=False)
            raise ServerError(f"dagster dev ended by itself with code {server.process.wait()}")
    except KeyboardInterrupt:
        return 0
    except ServerError as error:
        console.print(str(error), style="red")
        return 1


if __name__ == "__main__":
    sys.exit(main())

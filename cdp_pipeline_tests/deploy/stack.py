"""The services of `deploy/compose.yaml` as plain processes, for machines without a container engine.

Commands, environment, mounted files and health checks are taken from the compose file as they stand. Only what a
container gives is replaced: names of hosts and fixed ports by loopback and free ports, the container's folders by
folders here. PostgreSQL is the tests' own server, filled by our scripts.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from cdp_pipeline_tests.automation.processes import BIN, environment
from cdp_pipeline_tests.postgres_server import PostgresServer
from scripts.dev_server import HOST, free_port, group_members

DEPLOY = Path(__file__).parents[2] / "deploy"
HOME = "/opt/dagster"
PROJECT = "/project"
SUPERUSER_PASSWORD = "POSTGRES_PASSWORD"
PORTS = {"webserver": "3000", "code": "4000", "postgres": "5432"}
PATIENCE = 90.0
_REFERENCE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")

Service: TypeAlias = dict[str, Any]


class Unset(Exception):
    """A variable that the compose file insists on has no value."""


def compose() -> dict[str, Any]:
    """The compose file, with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def service(name: str) -> Service:
    """A service of the compose file."""
    found: Service = compose()["services"][name]
    return found


def settings(variables: Mapping[str, str]) -> dict[str, str]:
    """An .env file as somebody fills it in: passwords of their own, the given values, nothing optional."""
    text = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(\w+)=", text, re.MULTILINE)
    return {name: variables.get(name) or secrets.token_hex(8) for name in names}


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """A value of the compose file with variables filled in, as compose does it.

    Raises:
        Unset: `${NAME:?…}` has no value.
    """

    def value(reference: re.Match[str]) -> str:
        name, sign, rest = reference.groups()
        if not variables.get(name) and sign == "?":
            raise Unset(f"{name} {rest}")
        return variables.get(name) or (rest if sign == "-" else "")

    return _REFERENCE.sub(value, text)


def mounts(name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What a service mounts: the place in the container, and what lies there."""
    found = {}
    for volume in service(name).get("volumes", []):
        source, place, *_ = interpolate(volume, variables).split(":")
        found[place] = source
    return found


def fill(server: PostgresServer, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Fill a server as PostgreSQL's image does: make its database, then run the mounted scripts there, in order.

    Args:
        server: the server.
        variables: all that the scripts find in their environment.

    Returns:
        The last script that ran: the first one that failed, if any did.
    """
    database = service("postgres")["environment"]["POSTGRES_DB"]
    if not server.execute("select 1 from pg_database where datname = %s", database):
        server.create_database(database)
    places = sorted(place for place in mounts("postgres", {}) if place.startswith("/docker-entrypoint-initdb.d/"))
    scripts = [mounts("postgres", {})[place] for place in places]
    done = run_script(server, scripts[0], database, variables)
    for script in scripts[1:]:
        if done.returncode:
            return done
        done = run_script(server, script, database, variables)
    return done


def run_script(
    server: PostgresServer, script: str, database: str, variables: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run one of our scripts with psql as the superuser."""
    place = f"host={HOST} port={server.port} user=cdp_test dbname={database}"
    return subprocess.run(
        [str(server.binaries / "psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", str(DEPLOY / script), place],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": server.password, **variables},
        capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip


class Stack:
    """PostgreSQL with both databases, and the services started so far.

    Attributes:
        variables: the .env file.
        home: DAGSTER_HOME.
        url: of the webserver.
    """

    def __init__(self, server: PostgresServer, folder: Path, project: Path) -> None:
        """Fills the server's databases; `project` is the project's folder."""
        self.variables = settings({"CDP_PROJECT": str(project), SUPERUSER_PASSWORD: server.password})
        self.home = folder / "home"
        self._project = project
        self._folder = folder
        self._server = server
        self._ports = {"3000": free_port(), "4000": free_port(), "5432": server.port}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"http://{HOST}:{self._ports['3000']}"
        done = fill(server, self.environment("postgres"))
        assert done.returncode == 0, done.stderr

    def environment(self, name: str) -> dict[str, str]:
        """The environment that the compose file gives a service."""
        given = service(name)["environment"]
        return {key: self._here(interpolate(value, self.variables)) for key, value in given.items()}

    def start(self, name: str) -> None:
        """Start a service, unless it runs."""
        if name in self._processes:
            return
        self.home.mkdir(exist_ok=True)
        for place, source in mounts(name, self.variables).items():
            if source.startswith("./"):
                shutil.copyfile(DEPLOY / source, self.home / Path(place).relative_to(HOME))
        shutil.copyfile(DEPLOY / "code_server.py", self.home / "code_server.py")
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(service(name)["command"]), cwd=self.home, env=self._environment(name),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def is_healthy(self, name: str) -> bool:
        """Whether the service's health check passes."""
        return self._check(name).returncode == 0

    def wait_until_healthy(self, name: str) -> None:
        """Wait until the service's health check passes."""
        end = time.monotonic() + PATIENCE
        while not (self._listens(name) and self.is_healthy(name)):
            ended = self._processes[name].poll() if name in self._processes else None
            assert ended is None, f"{name} ended with code {ended}:\n{self.log(name)}"
            assert time.monotonic() < end, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(0.2)

    def log(self, name: str) -> str:
        """What a service said."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def pid(self, name: str) -> int:
        """The process that a service was started as."""
        return self._processes[name].pid

    def stop(self, name: str, *, seconds: float = 60) -> int:
        """End a service as a container is ended: its head is told to, and after a while all that is left is killed.

        Returns:
            The head's exit code.
        """
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self._kill(process)
        return process.wait()

    def kill(self, name: str) -> None:
        """End a service at once, as a crash of its container does."""
        self._kill(self._processes.pop(name))

    def stop_all(self) -> None:
        """End every service, the last one first."""
        for name in reversed(list(self._processes)):
            self.stop(name, seconds=20)

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while group_members(process.pid):
            time.sleep(0.05)

    def _listens(self, name: str) -> bool:
        """Whether somebody takes calls there: soon told, while a check is a process and slows the service's start."""
        port = self._ports.get(PORTS.get(name, ""))
        if port is not None:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
            except OSError:
                return False
        return True

    def _check(self, name: str) -> "subprocess.CompletedProcess[str]":
        test = service(name)["healthcheck"]["test"]
        assert test[0] == "CMD"
        return subprocess.run(
            self._command(test[1:]), cwd=self._folder, env=self._environment(name), capture_output=True, check=False,
            text=True, timeout=60,
        )  # fmt: skip

    def _command(self, command: list[str]) -> list[str]:
        return [self._here(interpolate(part, self.variables)) for part in command]

    def _environment(self, name: str) -> dict[str, str]:
        image = {"PATH": os.pathsep.join([str(BIN), str(self._server.binaries), os.environ["PATH"]])}
        image |= {"DAGSTER_HOME": str(self.home), "PGPORT": str(self._server.port), "PYTHONWARNINGS": "ignore"}
        return environment(**image, **self.environment(name))

    def _here(self, text: str) -> str:
        """A text of the compose file as it has to be outside containers."""
        if text in ("postgres", "code", "0.0.0.0"):
            return HOST
        text = re.sub(rf"^{PROJECT}\b", str(self._project), text.replace("@postgres:", f"@{HOST}:"))
        return re.sub(r"\b(3000|4000|5432)\b", lambda port: str(self._ports[port[0]]), text)

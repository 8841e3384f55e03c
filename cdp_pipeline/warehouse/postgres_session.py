"""One session of a PostgreSQL server: its settings, and the writer's lock that it holds.

The lock is an advisory lock of the session, so the server frees it when the session ends, however it ends. A waiter
asks again and again rather than standing in the server's queue, where a waiting statement would keep old rows alive.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any

import psycopg
import tenacity
from psycopg.types.string import StrDumper, TextLoader
from sqlalchemy import URL, Engine, create_engine, event, make_url, pool
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cdp_pipeline.errors import WarehouseError, WarehouseInterrupted
from cdp_pipeline.warehouse.lock import POLL_SECONDS, Claim, Holder
from cdp_pipeline.warehouse.postgres_errors import translated

OLDEST = 150000  # PostgreSQL 15, which has MERGE
RECONNECT_SECONDS = 120.0
_APPLICATION = "cdp"
_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "intervalstyle": "postgres",
    "search_path": "public",
    "standard_conforming_strings": "on",
    "work_mem": "128MB",  # one sort or hash; a run has one session
    "maintenance_work_mem": "256MB",
    "temp_buffers": "512MB",  # taken as it is needed
    "default_statistics_target": "10",  # of what a run analyses between its statements; the server's own still counts
    "jit": "off",  # it costs seconds of planning and gains nothing here
    "idle_in_transaction_session_timeout": "0",  # files are read while a transaction is open
    "idle_session_timeout": "0",  # the lock would go with the session
    "lock_timeout": "20s",  # whoever has a table open for longer makes the run try again, and not all readers wait
    "client_min_messages": "warning",
}
# Not every server has them; without them it takes longer to notice that a run is gone.
_SETTINGS_WHERE_KNOWN = {
    "client_connection_check_interval": "1s",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_HOLDER = """
select a.pid, a.application_name, coalesce(a.backend_start, now())
from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    and (cast(l.classid as bigint) << 32 | cast(l.objid as bigint)) = %(key)s
"""


def application_name(claim: Claim) -> str:
    """How `pg_stat_activity` names the session; a server keeps 63 bytes of it."""
    return " ".join(filter(None, (_APPLICATION, claim.job[:20], claim.run)))[:63]


def lock_key(claim: Claim) -> int:
    """The number of the writer's advisory lock; a database may hold several warehouses, told apart by their schema."""
    digest = hashlib.sha256(f"cdp_pipeline writer {claim.schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def make_engine(url: str, claim: Claim) -> Engine:
    """SQLAlchemy's engine for a warehouse's address; its pool holds the one connection of a run.

    Raises:
        WarehouseError: it is no address of a database.
    """
    try:
        address: URL = make_url(url).set(drivername="postgresql+psycopg")
        settings: dict[str, Any] = {"application_name": application_name(claim), "connect_timeout": 10}
        settings |= {"prepare_threshold": None, "client_encoding": "UTF8"}
        settings |= {name: value for name, value in _KEEPALIVES.items() if name not in address.query}
        engine = create_engine(
            address, poolclass=pool.QueuePool, pool_size=1, max_overflow=0, connect_args=settings, hide_parameters=True
        )
    except (ArgumentError, ValueError):
        # What they say may hold a part of the password.
        raise WarehouseError("`warehouse` is no address of a PostgreSQL database.") from None
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: object) -> None:
    """Gives a new session our settings."""
    driver: psycopg.Connection[Any] = getattr(connection, "driver_connection", connection)
    driver.autocommit = True
    for name in ("json", "jsonb"):
        driver.adapters.register_loader(name, TextLoader)
    driver.adapters.register_dumper(str, StrDumper)
    version = driver.info.server_version
    if version < OLDEST:
        raise WarehouseError(f"The server is PostgreSQL {version // 10000}; the oldest that will do is 15.")
    if driver.info.parameter_status("server_encoding") != "UTF8":
        raise WarehouseError("The database's encoding is not UTF8. Make one with: createdb --encoding UTF8 NAME.")
    calls = ", ".join(["set_config(%s, %s, false)"] * len(_SETTINGS))
    driver.execute(" ".join(("select", calls)).encode(), [part for pair in _SETTINGS.items() for part in pair])
    for name, value in _SETTINGS_WHERE_KNOWN.items():
        with suppress(psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError):
            driver.execute("select set_config(%s, %s, false)", (name, value))


def open_connection(engine: Engine) -> Any:
    """A connection of the pool.

    Raises:
        WarehouseError: there is none to be had, and waiting will not help.
        WarehouseInterrupted: the server does not answer, or takes nobody in at this moment.
    """
    try:
        return engine.raw_connection()
    except PoolTimeout as error:
        raise WarehouseInterrupted("connect: the pool has no connection to give.") from error
    except DBAPIError as error:
        cause = error.orig
        raise translated(cause, "connect") if isinstance(cause, psycopg.Error) else error from None
    except psycopg.Error as error:
        raise translated(error, "connect") from None


def take_lock(driver: psycopg.Connection[Any], claim: Claim) -> None:
    """Takes the writer's lock for this session; returns when it has it."""
    told = False
    while True:
        row = driver.execute("select pg_try_advisory_lock(%s)", (lock_key(claim),)).fetchone()
        if row is not None and row[0]:
            return
        if not told:
            claim.waiting(holder_of(driver, claim))
            told = True
        time.sleep(POLL_SECONDS)


def holder_of(driver: psycopg.Connection[Any], claim: Claim) -> Holder | None:
    """Who holds the writer's lock; the process is the server's."""
    row = driver.execute(_HOLDER, {"key": lock_key(claim)}).fetchone()
    if row is None:
        return None
    pid, application_name, since = row
    run = str(application_name).removeprefix(f"{_APPLICATION} ")
    return Holder(pid, run, since.astimezone(UTC).isoformat(" ", "seconds"))


def patiently(reach: Callable[[], None]) -> None:
    """Reaches the server, again and again while it restarts.

    Raises:
        WarehouseInterrupted: it did not come back in time.
    """
    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(WarehouseInterrupted),
        wait=tenacity.wait_exponential(multiplier=0.1, max=5),
        stop=tenacity.stop_after_delay(RECONNECT_SECONDS),
        reraise=True,
    )(reach)

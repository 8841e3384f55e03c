"""Which engine an address names: the one place that chooses.

DuckDB is a file beside the project, and its lock another file. PostgreSQL is a session that holds the lock itself. What
only PostgreSQL needs is imported when it is asked for.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.duckdb import DuckDBConnection
from cdp_pipeline.warehouse.lock import Claim, not_waiting, writer_lock

_DUCKDB = "duckdb:///"


def duckdb_path(url: str, folder: Path) -> Path:
    """The file of a DuckDB warehouse; a relative one lies in the project's folder."""
    return (folder / url.removeprefix(_DUCKDB)).resolve()


def lock_path(url: str, folder: Path) -> Path:
    """The file of a DuckDB warehouse's writer's lock, beside the warehouse."""
    path = duckdb_path(url, folder)
    return path.with_name(path.name + ".lock")


def is_shared(url: str) -> bool:
    """Whether the warehouse can be read at any moment; if not, one process at a time may have it open."""
    return not url.startswith(_DUCKDB)


@contextmanager
def hold_warehouse(url: str, folder: Path, claim: Claim) -> Iterator[Connection]:
    """Takes the writer's lock, however long that takes, and opens the warehouse for the block.

    Args:
        url: the project's `warehouse`.
        folder: the project's folder.
        claim: who asks.

    Raises:
        WarehouseBusy: a process that does not know the lock has the file open.
        WarehouseError: there is no such warehouse, or it cannot be opened.
    """
    if url.startswith(_DUCKDB):
        with (
            writer_lock(lock_path(url, folder), claim.run, claim.waiting),
            closing(DuckDBConnection(duckdb_path(url, folder))) as connection,
        ):
            yield connection
    else:
        with closing(open_postgres(url, claim)) as connection:
            yield connection


@contextmanager
def read_warehouse(url: str, folder: Path, claim: Claim) -> Iterator[Connection]:
    """Opens the warehouse for the block, to read; a DuckDB file cannot be read while another process has it open.

    Raises:
        WarehouseBusy: a process that does not know the lock has the file open.
        WarehouseError: there is no such warehouse, or it cannot be opened.
    """
    if url.startswith(_DUCKDB):
        with hold_warehouse(url, folder, claim) as connection:
            yield connection
    else:
        with closing(open_postgres(url, claim, writer=False)) as connection:
            yield connection


@contextmanager
def peek_into_warehouse(url: str, folder: Path, schema: str, reader: str) -> Iterator[Connection | None]:
    """Opens the warehouse for the block, to read, if it is there and nobody has to be waited for; else gives None.

    Args:
        url: the project's `warehouse`.
        folder: the project's folder.
        schema: the project's shared schema.
        reader: who asks, as others see it.
    """
    with ExitStack() as stack:
        connection = None
        if not url.startswith(_DUCKDB) or duckdb_path(url, folder).exists():
            with suppress(WarehouseError):
                claim = Claim(schema, "", reader, not_waiting)
                connection = stack.enter_context(read_warehouse(url, folder, claim))
        yield connection


def open_postgres(url: str, claim: Claim, *, writer: bool = True) -> Connection:
    """Connects to PostgreSQL, and takes the writer's lock unless the session only reads.

    Raises:
        WarehouseError: there is no such warehouse, or what PostgreSQL needs is not installed.
    """
    try:
        from cdp_pipeline.warehouse.postgres import PostgresConnection
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"A warehouse on PostgreSQL needs the package {error.name}. Install it with: pip install "
            "'cdp-pipeline[postgres]'"
        ) from error
    return PostgresConnection(url, claim, writer=writer)

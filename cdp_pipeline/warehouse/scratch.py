"""A warehouse that holds nothing and is gone at the end: where expressions are asked for their types, and tests run.

It is an engine in process, so that a project can be checked without opening, or having, its own warehouse.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.duckdb import DuckDBConnection


@contextmanager
def scratch_connection(file: Path = Path(":memory:")) -> Iterator[Connection]:
    """A connection to an empty warehouse in memory, or in a new file."""
    connection = DuckDBConnection(file)
    try:
        yield connection
    finally:
        connection.close()

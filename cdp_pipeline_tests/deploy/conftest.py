"""A PostgreSQL server for the tests of a file."""

from collections.abc import Iterator

import pytest

from cdp_pipeline_tests.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server with nothing in it; it logs every statement that it may."""
    made = PostgresServer("log_statement=all")
    yield made
    made.discard()

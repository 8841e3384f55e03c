"""A statement that takes too long is stopped, and what comes after it is not, on each engine."""

import time
from collections.abc import Iterator

import pytest

from cdp_pipeline.errors import StatementStopped
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import Engine

SERIES = "(select unnest(cdp_series(1, 200000)) as x)"


LONG = statement(
    "long", " ".join(("select sum(a.x % (b.x + 1)) from", SERIES, "as a cross join", SERIES, "as b where a.x > b.x"))
)
SHORT = statement("short", "select 1")


@pytest.fixture
def connection(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    opened = engine.open(tmp_path_factory.mktemp("bounded"))
    yield opened
    opened.close()


def test_a_statement_that_takes_too_long_is_stopped(connection: Connection) -> None:
    before = time.monotonic()
    with connection.bounded(60):
        stopped = pytest.raises(StatementStopped, match=r"^long: stopped, because it took longer than 0\.5 seconds")
        with stopped, connection.bounded(0.5):
            connection.fetch(LONG)
        assert connection.fetch(SHORT) == [(1,)]
    with pytest.raises(StatementStopped), connection.transaction(), connection.bounded(0.5):
        connection.fetch(LONG)
    assert time.monotonic() - before < 30
    with connection.transaction():
        with connection.bounded(0.5):
            assert connection.fetch(SHORT) == [(1,)]
        time.sleep(0.6)
        assert connection.fetch(SHORT) == [(1,)]

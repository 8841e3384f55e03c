"""A rehearsal: several transactions of which nothing stays, on each engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.tables import ENTITY_MAP
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.engines import Engine


@pytest.fixture
def connection(engine: Engine, tmp_path: Path) -> Iterator[Connection]:
    """Open a warehouse with one row."""
    opened = engine.open(tmp_path)
    try:
        opened.set_up("one", "cdp", ["customer"])
        write(opened, 1)
        yield opened
    finally:
        opened.close()


def write(connection: Connection, number: int) -> None:
    with connection.transaction():
        connection.run(statement("write", "insert into cdp.sequence (number) values (:number)"), number=number)


def numbers(connection: Connection) -> list[Any]:
    rows = connection.fetch(statement("read", "select s.number from cdp.sequence as s order by s.number"))
    return [number for (number,) in rows]


def test_what_it_writes_can_be_read_in_it_and_is_gone_after_it(connection: Connection) -> None:
    with connection.rehearsal():
        write(connection, 2)
        write(connection, 3)
        assert numbers(connection) == [1, 2, 3]
    assert numbers(connection) == [1]
    write(connection, 4)
    assert numbers(connection) == [1, 4]


def test_tables_columns_and_schemas_are_gone_too(connection: Connection) -> None:
    connection.run(statement("drop", "alter table customer.entity_map drop column recorded_from"))
    with connection.rehearsal():
        connection.set_up("one", "cdp", ["customer", "account"])
        assert len(connection.columns_of("customer", "entity_map") or ()) == len(ENTITY_MAP.columns)
        with connection.transaction():
            connection.run(statement("fill", "insert into customer.entity_map (recorded_from) values (:now)"), now=None)
            connection.run(statement("fill", "insert into account.entity_map (recorded_from) values (:now)"), now=None)
            connection.run(statement("make", "create temporary table kept as select 1 as one"))
    assert not connection.has_schema("account")
    assert len(connection.columns_of("customer", "entity_map") or ()) == len(ENTITY_MAP.columns) - 1
    assert connection.fetch(statement("count", "select count(*) from customer.entity_map")) == [(0,)]
    with pytest.raises(WarehouseError):
        connection.fetch(statement("kept", "select k.one from kept as k"))


@pytest.mark.parametrize("failing", ["select 1 / s.number from cdp.sequence as s where s.nothing", None])
def test_an_error_ends_it_and_nothing_that_is_done_after_it_stays(connection: Connection, failing: str | None) -> None:
    def fail() -> None:
        with connection.transaction():
            write_within(connection, 2)
            if failing is not None:
                connection.fetch(statement("fail", failing))
            raise WarehouseError("it cannot be")

    def rehearse() -> None:
        with connection.rehearsal():
            write(connection, 5)
            try:
                fail()
            except WarehouseError:
                assert numbers(connection) == [1], "who explains the error reads what is published"
                write(connection, 3)
                raise

    with pytest.raises(WarehouseError):
        rehearse()
    assert numbers(connection) == [1]
    write(connection, 4)
    assert numbers(connection) == [1, 4]


def write_within(connection: Connection, number: int) -> None:
    connection.run(statement("write", "insert into cdp.sequence (number) values (:number)"), number=number)


def test_an_error_between_its_transactions_ends_it(connection: Connection) -> None:
    def rehearse() -> None:
        with connection.rehearsal():
            write(connection, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse()
    assert numbers(connection) == [1]
    write(connection, 4)
    assert numbers(connection) == [1, 4]

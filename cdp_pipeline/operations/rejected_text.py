"""Rejected rows in whose text an erased value stands: they lose their content, and are kept out by their text."""

import re
from typing import NamedTuple

import pyarrow as pa

from cdp_pipeline.events.tombstones import Keys
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Work

SQL = Statements(__package__, "erase.sql")
SHORTEST = 4  # a value of fewer characters, such as 42, stands in many rows by chance


class SayingRow(NamedTuple):
    """A rejected row, by its place, and its text."""

    landed_from: str
    place: str
    place_row: int
    raw: str


def rows_that_say(work: Work, values: list[str]) -> list[SayingRow]:
    """The rejected rows, apart from those of erased events, in which a value stands by itself, in whatever case."""
    looked_for = [value for value in values if len(value) >= SHORTEST]
    if not looked_for:
        return []
    work.connection.load("erased_values", pa.table({"value": pa.array(looked_for, pa.string())}))
    found = work.fetch(SQL["rows_that_say"])
    work.connection.unload("erased_values")
    return sorted({SayingRow(*row[:4]) for row in found if is_word(row[4], row[3])})


def erase_rows(work: Work, rows: list[SayingRow], keys: Keys) -> None:
    """Erases rejected rows, and keeps them out by their text."""
    if not rows:
        return
    types = (pa.string(), pa.string(), pa.int64(), pa.string())
    columns = [pa.array(column, type_) for column, type_ in zip(zip(*rows, strict=True), types, strict=True)]
    work.connection.load("erased_rows", pa.table(dict(zip(SayingRow._fields, columns, strict=True))))
    work.run(SQL["erase_rows"])
    work.run(SQL["add_row_tombstones"], **keys)
    work.connection.unload("erased_rows")


def is_word(value: str, text: str) -> bool:
    """Whether a value stands in a text by itself, in whatever case."""
    return re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", text, re.IGNORECASE) is not None

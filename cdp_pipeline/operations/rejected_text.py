"""Rejected rows in whose text an erased value stands: they lose their content, and are kept out by their text."""

import re

import pyarrow as pa

from cdp_pipeline.events.tombstones import Keys
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Work

SQL = Statements(__package__, "erase.sql")
SHORTEST = 4  # a value of fewer characters, such as 42, stands in many rows by chance


def erase_rejected_text(work: Work, values: list[str], keys: Keys) -> int:
    """Erases rejected rows whose text holds one of the values as a word of its own, in whatever case.

    Returns:
        How many.
    """
    looked_for = [value for value in values if len(value) >= SHORTEST]
    if not looked_for:
        return 0
    work.connection.load("erased_values", pa.table({"value": pa.array(looked_for, pa.string())}))
    rows = [row for row in work.fetch(SQL["rows_that_say"]) if is_word(row[5], row[4])]
    work.connection.unload("erased_values")
    if not rows:
        return 0
    columns = {
        "landed_from": pa.array([row[0] for row in rows], pa.string()),
        "place": pa.array([row[1] for row in rows], pa.string()),
        "place_row": pa.array([row[2] for row in rows], pa.int64()),
        "raw": pa.array([row[4] for row in rows], pa.string()),
    }
    work.connection.load("erased_rows", pa.table(columns))
    erased = work.run(SQL["erase_rows"])
    work.run(SQL["add_row_tombstones"], **keys)
    work.connection.unload("erased_rows")
    return erased


def is_word(value: str, text: str) -> bool:
    """Whether a value stands in a text by itself, in whatever case."""
    return re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", text, re.IGNORECASE) is not None

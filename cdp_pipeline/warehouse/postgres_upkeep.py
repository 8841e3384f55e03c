"""What PostgreSQL is told of the tables that a run fills: their statistics before they are read, their indexes at last.

The planner knows nothing of a table that was just filled, and the server's autovacuum looks at one only between
transactions. So what a statement wrote is analysed before the next one reads it, if it is much. Indexes are made at the
end of the transaction that brings a table its first rows: that is faster than to keep them up meanwhile.
"""

import re
from collections.abc import Callable
from typing import Any

import psycopg

from cdp_pipeline import tables

Execute = Callable[[str, dict[str, Any]], psycopg.Cursor[Any]]

_MANY_ROWS = 1_000
_SHARE = 0.2  # of a table that is written before it is analysed again
_WRITES = re.compile(r'(?:INSERT INTO|CREATE TEMPORARY TABLE|UPDATE|MERGE INTO) ((?:"?\w+"?\.)?"?\w+"?)')
_DROPS = re.compile(r"DROP TABLE IF EXISTS (?:pg_temp\.)?(\w+)")
_INDEXES = {
    table.name: (*(f"({columns})" for columns in table.indexes), *(f"USING brin ({c})" for c in table.rising))
    for table in (*tables.SHARED, *tables.OF_A_KIND, tables.PROFILES)
}
_INDEXED = "SELECT 1 FROM pg_index WHERE indrelid = to_regclass(%(table)s) LIMIT 1"
_ROWS = "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(%(table)s)"
# All columns but JSON, by which nothing is found, and which is long.
_ANALYSED = """
SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
    AND atttypid NOT IN ('jsonb'::regtype, 'jsonb[]'::regtype)
"""


class Upkeep:
    """The statistics and indexes of what one session writes; a name without a schema is a temporary table."""

    def __init__(self, execute: Execute) -> None:
        """Takes what runs a statement."""
        self._execute = execute
        self._unknown: dict[str, int] = {}
        self._filled: set[str] = set()

    def forget(self) -> None:
        """What was written is gone."""
        self._unknown.clear()
        self._filled.clear()

    def before(self, text: str) -> None:
        """Analyses what a statement is going to read, where much of it was written since that was done last."""
        drops = _DROPS.match(text)
        if drops is not None:
            self._unknown.pop(drops[1], None)
            return
        written = _WRITES.match(text)
        for table, rows in list(self._unknown.items()):
            if table not in text or rows < _least(table):  # soon told, of nearly every table
                continue
            mentions = len(re.findall(rf'(?<![\w."]){re.escape(table)}(?![\w"])', text))
            reads = mentions - (written is not None and written[1] == table)
            if reads > 0 and rows >= self._enough(table):
                columns = self._execute(_ANALYSED, {"table": table}).fetchall()[0][0]
                self._execute(f"ANALYZE {table}" + (f" ({columns})" if columns else ""), {})
                del self._unknown[table]

    def _enough(self, table: str) -> float:
        """How many rows must have been written to a table for its statistics to be worth the time."""
        if _is_temporary(table):
            return _least(table)
        known = self._execute(_ROWS, {"table": table}).fetchall()
        return max(_least(table), _SHARE * float(known[0][0]) if known else 0)

    def after(self, text: str, rows: int) -> None:
        """Notes what a statement wrote."""
        written = _WRITES.match(text) if rows > 0 else None
        if written is not None:
            self.wrote(written[1], rows)

    def wrote(self, table: str, rows: int) -> None:
        """Notes that rows were written to a table."""
        self._unknown[table] = self._unknown.get(table, 0) + rows
        self._filled.add(table)

    def before_commit(self) -> None:
        """Makes the indexes of tables that have got their first rows."""
        for name in self._filled:
            schema, _, table = name.rpartition(".")
            indexes = _INDEXES.get(table.strip('"'), ())
            if schema and indexes and not self._execute(_INDEXED, {"table": name}).fetchall():
                for of_columns in indexes:
                    self._execute(f"CREATE INDEX ON {name} {of_columns}", {})
        self._filled.clear()


def _is_temporary(table: str) -> bool:
    return "." not in table


def _least(table: str) -> int:
    """How many rows are too few to ask the server how many there were before."""
    return 1 if _is_temporary(table) else _MANY_ROWS

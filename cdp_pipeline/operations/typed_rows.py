"""Profiles as typed rows, the same on every engine, read in slices so that memory is bounded.

A slice is a range of the entity's id, which is a hash, so that slices are about equal; rows come in the order of the
ids. Ids and JSON are texts, a JSON text in the one form of `canonical`: keys sorted, no blanks, numbers written out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.tables import PROFILES
from cdp_pipeline.warehouse.base import Connection

ROWS_PER_SLICE = 20_000
WRITTEN_OUT = 400  # digits: a JSON number of more is left as it is written
_IDS = 1 << 128
_ARROW: dict[str, pa.DataType] = {
    "whole": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "time": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),
    "jsonb": pa.string(),
}


@dataclass(frozen=True)
class TypedColumn:
    """A column: its name, the family of its type (whole, exact, double, text, time …) and its Arrow type."""

    name: str
    family: str
    type: pa.DataType

    def read(self, table: str) -> exp.Expr:
        """The column of a table as it is read; ids and JSON as text."""
        column = exp.column(self.name, table=table, quoted=True)
        return exp.cast(column, "text") if self.family in ("uuid", "jsonb") else column

    def of(self, found: pa.ChunkedArray) -> pa.ChunkedArray:
        """What an engine gave for the column, in the column's type."""
        if found.null_count == len(found):
            return pa.chunked_array([pa.nulls(len(found), self.type)])
        if self.family != "jsonb":
            return found.cast(self.type)
        return pa.chunked_array([[None if text is None else canonical(text) for text in found.to_pylist()]], self.type)


def typed(name: str, type_: exp.DataType) -> TypedColumn:
    """A column of an SQL type that an attribute can have."""
    family = family_of(type_)
    assert family is not None, f"{name} has the type {type_.sql('postgres')}"
    if family == "exact":
        digits, scale = (int(number.name) for number in type_.expressions)
        return TypedColumn(name, family, pa.decimal128(digits, scale))
    return TypedColumn(name, family, _ARROW[family])


def profile_columns(connection: Connection, project: Project, kind: str) -> list[TypedColumn]:
    """The columns of a kind's profiles.

    Raises:
        WarehouseError: no run has calculated profiles yet.
    """
    schema = project.entities[kind].schema_name
    there = connection.columns_of(schema, PROFILES.name)
    if there is None:
        raise WarehouseError(f"The warehouse has no {schema}.{PROFILES.name} yet. Run `cdp run` first.")
    dialect = connection.dialect
    return [typed(name, exp.DataType.build(type_name, dialect=dialect, udt=True)) for name, type_name in there]


def read_slices(
    connection: Connection, name: str, query: exp.Select, columns: Sequence[TypedColumn], key: exp.Column, **values: Any
) -> Iterator[pa.Table]:
    """The rows of a query in slices of about 20,000, in the order of a key that is a hash.

    Args:
        connection: the warehouse, in a transaction, so that all slices are of one moment.
        name: the statement's name.
        query: gives the columns in their order, as they read themselves.
        columns: what they are.
        key: the column by which it is cut.
        values: of the query's `:names`.
    """
    counted = exp.select("count(*)").from_(query.subquery("q"))
    rows = int(connection.fetch(from_tree(f"{name}.count", counted), **values)[0][0])
    low, high = (exp.cast(exp.Placeholder(this=end), "uuid") for end in ("low", "high"))
    cut = connection.prepare(from_tree(name, query.where(key.copy().between(low, high)).order_by(key.copy())))
    slices = -(-rows // ROWS_PER_SLICE)
    for number in range(slices):
        ends = (number * _IDS // slices, (number + 1) * _IDS // slices - 1)
        between = {end: str(UUID(int=value)) for end, value in zip(("low", "high"), ends, strict=True)}
        found = connection.fetch_arrow_text(cut, values | between, name)
        arrays = [column.of(array) for column, array in zip(columns, found.columns, strict=True)]
        yield pa.table(arrays, schema=schema_of(columns))


def schema_of(columns: Sequence[TypedColumn]) -> pa.Schema:
    """The Arrow schema of some columns."""
    return pa.schema([(column.name, column.type) for column in columns])


def texts_of(column: TypedColumn, values: pa.ChunkedArray) -> list[str | None]:
    """The values as text: times in ISO 8601, numbers without zeros at their end, JSON as it is."""
    return [None if value is None else _text(column.family, value) for value in values.to_pylist()]


def json_of(column: TypedColumn, values: pa.ChunkedArray) -> list[str]:
    """The values as JSON; a double that no JSON number can be is a text, such as "NaN"."""
    texts = texts_of(column, values)
    if column.family in ("whole", "exact", "boolean", "jsonb"):
        return [text or "null" for text in texts]
    bare = column.family == "double"
    return ["null" if text is None else text if bare and text[-1].isdigit() else quoted(text) for text in texts]


def quoted(text: str) -> str:
    """A text as JSON."""
    return json.dumps(text, ensure_ascii=False)


def _text(family: str, value: Any) -> str:
    match family:
        case "exact":
            return _plain(value)
        case "double":
            named = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
            return named.get(str(value), repr(value).removesuffix(".0"))
        case "boolean":
            return "true" if value else "false"
        case "date" | "timestamp" | "time":
            return str(value.isoformat())
        case _:
            return str(value)


def _plain(number: Decimal) -> str:
    if not number:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def canonical(text: str) -> str:
    """A JSON text in one form, whichever engine kept it: keys sorted, no blanks, numbers written out."""
    return _canonical(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return _plain(value) if abs(value.adjusted()) < WRITTEN_OUT else str(value)
    return json.dumps(value, ensure_ascii=False)

"""Arrow tables into PostgreSQL: typed temporary tables, filled by COPY from CSV that Arrow writes.

What PostgreSQL has no type for, and lists and structures, become jsonb, as they would in a payload.
"""

import io
import json
import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_TYPES: tuple[tuple[Any, str], ...] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "smallint"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_uint8, "smallint"),
    (pa.types.is_uint16, "integer"),
    (pa.types.is_uint32, "bigint"),
    (pa.types.is_uint64, "numeric(20,0)"),
    (pa.types.is_float32, "real"),
    (pa.types.is_float64, "double precision"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
)


def postgres_type(type_: pa.DataType) -> str:
    """The PostgreSQL type that a column of an Arrow type gets."""
    if pa.types.is_dictionary(type_):
        return postgres_type(type_.value_type)
    if pa.types.is_timestamp(type_):
        return "timestamp" if type_.tz is None else "timestamptz"
    if pa.types.is_decimal(type_):
        return f"numeric({type_.precision},{type_.scale})" if type_.scale >= 0 else "numeric"
    if pa.types.is_nested(type_):
        return "jsonb"
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return "bytea"
    return next((name for is_type, name in _TYPES if is_type(type_)), 'text collate "C"')


def as_csv(rows: pa.Table) -> memoryview:
    """The rows as CSV without a header: NULL is nothing at all, and every value stands in quotes."""
    columns = [_writable(column) for column in rows.columns]
    sink = io.BytesIO()
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    csv.write_csv(pa.table(columns, names=[f"c{n}" for n in range(len(columns))]), sink, options)
    return sink.getbuffer()


def _writable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return _writable(column.cast(type_.value_type))
    if pa.types.is_timestamp(type_) and type_.unit == "ns":
        return pc.floor_temporal(column, unit="microsecond").cast(pa.timestamp("us", type_.tz), safe=False)
    if pa.types.is_time64(type_) and type_.unit == "ns":
        return column.cast(pa.time64("us"), safe=False)
    if pa.types.is_nested(type_):
        return pa.chunked_array([_texts(column, lambda value: _json(value, type_))], type=pa.string())
    if postgres_type(type_) == "bytea":
        return pa.chunked_array([_texts(column, lambda value: f"\\x{value.hex()}")], type=pa.string())
    if pa.types.is_decimal(type_) or pa.types.is_duration(type_):
        return pa.chunked_array([_texts(column, str)], type=pa.string())
    return column


def _texts(column: pa.ChunkedArray, text: Any) -> pa.Array:
    return pa.array([None if value is None else text(value) for value in column.to_pylist()], pa.string())


def _json(value: Any, type_: pa.DataType) -> str:
    text = json.dumps(_in_json(value, type_), ensure_ascii=False)
    # jsonb has no NUL. A row that holds one has been found broken; it only has to be readable.
    return json.dumps(_without_nul(json.loads(text)), ensure_ascii=False) if "\\u0000" in text else text


def _in_json(value: Any, type_: pa.DataType) -> Any:
    """A value of an Arrow type as JSON has it; what is no JSON number is a text."""
    if value is None:
        return None
    if pa.types.is_struct(type_):
        return {field.name: _in_json(value[field.name], field.type) for field in type_}
    if pa.types.is_map(type_):
        return {str(key): _in_json(item, type_.item_type) for key, item in value}
    if pa.types.is_nested(type_):
        return [_in_json(item, type_.value_type) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return value if isinstance(value, bool | int | str) else str(value)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value

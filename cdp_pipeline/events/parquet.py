"""Parquet files: their columns in types that every engine reads."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cdp_pipeline.errors import InputError

ROWS_PER_BATCH = 250_000
MOST_COLUMNS = 1_500
LONGEST_NAME = 63
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
NUL = "invalid: holds \\u0000"


def refuse_names(path: Path, names: Sequence[str]) -> None:
    """Refuses columns that would be taken for others.

    Raises:
        InputError: two names are equal but for their case, which engines do not tell apart, or one is of our own.
    """
    folded = [name.lower() for name in names]
    twice = next((name for name in names if folded.count(name.lower()) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: its header names `{twice}` twice (upper and lower case are the same here).")
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path}: it has {len(names):,} columns, and no more than {MOST_COLUMNS:,} can be read.")
    kept = next((name for name in names if name.lower() in SYSTEM_COLUMNS), None)
    if kept is not None:
        raise InputError(f"{path}: its column `{kept}` has a name that PostgreSQL keeps for itself. Rename it.")
    if len({name.lower().encode()[:LONGEST_NAME] for name in names}) < len(names):
        raise InputError(f"{path}: two of its columns are equal in their first {LONGEST_NAME} bytes. Rename one.")
    own = next((name for name in names if name.lower().startswith("cdp_")), None)
    if own is not None:
        raise InputError(f"{path}: its column `{own}` has a name that is kept for the pipeline (cdp_…). Rename it.")


def parquet_columns(path: Path, compression: str | None) -> pa.Table:
    """The columns of a Parquet file, compressed as a whole or not, in the types in which they are read; without rows.

    Raises:
        InputError: a column has a type that no warehouse reads.
    """
    with pa.input_stream(path, compression=compression) as stream:
        empty = pq.read_schema(pa.BufferReader(stream.read())).empty_table()
    columns = {}
    for name, column in zip(empty.schema.names, empty.columns, strict=True):
        _check_type(path, name, column.type)
        columns[name] = _readable(column.combine_chunks(), {})
    return pa.table(columns)


def read_parquet(stream: pa.NativeFile, path: Path) -> Iterator[pa.Table]:
    """The file's own columns and types, but for what no engine knows; a text that holds a NUL makes its row broken."""
    source = stream if stream.seekable() else pa.BufferReader(stream.read())
    first = 1
    file = pq.ParquetFile(source)
    refuse_names(path, file.schema_arrow.names)
    for field in file.schema_arrow:
        _check_type(path, field.name, field.type)
    for batch in file.iter_batches(ROWS_PER_BATCH):
        problems: dict[int, str] = {}
        columns = {
            name: _readable(column, problems) for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
        first += batch.num_rows
        yield pa.table(
            {
                "cdp_place_row": numbers,
                "cdp_read_problem": pa.array([problems.get(row) for row in range(batch.num_rows)], pa.string())
                if problems
                else pa.nulls(batch.num_rows, pa.string()),
                "cdp_broken": pa.nulls(batch.num_rows, pa.string()),
            }
            | columns
        )


def _check_type(path: Path, name: str, type_: pa.DataType) -> None:
    """Refuses what no engine reads and we cannot cast: a wide decimal within a list or a structure."""
    for inner in (type_.field(place) for place in range(type_.num_fields)):
        if pa.types.is_decimal256(inner.type):
            raise InputError(
                f"{path}: the column `{name}` holds {inner.type}, which no warehouse reads. Write numbers of at most "
                "38 digits, or texts."
            )
        _check_type(path, name, inner.type)


def _readable(column: pa.Array, problems: dict[int, str]) -> pa.Array:
    column = _of_plain_type(column)
    if pa.types.is_floating(column.type):
        return column.cast(pa.float64())
    if pa.types.is_decimal256(column.type):
        return column.cast(pa.string())
    if pa.types.is_nested(column.type):
        if _holds_nul(column):
            problems.update((row, NUL) for row, value in enumerate(column.to_pylist()) if "\\x00" in repr(value))
        return column
    values = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(values) or pa.types.is_large_string(values)):
        return column
    if pa.types.is_dictionary(column.type):
        if not pc.any(pc.match_substring(column.dictionary, "\x00")).as_py():
            return column
        column = column.dictionary_decode()
    for row in pc.indices_nonzero(pc.match_substring(column, "\x00")).to_pylist():
        problems[row] = NUL
    return pc.replace_substring(column, "\x00", "\ufffd") if problems else column


def _of_plain_type(column: pa.Array) -> pa.Array:
    """The column in a type that engines know: Arrow keeps some values in types of its own."""
    if isinstance(column.type, pa.BaseExtensionType):
        if isinstance(column.type, pa.UuidType):
            return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        column = column.storage
    if pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column.cast(pa.binary()) if pa.types.is_binary_view(column.type) else column


def _holds_nul(column: pa.Array) -> bool:
    """Whether a text within lists and structures may hold a NUL."""
    type_ = column.type
    if pa.types.is_struct(type_):
        return any(_holds_nul(column.field(place)) for place in range(type_.num_fields))
    if pa.types.is_map(type_):
        return _holds_nul(column.keys) or _holds_nul(column.items)
    if pa.types.is_nested(type_):
        return _holds_nul(column.flatten())
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return bool(pc.any(pc.match_substring(column, "\x00")).as_py())
    return pa.types.is_dictionary(type_) and _holds_nul(column.dictionary)

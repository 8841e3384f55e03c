"""The profiles of a kind as a file: Parquet, CSV or JSON lines.

A file is written beside its place and put there when it is whole, so that nobody ever reads half of one. It holds what
the profiles hold, personal data included: whoever exports decides where that may lie. In CSV every value stands in
quotes and NULL is nothing at all; a JSON value is its text there, and a value within a line of JSON.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from os import getpid
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv
from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError, UsageError
from cdp_pipeline.operations.typed_rows import (
    TypedColumn,
    json_of,
    profile_columns,
    quoted,
    read_slices,
    schema_of,
    texts_of,
)
from cdp_pipeline.tables import PROFILES
from cdp_pipeline.warehouse.base import Connection

DEFAULT_PLACE = Path("-")  # a file of a sensible name in the current folder


class Format(Enum):
    """What an export is written as; `json` is one JSON object a line."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"

    @property
    def suffix(self) -> str:
        """The end of a file's name."""
        return "ndjson" if self is Format.JSON else self.value


@dataclass(frozen=True)
class Exported:
    """What was written: how many rows, and where."""

    kind: str
    rows: int
    file: Path
    format: str


def read_format(text: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return Format(text)
    except ValueError as error:
        raise UsageError(f"`{text}` is no format. There is: {', '.join(each.value for each in Format)}.") from error


def kind_of(project: Project, asked: str | None) -> str:
    """The kind of entity that was asked for; it may be left out where there is only one.

    Raises:
        UsageError: there is no such kind, or there are several and none was named.
    """
    kinds = list(project.entities)
    if asked is None and len(kinds) == 1:
        return kinds[0]
    if asked is None:
        raise UsageError(f"Name a kind of entity. There is: {', '.join(kinds) or 'none'}.")
    if asked not in kinds:
        raise UsageError(f"There is no kind of entity `{asked}`. There is: {', '.join(kinds) or 'none'}.")
    return asked


def export_profiles(
    connection: Connection, project: Project, kind: str, to: Format, place: Path = DEFAULT_PLACE
) -> Exported:
    """Writes the profiles of a kind into a file, in the order of their ids.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        to: what to write.
        place: the file; `-`: `<kind>_profiles.<format>` in the current folder.

    Raises:
        WarehouseError: no run has calculated profiles yet.
        CdpError: the file cannot be written.
    """
    file = place_of(place, f"{kind}_profiles", to)
    with connection.transaction(), written_beside(file) as sink:
        columns = profile_columns(connection, project, kind)
        table = exp.table_(PROFILES.name, project.entities[kind].schema_name, quoted=True)
        query = exp.select(*(column.read("p") for column in columns)).from_(exp.alias_(table, "p", table=True))
        key = exp.column("entity_id", table="p")
        slices = read_slices(connection, "export.profiles", query, columns, key)
        rows = _WRITERS[to](sink, columns, slices)
    return Exported(kind, rows, file, to.value)


def place_of(place: Path, name: str, to: Format) -> Path:
    """The file that was asked for, or one of a sensible name in the current folder."""
    return (Path(f"{name}.{to.suffix}") if place == DEFAULT_PLACE else place).absolute()


@contextmanager
def written_beside(file: Path) -> Iterator[IO[bytes]]:
    """A file to write, put in its place when the block has ended well.

    Raises:
        CdpError: it cannot be written there.
    """
    part = file.with_name(f".{file.name}.{getpid()}.part")
    try:
        with part.open("wb") as sink:
            yield sink
        part.replace(file)
    except OSError as error:
        raise CdpError(f"{file} cannot be written: {error.strerror}. Name another file with --output.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _write_parquet(sink: IO[bytes], columns: Sequence[TypedColumn], slices: Iterable[pa.Table]) -> int:
    rows = 0
    with pq.ParquetWriter(sink, schema_of(columns), compression="zstd") as writer:
        for piece in slices:
            writer.write_table(piece)
            rows += piece.num_rows
    return rows


def _write_csv(sink: IO[bytes], columns: Sequence[TypedColumn], slices: Iterable[pa.Table]) -> int:
    rows = 0
    schema = pa.schema([(column.name, pa.string()) for column in columns])
    with csv.CSVWriter(sink, schema, write_options=csv.WriteOptions(quoting_style="all_valid")) as writer:
        for piece in slices:
            texts = [texts_of(*pair) for pair in zip(columns, piece.columns, strict=True)]
            writer.write_table(pa.table([pa.array(each, pa.string()) for each in texts], schema=schema))
            rows += piece.num_rows
    return rows


def _write_json(sink: IO[bytes], columns: Sequence[TypedColumn], slices: Iterable[pa.Table]) -> int:
    rows = 0
    for piece in slices:
        sink.writelines(f"{line}\n".encode() for line in json_lines(columns, piece))
        rows += piece.num_rows
    return rows


def json_lines(columns: Sequence[TypedColumn], rows: pa.Table, *, without_nulls: bool = False) -> Iterator[str]:
    """Each row as a JSON object."""
    names = [quoted(column.name) for column in columns]
    values = [json_of(*pair) for pair in zip(columns, rows.columns, strict=True)]
    for row in zip(*values, strict=True):
        kept = (pair for pair in zip(names, row, strict=True) if not (without_nulls and pair[1] == "null"))
        yield "{" + ",".join(f"{name}:{value}" for name, value in kept) + "}"


_WRITERS: dict[Format, Callable[[IO[bytes], Sequence[TypedColumn], Iterable[pa.Table]], int]] = {
    Format.PARQUET: _write_parquet,
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
}

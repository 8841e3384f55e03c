"""A row of each source that says nothing, in a file of the shape that the source's own files have.

So a project's landing can be run without its data.
"""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdp_pipeline.config.model import Project, Source
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.files import csv_header, file_format, find_files
from cdp_pipeline.events.landing import Reading


def empty_readings(project: Project, folder: Path) -> tuple[list[Reading], list[str]]:
    """A reading of one row for each source whose rows' shape is known, and a remark about each other one.

    Args:
        project: the project.
        folder: where the files are made.
    """
    readings, remarks = [], []
    for source in project.sources.values():
        try:
            path = _write_row(project.folder, source, folder)
        except InputError as error:
            remarks.append(f"not here: how {source.name} is landed, for {error}")
            continue
        day = project.start if source.arrived_at is None else None
        readings.append(Reading(source.name, path.name, day, path=path))
    return readings, remarks


def _write_row(project_folder: Path, source: Source, folder: Path) -> Path:
    if source.table is not None:
        raise InputError(f"only the warehouse knows the columns of the table {source.table}.")
    there = next((file.path for file in find_files(project_folder, source)), None)
    kind = file_format(there)[0] if there is not None else _kind_of_pattern(source)
    path = folder / f"{source.name}.{kind}"
    if kind == "ndjson":
        path.write_text("{}\n", encoding="utf-8")
    elif there is None:
        raise InputError(f"the columns of {source.files} are not known before a file lies there.")
    elif kind == "csv":
        names = csv_header(there)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([names, ["-" if place == 0 else "" for place in range(len(names))]])
    else:
        schema = _parquet_schema(there)
        pq.write_table(pa.table([pa.nulls(1, field.type) for field in schema], names=schema.names), path)
    return path


def _kind_of_pattern(source: Source) -> str:
    """What the pattern's end tells; lines of JSON where it tells nothing."""
    try:
        return file_format(Path(source.files or ""))[0]
    except InputError:
        return "ndjson"


def _parquet_schema(path: Path) -> pa.Schema:
    try:
        with pa.input_stream(path, compression=file_format(path)[1]) as stream:
            return pq.read_schema(pa.BufferReader(stream.read()))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error

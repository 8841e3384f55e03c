"""The mistakes of a project in sources and stitching rules: expressions that are not allowed or read what is not there.

Column names of files can be checked only against a file that lies there: the newest one of each source is looked at.
"""

import re
from collections.abc import Callable

from cdp_pipeline.config.model import Project, Source
from cdp_pipeline.errors import InputError, ProjectError, SqlError
from cdp_pipeline.events.event_identifiers import bind_event
from cdp_pipeline.events.files import csv_header, file_format, find_files, parquet_schema
from cdp_pipeline.events.rows import Shape, bind
from cdp_pipeline.sql.expressions import parse_expression


def validate(project: Project) -> list[ProjectError]:
    """All mistakes of this room in a project."""
    errors: list[ProjectError] = []
    for name, source in project.sources.items():
        shape = _known_shape(project, source, errors)
        for path, text in _expressions(source):
            _try(project, errors, f"sources.{name}.{path}", _checker(text, shape))
    for kind, entity in project.entities.items():
        for number, rule in enumerate(entity.stitching):
            for field in ("value", "where"):
                text = getattr(rule, field)
                if text is not None:
                    path = f"entities.{kind}.stitching[{number}].{field}"
                    _try(project, errors, path, lambda text=text: bind_event(text))  # type: ignore[misc]
    return errors


def _expressions(source: Source) -> list[tuple[str, str]]:
    found = [(name, getattr(source, name)) for name in ("where", "arrived_at")]
    found += [(f"event.{name}", getattr(source.event, name)) for name in type(source.event).model_fields]
    return [(path, text) for path, text in found if text is not None and (path, text.strip()) != ("event.id", "none")]


def _checker(text: str, shape: Shape | None) -> Callable[[], object]:
    if shape is None:
        return lambda: parse_expression(text)
    return lambda: bind(text, shape, missing=False)


def _try(project: Project, errors: list[ProjectError], path: str, check: Callable[[], object]) -> None:
    try:
        check()
    except SqlError as error:
        errors.append(project.error(path, error.message, error.hint))


def _known_shape(project: Project, source: Source, errors: list[ProjectError]) -> Shape | None:
    """What the source's rows look like; None when no file tells."""
    if source.table is not None:
        if not re.fullmatch(r"\w+\.\w+", source.table):
            hint = "Write schema and table, such as raw.contacts."
            errors.append(project.error(f"sources.{source.name}.table", f"`{source.table}` is no table's name.", hint))
        return None
    try:
        files = find_files(project.folder, source)
        if not files:
            return None
        kind, _ = file_format(files[-1].path)
        if kind == "ndjson":
            return Shape(None)
        if files[-1].size == 0:
            return None
        return Shape(tuple(csv_header(files[-1].path) if kind == "csv" else parquet_schema(files[-1].path).names))
    except (InputError, OSError):
        return None  # a file that cannot be read is the run's error, with the file's name

"""The mistakes of a project in sources, identifiers and stitching rules.

Every expression is read, bound, described by an engine in memory, and tried there over an event or a row of NULLs. What
files look like is known only from a file that lies there: the newest one of each source is looked at.
"""

import csv
import re
from collections.abc import Callable
from functools import partial

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project, Source, StitchingRule
from cdp_pipeline.errors import InputError, ProjectError, SqlError, WarehouseError
from cdp_pipeline.events.culprit import first_line
from cdp_pipeline.events.files import csv_header, file_format, find_files
from cdp_pipeline.events.parquet import parquet_columns
from cdp_pipeline.events.rows import TRUTHS, Shape, bind, shape_of
from cdp_pipeline.events.stitching_rules import bind_event
from cdp_pipeline.sql.expressions import parse_expression
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection, type_class
from cdp_pipeline.warehouse.scratch import scratch_connection

_IDENTIFIERS = ("text", "json", "number", "uuid", "boolean", "array")
_NEVER = {"value": "An identifier is a text, a number, a uuid, a boolean, JSON, or an array of them: cast it to text.",
          "where": "Compare it: `payload->>'status' = 'active'`.",
          "deleted": "Write a condition: `status = 'deleted'`, or what holds true and false, or 1 and 0."}  # fmt: skip
_ACCEPTED = {"where": ("boolean",), "deleted": TRUTHS}


def validate(project: Project) -> list[ProjectError]:
    """All mistakes of this room in a project."""
    with scratch_connection() as connection:
        check = _Check(project, connection)
        for source in project.sources.values():
            check.source(source)
        for kind, entity in project.entities.items():
            for number, identifier in enumerate(entity.identifiers):
                if identifier.valid is not None:
                    path = f"entities.{kind}.identifiers[{number}].valid"
                    check.attempt(path, identifier.valid, check.regex)
            for number, rule in enumerate(entity.stitching):
                check.rule(f"entities.{kind}.stitching[{number}]", rule)
    return check.errors


class _Check:
    """Collects mistakes; its engine holds one event, of NULLs."""

    def __init__(self, project: Project, connection: Connection) -> None:
        self._project = project
        self._connection = connection
        self.errors: list[ProjectError] = []
        events = tables.CUSTOMER_EVENTS
        connection.create(events, "main")
        self._events = exp.table_(events.name, "main")
        values = exp.values([tuple(exp.null() for _ in events.columns)])
        connection.run(from_tree("validate.event", exp.insert(values, self._events.copy())))

    def attempt(self, path: str, text: str, check: Callable[[str], object]) -> None:
        """Notes what a check says against a text of the project."""
        try:
            check(text)
        except SqlError as error:
            self.errors.append(self._project.error(path, error.message, error.hint))
        except WarehouseError as error:
            self.errors.append(self._project.error(path, f"`{text}`: {first_line(error)}", None))

    def rule(self, path: str, rule: StitchingRule) -> None:
        """Checks a stitching rule."""
        for field, text in (("value", rule.value), ("where", rule.where)):
            if text is not None:
                self.attempt(f"{path}.{field}", text, partial(self._event, field))

    def regex(self, pattern: str) -> None:
        """Tries a regular expression."""
        self._regexes(exp.func("cdp_matches", exp.column("value"), exp.Literal.string(pattern)))

    def source(self, source: Source) -> None:
        """Checks a source's expressions, as far as its rows are known."""
        path = f"sources.{source.name}"
        if source.table is not None and not re.fullmatch(r"\w+\.\w+", source.table):
            hint = "Write schema and table, such as raw.contacts."
            self.errors.append(self._project.error(f"{path}.table", f"`{source.table}` is no table's name.", hint))
        columns = None if source.table is not None else _known_columns(self._project, source)
        if columns is not None:
            try:
                nulls = {name: pa.nulls(1, columns[name].type) for name in columns.column_names}
                self._connection.load("landing_batch", pa.table(nulls))
                self._connection.describe(from_tree("validate.batch", exp.select("*").from_("landing_batch")))
            except WarehouseError:
                columns = None  # the run says which file it is
        shape = None if columns is None else shape_of(columns)
        for field, text in _expressions(source):
            self.attempt(f"{path}.{field}", text, partial(self._row, field, shape))

    def _event(self, field: str, text: str) -> None:
        tree = bind_event(text)
        source = exp.alias_(self._events.copy(), "e", table=True)
        self._typed(tree, source, field, _IDENTIFIERS if field == "value" else ("boolean",))

    def _row(self, field: str, shape: Shape | None, text: str) -> None:
        if shape is None:
            self._regexes(parse_expression(text))
            return
        tree = bind(text, shape, as_json=field == "event.payload", missing=False)
        line = exp.alias_(exp.cast(exp.null(), "jsonb"), "cdp_row")
        source = exp.select("a.*", line).from_("landing_batch as a").subquery("f")
        self._typed(tree, source, field, _ACCEPTED.get(field))

    def _typed(self, tree: exp.Expr, source: exp.Expr, field: str, accepted: tuple[str, ...] | None) -> None:
        self._regexes(tree)
        [(_, name)] = self._connection.describe(from_tree("validate.type", exp.select(tree.copy()).from_(source)))
        kind = "uuid" if name.lower() == "uuid" else type_class(name, self._connection.dialect)
        if accepted is not None and kind not in accepted:
            shown = kind if kind in ("text", "json", "number") else name.lower()
            wanted = "that is no identifier" if field == "value" else "a condition is true or false"
            raise SqlError(f"It gives {shown}, and {wanted}.", _NEVER[field])
        self._connection.fetch(from_tree("validate.tried", exp.select(tree.copy()).from_(source)))

    def _regexes(self, tree: exp.Expr) -> None:
        """Tries every regular expression that is written out, on an empty text."""
        for node in tree.find_all(exp.Anonymous, exp.RegexpILike):
            if isinstance(node, exp.Anonymous) and node.name.lower() != "cdp_matches":
                continue
            pattern = node.expression if isinstance(node, exp.RegexpILike) else node.expressions[1]
            if isinstance(pattern, exp.Literal):
                empty = exp.Literal.string("")
                tried = exp.func("cdp_matches", empty, pattern.copy())
                try:
                    self._connection.fetch(from_tree("validate.regex", exp.select(tried)))
                except WarehouseError as error:
                    raise SqlError(
                        f"The regular expression '{pattern.name}' is refused: {first_line(error).rstrip('.')}.",
                        "Write it without looking ahead or behind and without references to groups.",
                    ) from error


def _expressions(source: Source) -> list[tuple[str, str]]:
    found = [(name, getattr(source, name)) for name in ("where", "arrived_at", "deleted")]
    found += [(f"event.{name}", getattr(source.event, name)) for name in type(source.event).model_fields]
    return [(path, text) for path, text in found if text is not None and (path, text.strip()) != ("event.id", "none")]


def _known_columns(project: Project, source: Source) -> pa.Table | None:
    """The columns of a source's newest file, without rows; None when no file tells."""
    try:
        files = find_files(project.folder, source)
        if not files:
            return None
        path = files[-1].path
        kind, compression = file_format(path)
        if kind == "ndjson":
            return pa.table({"cdp_line": pa.array([], pa.string())})
        if files[-1].size == 0:
            return None
        if kind == "parquet":
            return parquet_columns(path, compression)
        return pa.table({name: pa.array([], pa.string()) for name in csv_header(path)})
    except (InputError, OSError, EOFError, ValueError, pa.ArrowException, csv.Error):
        return None  # a file that cannot be read is the run's error, with the file's name

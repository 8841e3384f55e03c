"""How the rows of a landing file or a source table become candidates for events.

A source's expressions are bound to what a row is: in NDJSON a bare name is a key of the line (`row->>'name'`, in
`payload` `row->'name'`), elsewhere a column. `row` is the whole row as jsonb. What an expression cannot work out for a
row (a bad cast) is NULL there, and the row is rejected for the want of it; it never ends the landing.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.model import Source
from cdp_pipeline.errors import InputError, SqlError
from cdp_pipeline.sql.expressions import bind_columns, parse_expression, unknown_column
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.json_paths import hoist_paths
from cdp_pipeline.sql.statements import Statement, Statements
from cdp_pipeline.warehouse.base import Connection, type_class

SQL = Statements(__package__, "rows.sql")
OWN_COLUMNS = ("cdp_place_row", "cdp_read_problem", "cdp_broken", "cdp_line")
DEFAULT_VERSION = "1-0-0"
TRUE_WORDS = ("true", "t", "yes", "y", "1")
TRUTHS = ("boolean", "text", "number", "json")  # the classes of values that can say yes or no

_ROW = exp.column("cdp_row", table="f")
_TYPES = {"arrived_on": "date", "event_time": "timestamptz", "payload": "jsonb", "passes": "boolean",
          "holds_nul": "boolean", "mirrored_at": "timestamptz", "is_deleted": "boolean"}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What rows look like: lines of NDJSON (`columns` is None), or the names of a file's or table's columns.

    Attributes:
        columns: the names.
        dressed: those of times and doubles, which engines write in JSON in ways of their own.
    """

    columns: tuple[str, ...] | None
    dressed: frozenset[str] = frozenset()

    @property
    def lines(self) -> bool:
        """Whether rows are lines of NDJSON."""
        return self.columns is None


def shape_of(batch: pa.Table) -> Shape:
    """The shape of a batch."""
    own = {field.name: field.type for field in batch.schema if field.name not in OWN_COLUMNS}
    dressed = {name for name, type_ in own.items() if pa.types.is_timestamp(type_) or pa.types.is_floating(type_)}
    return Shape(None if "cdp_line" in batch.column_names else tuple(own), frozenset(dressed))


def source_definition(source: Source) -> str:
    """A hash of all that decides what the source's rows become."""
    # A source that appends is what it was before there were mirrors: its files need not be read again for that.
    of_mirrors = set() if source.is_mirror else {"mode", "deleted"}
    text = json.dumps(source.model_dump(mode="json", exclude=of_mirrors), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def bind(text: str, shape: Shape, *, as_json: bool = False, missing: bool = True) -> exp.Expr:
    """Binds one expression of a source to rows of a shape.

    Args:
        text: the user's expression.
        shape: what rows look like.
        as_json: whether a bare name in NDJSON is jsonb (in `payload`) rather than text.
        missing: whether a column that this file does not have is NULL; if not, it is an error.

    Raises:
        SqlError: the expression is not allowed, or reads a column that is not there.
    """

    def resolve(column: exp.Column) -> exp.Expr:
        if column.name == "row" and "row" not in (shape.columns or ()):
            return whole_row(shape)
        if shape.columns is None:
            form = "cdp_path" if as_json and isinstance(column.parent, (type(None), exp.Paren)) else "cdp_path_text"
            return exp.Anonymous(this=form, expressions=[_ROW.copy(), exp.Literal.string(column.name)])
        name = column_named(column.name, shape.columns)
        if name is not None:
            return exp.column(exp.to_identifier(name, quoted=True), table="f")
        if not missing:
            raise unknown_column(column.name, [*shape.columns, "row"])
        return exp.cast(exp.null(), "text")

    return rewrite_up(bind_columns(parse_expression(text), resolve), _try_json)


def column_named(name: str, columns: Sequence[str]) -> str | None:
    """The column that a user means by a name: the one of that name, or the only one that differs in case alone."""
    if name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _try_json(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Cast) and node.to.this in (exp.DType.JSON, exp.DType.JSONB):
        return exp.func("cdp_try_json", node.this)
    return node


def whole_row(shape: Shape) -> exp.Expr:
    """The whole row as jsonb."""
    return _ROW.copy() if shape.columns is None else exp.Anonymous(this="cdp_object", expressions=_pairs(shape))


def row_text(shape: Shape) -> exp.Expr:
    """The whole row as text, the same on every engine: the line itself, or its columns as JSON in their order."""
    if shape.columns is None:
        return exp.column("cdp_line", table="f")
    return exp.Anonymous(this="cdp_row_text", expressions=_pairs(shape))


def _pairs(shape: Shape, values: Sequence[exp.Expr] = ()) -> list[exp.Expr]:
    """The names of the columns, each with its value, of which there may be other trees."""
    names = shape.columns or ()
    pairs: list[exp.Expr] = []
    for name, value in zip(names, values or _columns(names), strict=True):
        pairs += [exp.Literal.string(name), exp.func("cdp_dressed", value) if name in shape.dressed else value]
    return pairs


def _columns(names: Sequence[str]) -> list[exp.Expr]:
    return [exp.column(exp.to_identifier(name, quoted=True), table="f") for name in names]


def land_statement(connection: Connection, source: Source, shape: Shape, *, missing: bool = True) -> Statement:
    """The statement that turns the rows of `landing_batch` into rows of `landed`.

    Its values are `landed_from`, `place`, `last_day`, `first_day`, `final_day`, and `day`, which is NULL where the rows
    say their own day of arrival.

    Args:
        connection: tells the types of the expressions over the columns of `landing_batch`.
        source: whose rows they are.
        shape: what they look like.
        missing: whether a column that is not there is NULL (an older file may lack it); if not, it is an error.

    Raises:
        InputError: an expression reads a column that is not there.
    """
    trees = _bound_trees(source, shape, missing)
    hoisted = hoist_paths(list(trees.values()), _ROW, "cdp", needed=connection.json_is_text)
    lists = dict(hoisted.lists)
    places = {
        "texts": _on_g(lists.get("cdp_texts", exp.cast(exp.null(), "text[]"))),
        "jsons": _on_g(lists.get("cdp_jsons", exp.cast(exp.null(), "jsonb[]"))),
        "row": _parsed_line() if shape.lines else exp.cast(exp.null(), "jsonb"),
        "lines": exp.true() if shape.lines else exp.false(),
        "raw": _raw(shape),
    }
    trees = dict(zip(trees, hoisted.trees, strict=True))
    typed = _Typed(connection, places)
    for name in ("source_id", "source_event_id", "type", "version"):
        trees[name] = exp.cast(typed.as_text(trees[name]), "text")
    for name in ("source_id", "version"):
        trees[name] = exp.func("coalesce", trees[name], exp.Literal.string(""))  # NULL is left for what failed
    trees["passes"] = exp.Case().when(trees["passes"], exp.true()).else_(exp.false())
    trees["event_time"] = typed.as_time(trees["event_time"])
    if source.arrived_at is not None:
        trees["arrived_on"] = exp.cast(typed.as_time(trees["arrived_on"]), "date")
        if source.is_mirror:
            trees["mirrored_at"] = typed.as_time(trees["mirrored_at"])
    if source.deleted is not None:
        trees["is_deleted"] = _is_deleted(source, trees["is_deleted"], typed)
    looked_at = shape.lines or source.event.payload is None  # as it was read, and of a whole row column by column
    trees["holds_nul"] = exp.false() if looked_at else typed.holds_nul(trees["payload"])
    trees["payload"] = typed.as_payload(trees["payload"])
    trees = {name: _forgiving(tree, _TYPES.get(name, "text")) for name, tree in trees.items()}
    bound = SQL["land_batch"].bind({}, **trees, **places)
    tree = _carry_columns(bound.tree, shape)
    digest = hashlib.sha256(tree.sql().encode()).hexdigest()[:16]
    return Statement(f"{bound.name}.{source.name}.{digest}", tree)


def _carry_columns(tree: exp.Expr, shape: Shape) -> exp.Expr:
    """Hands the columns of a file on to where it is known whether its row is rejected, and its text is needed."""
    (read,) = (query for query in tree.find_all(exp.Subquery) if query.alias == "v")
    assert isinstance(read.this, exp.Select)
    carried = [exp.alias_(column, f"cdp_c{number}") for number, column in enumerate(_columns(shape.columns or ()))]
    read.this.select(*carried, copy=False)
    return tree


def _bound_trees(source: Source, shape: Shape, missing: bool) -> dict[str, exp.Expr]:
    """Each part of an event, bound to the rows."""
    event = source.event

    def bound(path: str, text: str, *, as_json: bool = False) -> exp.Expr:
        try:
            return bind(text, shape, as_json=as_json, missing=missing)
        except SqlError as error:
            raise InputError(f"sources.{source.name}.{path}: {error}") from error

    day = exp.cast(exp.Placeholder(this="day"), "date")
    arrived = None if source.arrived_at is None else bound("arrived_at", source.arrived_at)
    start_of_day = exp.cast(exp.Placeholder(this="day") if source.is_mirror else exp.null(), "timestamptz")
    return {
        "arrived_on": day if arrived is None else arrived,
        "mirrored_at": arrived.copy() if arrived is not None and source.is_mirror else start_of_day,
        "is_deleted": exp.false() if source.deleted is None else bound("deleted", source.deleted),
        "source_id": exp.null() if event.source is None else bound("event.source", event.source),
        "source_event_id": _id(event.id, shape, bound),
        "type": bound("event.type", event.type),
        "version": exp.null() if event.version is None else bound("event.version", event.version),
        "event_time": bound("event.time", event.time),
        "payload": whole_row(shape) if event.payload is None else bound("event.payload", event.payload, as_json=True),
        "passes": exp.true() if source.where is None else bound("where", source.where),
    }


def _id(text: str | None, shape: Shape, bound: Callable[[str, str], exp.Expr]) -> exp.Expr:
    if text is None:
        return exp.func("md5", row_text(shape))
    if text.strip().lower() == "none":
        row = exp.cast(exp.column("cdp_place_row", table="f"), "text")
        return exp.DPipe(
            this=exp.DPipe(this=exp.Placeholder(this="place"), expression=exp.Literal.string(":")), expression=row
        )
    return bound("event.id", text)


def _is_deleted(source: Source, tree: exp.Expr, typed: "_Typed") -> exp.Expr:
    kind = typed.type_of(tree)
    if kind not in TRUTHS:
        raise InputError(
            f"sources.{source.name}.deleted: `{source.deleted}` gives {kind}. Write a condition, such as "
            "`status = 'deleted'`, or what holds true and false, or 1 and 0."
        )
    return is_true(tree, kind)


def is_true(tree: exp.Expr, kind: str) -> exp.Expr:
    """Whether a value of a class in `TRUTHS` says yes; NULL and words that nobody knows do not."""
    if kind == "boolean":
        return exp.func("coalesce", tree, exp.false())
    forms = {"number": "cdp_number_text", "json": "cdp_text"}
    text = exp.func(forms[kind], tree) if kind in forms else exp.cast(tree, "text")
    said = exp.func("lower", exp.func("trim", text)).isin(*TRUE_WORDS)
    return exp.func("coalesce", said, exp.false())


def _raw(shape: Shape) -> exp.Expr:
    """The text of a rejected row, read of the columns that were carried."""
    broken = exp.column("cdp_broken", table="r")
    if shape.columns is None:
        return broken
    carried = [exp.column(f"cdp_c{number}", table="r") for number in range(len(shape.columns))]
    text = exp.Anonymous(this="cdp_row_text", expressions=_pairs(shape, carried))
    return exp.func("coalesce", broken, text)


def _parsed_line() -> exp.Expr:
    parsed = exp.func("cdp_try_json", exp.column("cdp_line", table="a"))
    return exp.Case().when(exp.column("cdp_read_problem", table="a").is_(exp.null()), parsed)


def _on_g(tree: exp.Expr) -> exp.Expr:
    return rewrite_up(
        tree.copy(), lambda node: exp.column("cdp_row", table="g") if isinstance(node, exp.Column) else node
    )


def _forgiving(tree: exp.Expr, type_: str) -> exp.Expr:
    """The tree, of this type, or NULL where it is an error for a row; only where it can be one."""
    casts = any(
        node.to.this is not exp.DType.TEXT and not isinstance(node.this, exp.Placeholder | exp.Null)
        for node in tree.find_all(exp.Cast)
    )
    calls = any(node.name.lower() in ("cdp_whole", "cdp_divide") for node in tree.find_all(exp.Anonymous))
    if not (casts or calls or tree.find(exp.Add, exp.Sub, exp.Mul, exp.Substring)):
        return tree
    return exp.func("cdp_try", tree, exp.cast(exp.null(), type_))


class _Typed:
    """Turns expressions of whatever type into what an event needs."""

    def __init__(self, connection: Connection, places: dict[str, exp.Expr]) -> None:
        self._connection = connection
        self._places = places

    def type_of(self, tree: exp.Expr) -> str:
        """The class of an expression's type."""
        if tree.find(exp.Placeholder):
            return "text"  # an id that is made of the row's place
        inner = SQL["describe_batch"].bind({}, value=tree, **self._places)
        described = self._connection.describe(Statement(inner.name, inner.tree, cached=False))
        return type_class(described[0][1], self._connection.dialect)

    def as_text(self, tree: exp.Expr) -> exp.Expr:
        """Text: of a jsonb string its content, of a whole double no fraction."""
        kind = self.type_of(tree)
        if kind == "number":
            return exp.func("cdp_number_text", tree)
        return exp.func("cdp_text", tree) if kind == "json" else tree

    def as_time(self, tree: exp.Expr) -> exp.Expr:
        """A timestamptz; text is read as ISO 8601, without a zone UTC."""
        kind = self.type_of(tree)
        if kind == "time":
            return exp.cast(tree, "timestamptz")
        return exp.func("cdp_try_time", exp.func("cdp_text", tree) if kind == "json" else exp.cast(tree, "text"))

    def holds_nul(self, tree: exp.Expr) -> exp.Expr:
        """Whether a payload's text holds an escaped NUL, which jsonb refuses; NDJSON was looked at as it was read."""
        if self.type_of(tree) not in ("text", "json"):
            return exp.false()
        parsed = isinstance(tree, exp.Anonymous) and tree.name.lower() == "cdp_try_json"
        text = exp.cast(tree.expressions[0].copy() if parsed else tree.copy(), "text")
        escaped = exp.Literal.string(r"(^|[^\\])(\\\\)*\\u0000")
        there = exp.StrPosition(this=text, substr=exp.Literal.string(r"\u0000")) > 0
        return exp.func("coalesce", there.and_(exp.func("cdp_matches", text.copy(), escaped)), exp.false())

    def as_payload(self, tree: exp.Expr) -> exp.Expr:
        """A jsonb: text is parsed; nothing at all and JSON null are an empty object."""
        kind = self.type_of(tree)
        value = tree if kind == "json" else exp.func("cdp_try_json" if kind == "text" else "cdp_to_json", tree)
        parsed = isinstance(tree, exp.Anonymous) and tree.name.lower() == "cdp_try_json"
        written = tree.expressions[0] if parsed else tree
        nothing: exp.Expr = written.copy().is_(exp.null())
        if kind == "json":
            nothing = exp.or_(nothing, exp.func("cdp_json_kind", tree.copy()).eq("null"))
        return exp.Case().when(nothing, exp.func("cdp_try_json", exp.Literal.string("{}"))).else_(value)

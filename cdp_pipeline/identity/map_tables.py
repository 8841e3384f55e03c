"""How the table of an identity map is read: its columns, what a row says, and by what rows are told apart.

The columns are the user's, of whatever type. A value is read as one in an event is: scalars as text, arrays and JSON
arrays element by element; a number with a fraction is no identifier. A row's time is a time, or a text in ISO 8601.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlglot
from sqlglot import exp

from cdp_pipeline.config.model import Entity, IdentityMap, Project
from cdp_pipeline.errors import InputError, ProjectError
from cdp_pipeline.events.identifier_values import list_values, whole_numbers
from cdp_pipeline.events.rows import column_named, is_true
from cdp_pipeline.sql.statements import Statement, from_tree
from cdp_pipeline.warehouse.base import Connection, type_class

READABLE_DAYS = (date(1, 1, 1), date(9999, 1, 1))
_PLACES_PER_COLUMN = 100_000
_TEXTS = {
    "updated_at": (("time", "text"), "a time, or a text in ISO 8601"),
    "deleted": (("boolean", "text", "number"), "a boolean, or 1 and 0"),
}


@dataclass(frozen=True)
class MapTable:
    """The table of an identity map, as it is now.

    Attributes:
        declared: the map in the project file.
        table: the table.
        values: type of identifier, column and class of the column's type: of the primary id, then of the ids of the
            person, the most important first.
        updated_at: column and class of its type.
        deleted: the same.
    """

    declared: IdentityMap
    table: exp.Table
    values: tuple[tuple[str, str, str], ...]
    updated_at: tuple[str, str] | None
    deleted: tuple[str, str] | None

    @property
    def rises(self) -> bool:
        """Whether it is enough to read the rows that were changed of late."""
        return self.updated_at is not None and self.declared.mode == "mirror"


def map_definition(project: Project, entity: Entity, declared: IdentityMap) -> str:
    """A hash of all that decides what the rows of a map say."""
    used = {declared.primary.type, *declared.persons}
    how = {"type", "normalize", "valid", "blocked", "blocked_defaults"}
    types = [each.model_dump(mode="json", include=how) for each in entity.identifiers if each.type in used]
    start = project.start.isoformat() if declared.updated_at is None else ""
    text = json.dumps([declared.model_dump(mode="json"), types, start], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def map_path(kind: str, number: int) -> str:
    """Where a map stands in the project."""
    return f"entities.{kind}.identity_maps[{number}]"


def columns_read(entity: Entity, declared: IdentityMap) -> Iterator[tuple[str, str]]:
    """The columns that a map reads, each with the path below the map where it is named."""
    yield "primary.column", declared.primary.column
    for name in persons_by_importance(entity, declared):
        yield f"persons.{name}", declared.persons[name]
    for key in _TEXTS:
        if getattr(declared, key) is not None:
            yield key, getattr(declared, key)


def persons_by_importance(entity: Entity, declared: IdentityMap) -> list[str]:
    """The types of the ids of a person, the most important first."""
    return sorted(declared.persons, key=entity.priority)


def find_mistakes(connection: Connection, project: Project, kind: str, number: int) -> list[ProjectError]:
    """What keeps a map from being read: its table is not there, or lacks a column, or has one of another type."""
    declared = project.entities[kind].identity_maps[number]
    table = _table(declared)
    path = map_path(kind, number)
    columns = connection.columns_of(table.db or connection.default_schema, table.name)
    if columns is None:
        hint = "Check the name, or load the table first."
        return [project.error(f"{path}.table", f"the warehouse has no table {declared.table}.", hint)]
    types = dict(columns)
    mistakes = []
    for key, name in columns_read(project.entities[kind], declared):
        real = column_named(name, list(types))
        accepted, wanted = _TEXTS.get(key, ((), ""))
        if real is None:
            hint = f"It has {', '.join(types)}."
            mistakes.append(project.error(f"{path}.{key}", f"{declared.table} has no column {name}.", hint))
        elif accepted and type_class(types[real], connection.dialect) not in accepted:
            message = f"the column {real} of {declared.table} is of type {types[real].lower()}."
            mistakes.append(project.error(f"{path}.{key}", message, f"It must be {wanted}."))
    return mistakes


def open_map(connection: Connection, project: Project, kind: str, number: int) -> MapTable:
    """The table of a map.

    Raises:
        InputError: it is not there, or lacks a column.
    """
    mistakes = find_mistakes(connection, project, kind, number)
    if mistakes:
        raise InputError("\n".join(str(mistake) for mistake in mistakes))
    entity = project.entities[kind]
    declared = entity.identity_maps[number]
    table = _table(declared)
    types = dict(connection.columns_of(table.db or connection.default_schema, table.name) or [])

    def typed(name: str) -> tuple[str, str]:
        real = column_named(name, list(types)) or name
        return real, type_class(types[real], connection.dialect)

    persons = persons_by_importance(entity, declared)
    named = [(declared.primary.type, declared.primary.column), *((each, declared.persons[each]) for each in persons)]
    return MapTable(
        declared,
        table,
        tuple((type_, *typed(column)) for type_, column in named),
        None if declared.updated_at is None else typed(declared.updated_at),
        None if declared.deleted is None else typed(declared.deleted),
    )


def _table(declared: IdentityMap) -> exp.Table:
    return sqlglot.parse_one(declared.table, into=exp.Table, read="postgres")


def fingerprint(connection: Connection, map_table: MapTable, since: datetime | None) -> str:
    """What tells whether rows of the table have changed: of those changed since some time, or of all."""
    query = exp.select("count(*)", exp.func("cdp_fingerprint", exp.column("row_text", table="t")))
    query = query.from_(_rows(map_table, since).subquery("t"))
    ((count, sum_of_hashes),) = connection.fetch(from_tree("identity_maps.fingerprint", query), **_values(since))
    return f"{count} {sum_of_hashes}"


def read_statement(map_table: MapTable, since: datetime | None) -> tuple[Statement, dict[str, Any]]:
    """The statement that keeps the rows of the table as `map_read`, and its values."""
    values = [f"t.v{number}" for number in range(len(map_table.values))]
    row_hash = exp.cast(exp.func("md5", exp.column("row_text", table="t")), "text")
    query = exp.select("row_number() over () as event_number", "t.moment", "t.is_deleted", "t.has_time", *values)
    query = query.select(exp.alias_(row_hash, "row_hash")).from_(_rows(map_table, since).subquery("t"))
    made = exp.Create(this=exp.to_table("map_read"), kind="TABLE", expression=query)
    made.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    return from_tree("identity_maps.map_read", made), _values(since)


def _values(since: datetime | None) -> dict[str, Any]:
    return {} if since is None else {"since": since}


def _rows(map_table: MapTable, since: datetime | None) -> exp.Select:
    """What the rows of the table say, with all of it as one text."""
    moment, has_time = _moment(map_table)
    inner = exp.select(exp.alias_(moment, "moment"), exp.alias_(has_time, "has_time"))
    inner = inner.select(exp.alias_(_is_deleted(map_table), "is_deleted"))
    texts = [exp.func("cdp_json_time", exp.column("moment", table="m"))]
    texts.append(exp.cast(exp.column("is_deleted", table="m"), "text"))
    for number, (_, name, value_class) in enumerate(map_table.values):
        value: exp.Expr = _column(name)
        if value_class == "json":
            value = exp.cast(value, "jsonb")
        elif value_class == "number":
            value = exp.func("cdp_number_text", value)
        inner = inner.select(exp.alias_(value, f"v{number}"))
        texts.append(exp.cast(exp.column(f"v{number}", table="m"), "text"))
    inner = inner.from_(exp.alias_(map_table.table.copy(), "f", table=True))
    if since is not None:
        inner = inner.where(_is_recent(map_table))
    nothing = exp.func("chr", exp.Literal.number(30))
    parts = [exp.func("chr", exp.Literal.number(31)), *(exp.func("coalesce", text, nothing.copy()) for text in texts)]
    whole = exp.alias_(exp.Anonymous(this="concat_ws", expressions=parts), "row_text")
    return exp.select("m.*", whole).from_(inner.subquery("m"))


def _column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table="f")


def _time(map_table: MapTable) -> exp.Expr:
    """A row's time as its column says it."""
    if map_table.updated_at is None:
        return exp.cast(exp.null(), "timestamptz")
    name, value_class = map_table.updated_at
    if value_class == "time":
        return exp.cast(_column(name), "timestamptz")
    return exp.func("cdp_try_time", exp.cast(_column(name), "text"))


def _moment(map_table: MapTable) -> tuple[exp.Expr, exp.Expr]:
    """A row's time, NULL if it says no readable one, and whether it says any at all."""
    first, final = (exp.cast(exp.Literal.string(f"{day} 00:00:00+00"), "timestamptz") for day in READABLE_DAYS)
    moment = _time(map_table)
    readable = exp.Case().when(exp.Between(this=moment, low=first, high=final), moment.copy())
    has_time = exp.false() if map_table.updated_at is None else _column(map_table.updated_at[0]).is_(exp.null()).not_()
    return readable, has_time


def _is_recent(map_table: MapTable) -> exp.Expr:
    """Whether a row was changed of late, as it says; one that says nothing is always looked at."""
    moment = _time(map_table)
    return exp.or_(moment.is_(exp.null()), moment.copy() >= exp.Placeholder(this="since"))


def _is_deleted(map_table: MapTable) -> exp.Expr:
    if map_table.deleted is None:
        return exp.false()
    name, value_class = map_table.deleted
    return is_true(_column(name), value_class)


def value_statements(map_table: MapTable, entity: Entity) -> Iterator[Statement]:
    """The statements that list the values of new rows of `map_read` in `occurrences`."""
    for number, (type_, _, value_class) in enumerate(map_table.values):
        priority = entity.priority(type_)
        value = exp.column(f"v{number}", table="r")
        source = exp.select("r.event_number").from_("map_read as r")
        source = source.where(value.is_(exp.null()).not_())
        source = source.where("r.event_number not in (select k.event_number from known_rows as k)")
        listed = list_values(source, value.copy(), value_class)
        text = exp.column("value", table="o")
        kind = whole_numbers(exp.column("kind", table="o"), text)
        if value_class == "number":
            whole = exp.func("cdp_matches", text.copy(), exp.Literal.string("^-?[0-9]+$"))
            kind = exp.Case().when(exp.not_(whole), exp.Literal.string("number"))
        first = exp.Literal.number(priority * _PLACES_PER_COLUMN)
        rank = exp.alias_(exp.Add(this=first, expression=exp.column("place", table="o")), "rank")
        query = exp.select("o.event_number", rank, exp.alias_(exp.Literal.number(priority), "priority"), "o.value")
        query = query.select(
            exp.alias_(kind, "kind"), exp.alias_(exp.true() if number == 0 else exp.false(), "is_primary")
        )
        query = query.from_(listed.subquery("o")).where("o.value is not null")
        yield from_tree("occurrences.add", exp.insert(query, "occurrences"))

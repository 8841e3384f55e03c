"""The tables that a test's sources and identity maps read, made of the rows that the test gives.

A column's type is that of its values: text, number, boolean, or a time where every value is one with hours and minutes.
A table of an identity map that the test does not give is empty.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.model import Entity, IdentityMap, Project
from cdp_pipeline.operations.scenario_model import Scenario
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
Rows = Sequence[Mapping[str, Any]]


def make_tables(connection: Connection, project: Project, entity: Entity, scenario: Scenario) -> None:
    """Makes all tables that a test's run reads."""
    rows: dict[str, Rows] = {}
    columns: dict[str, dict[str, str]] = {}
    for declared in entity.identity_maps:
        rows[declared.table] = scenario.tables.get(declared.table, [])
        columns.setdefault(declared.table, {}).update(_columns_of(declared))
    for name, given in scenario.rows.items():
        table = project.sources[name].table
        if table is not None:
            rows[table] = [*rows.get(table, []), *given]
    for table, of_table in rows.items():
        _make(connection, table, of_table, columns.get(table, {}))


def _columns_of(declared: IdentityMap) -> dict[str, str]:
    """The columns that an identity map reads, each with the type that it has where no row tells."""
    columns = {declared.primary.column: "text"} | dict.fromkeys(declared.persons.values(), "text")
    columns |= {declared.updated_at: "timestamptz"} if declared.updated_at else {}
    return columns | ({declared.deleted: "boolean"} if declared.deleted else {})


def _make(connection: Connection, name: str, rows: Rows, columns: Mapping[str, str]) -> None:
    names = list(dict.fromkeys([*(key for row in rows for key in row), *columns])) or ["nothing"]
    given = {key: [_flat(row.get(key)) for row in rows] for key in names}
    connection.load("given_rows", pa.table({key: _array(values) for key, values in given.items()}))
    selected = []
    for key, values in given.items():
        column: exp.Expr = exp.column(key, table="g", quoted=True)
        if all(value is None for value in values):
            column = exp.cast(exp.null(), columns.get(key, "text"))
        elif all(value is None or (isinstance(value, str) and _is_time(value)) for value in values):
            column = exp.cast(column, "timestamptz")
        selected.append(exp.alias_(column, key, quoted=True))
    schema, _, table = name.rpartition(".")
    target = exp.table_(table, schema or connection.default_schema, quoted=True)
    if schema:
        place = exp.table_(None, db=exp.to_identifier(schema, quoted=True))
        connection.run(from_tree("scenario.schema", exp.Create(this=place, kind="SCHEMA", exists=True)))
    query = exp.select(*selected).from_("given_rows as g")
    connection.run(from_tree("scenario.table", exp.Create(this=target, kind="TABLE", expression=query)))
    connection.unload("given_rows")


def _array(values: Sequence[Any]) -> pa.Array:
    """The values as one column; of several types they become text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        return pa.array([value if value is None else str(value) for value in values], pa.string())
    return pa.array(values, None if kinds else pa.string())


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _is_time(text: str) -> bool:
    try:
        return bool(_TIME.fullmatch(text)) and datetime.fromisoformat(text) is not None
    except ValueError:
        return False

"""All that a project's warehouse says, in one form for every engine and every cut of the same data."""

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.pipeline.driver import plain

# What differs between two runs that do the same work: clocks, ids of runs and processes, fingerprints of files.
OF_A_RUN = {"run", "as_of", "started_at", "seconds", "changed_at", "stitched", "calculated", "valid_at", "modified",
            "measured_at", "pid", "project_hash", "fingerprint", "recorded_from", "recorded_to"}  # fmt: skip
VIEWS = (tables.ENTITY_REDIRECTS, tables.EVENTS, tables.ATTRIBUTES)


def every_table(connection: Connection, project: Project) -> dict[str, list[str]]:
    """Return the rows of every table and view as texts, in a fixed order, without what belongs to a single run."""
    shared = [(project.schema_name, table) for table in tables.SHARED]
    for entity in project.entities.values():
        shared += [(entity.schema_name, table) for table in (*tables.OF_A_KIND, tables.PROFILES, *VIEWS)]
    return {f"{schema}.{table.name}": read(connection, schema, table.name) for schema, table in shared}


def read(connection: Connection, schema: str, table: str, without: Iterable[str] = ()) -> list[str]:
    """Return a table's rows as texts, sorted."""
    left_out = OF_A_RUN | set(without)
    kinds = connection.columns_of(schema, table) or []
    columns = [(name, "json" in kind.lower()) for name, kind in kinds if name not in left_out]
    names = [exp.column(name, quoted=True) for name, _ in columns]
    query = exp.select(*names).from_(exp.table_(table, schema, quoted=True))
    if table == tables.METRICS.name:
        query = query.where(exp.column("metric").neq("seconds"))
    rows = connection.fetch(from_tree("compare", query))
    is_text = {"raw"}
    json_columns = [is_json or name in is_text for name, is_json in columns]
    return sorted(repr(tuple(same(v, is_json) for v, is_json in zip(row, json_columns, strict=True))) for row in rows)


def same(value: Any, is_json: bool) -> Any:
    """Return a value in the one form that it has on every engine."""
    if isinstance(value, str) and is_json:
        try:
            return canonical(json.loads(value, parse_float=Decimal, parse_int=Decimal))
        except ValueError:
            return value
    if isinstance(value, Decimal):
        return str(value.normalize() + 0)
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return plain(value)


def canonical(value: Any) -> Any:
    """Return a JSON value with its keys sorted and its numbers without the zeros at their end."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return str(value.normalize() + 0) if isinstance(value, Decimal) else value


def differences(first: dict[str, list[str]], second: dict[str, list[str]]) -> dict[str, tuple[int, list[str]]]:
    """Return for each table that differs how many rows do, and some of them."""
    found = {}
    for table in sorted(first.keys() | second.keys()):
        one, other = Counter(first.get(table, [])), Counter(second.get(table, []))
        different = [f"- {row}" for row in one - other] + [f"+ {row}" for row in other - one]
        if different:
            found[table] = (len(different), sorted(different, key=lambda row: row[2:])[:6])
    return found


def groups(connection: Connection, schema: str) -> set[tuple[str, ...]]:
    """Return the entities of a kind as sets of identifiers, whatever they are called."""
    rows = connection.fetch(
        from_tree("map", exp.select("entity_id", "identifier_id").from_(exp.table_("entity_map", schema)))
    )
    members: dict[str, list[str]] = {}
    for entity, identifier in rows:
        members.setdefault(str(entity), []).append(str(identifier))
    return {tuple(sorted(each)) for each in members.values()}

"""The stage `<kind>/attribute_counts`: how many profiles have each attribute, and each value of those with few values.

Counting reads all profiles, so a small run does without it: they are counted again where the attributes are others,
where more than 5 % of the profiles changed since, and where somebody asks. `modified` says of when the figures are.

Values are counted of texts, whole numbers, booleans and days of which there are at most 100 different ones; not of
attributes that are marked `pii`, nor of lists, other numbers and times, whose single values say little.
"""

from datetime import datetime
from functools import partial

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.tables import ATTRIBUTE_COUNTS, KIND, PROFILES
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "counts.sql")
MOST_VALUES = 100
CHANGED_SHARE = 0.05
_COUNTED = ("text", "whole", "boolean", "date")


def attribute_counts_spec(project: Project, kind: str) -> StageSpec:
    """The stage that counts the attributes of a kind; whether it is due depends on how many profiles changed."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    return StageSpec(
        f"{kind}/attribute_counts", kind, schemas, (f"{kind}/profiles",), look=partial(_is_due, entity, schemas)
    )


def count_attributes(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Counts the attributes of a kind and their values again, if that is due.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: count them whether it is due or not.
    """
    entity = project.entities[kind]
    with stage(connection, attribute_counts_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING or connection.columns_of(entity.schema_name, PROFILES.name) is None:
            return work.facts
        work.facts.due = Due.ALL
        families = _families(connection, entity)
        _count(work, list(families))
        _count_values(work, entity, families)
        _ = work.number
    return work.facts


def _is_due(entity: Entity, schemas: dict[str, str], connection: Connection) -> bool:
    if connection.columns_of(schemas[KIND], ATTRIBUTE_COUNTS.name) is None:
        return False  # of an earlier release; the next session makes it
    counted = {name: (rows, modified) for name, rows, modified in connection.fetch(SQL["counted"].bind(schemas))}
    families = _families(connection, entity)
    if counted.keys() != families.keys():
        return True
    moments: list[datetime | None] = [modified for _, modified in counted.values()]
    if None in moments or connection.fetch(SQL["marked"].bind(schemas))[0][0]:
        return True
    if not counted:
        return False
    rows, since = next(iter(counted.values()))
    changed = connection.fetch(SQL["changed_since"].bind(schemas), since=since)[0][0]
    return bool(changed > CHANGED_SHARE * rows)


def _families(connection: Connection, entity: Entity) -> dict[str, str | None]:
    """The attributes that the profiles have, each with the family of its type."""
    there = connection.columns_of(entity.schema_name, PROFILES.name) or []
    own = {column.name for column in PROFILES.columns}
    types = {name: exp.DataType.build(text, dialect=connection.dialect, udt=True) for name, text in there}
    return {name: family_of(type_) for name, type_ in types.items() if name not in own}


def _count(work: Work, attributes: list[str]) -> None:
    """Counts all attributes in one scan."""
    columns = [exp.column(name, table="p", quoted=True) for name in attributes]
    profiles = exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True)
    counts = [exp.Count(this=counted) for counted in (exp.Star(), *columns)]
    ((rows, *filled),) = work.fetch(from_tree("counts.count", exp.select(*counts).from_(profiles)))
    figures = {
        "attribute_id": pa.array(attributes, pa.string()),
        "entities": pa.array(filled, pa.int64()),
        "nulls": pa.array([rows - count for count in filled], pa.int64()),
    }
    work.run(SQL["forget_counts"])
    work.connection.load("attribute_figures", pa.table(figures))
    work.run(SQL["add_counts"], now=work.now)
    work.connection.unload("attribute_figures")
    work.measure(attributes_counted=len(attributes))


def _count_values(work: Work, entity: Entity, families: dict[str, str | None]) -> None:
    pii = {attribute.id for attribute in entity.attributes if attribute.pii}
    counted = [
        SQL["values_of_one"].bind(
            {},
            attribute_id=exp.Literal.string(name),
            column=exp.column(name, table="p", quoted=True),
            most=exp.Literal.number(MOST_VALUES),
        )
        for name, family in families.items()
        if family in _COUNTED and name not in pii
    ]
    work.run(SQL["forget_value_counts"])
    rows = 0
    for each in counted:
        query = exp.Subquery(this=each.tree)
        rows += work.run(SQL["add_value_counts"], {"counted": query}, now=work.now)
    work.measure(values_counted=rows)

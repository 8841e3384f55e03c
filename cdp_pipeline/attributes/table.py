"""The table `<kind>.profiles` and the view `<kind>.attributes`, whose columns are the project's attributes.

One row of the table is an entity that owns at least one event, with one typed column for each attribute that is shown.
One row of the view is one attribute of such an entity, its value as jsonb. A table whose columns are not those of the
definitions is made again as a whole: all of it has to be calculated anyway, and no column of it is ever half filled.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from cdp_pipeline.attributes.attribute_types import json_time
from cdp_pipeline.attributes.calculation import Calculation
from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.attributes.plan import SQL, named
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.tables import ATTRIBUTES, KIND, PROFILES, Column, Table
from cdp_pipeline.warehouse.base import Connection, create_table
from cdp_pipeline.warehouse.stage import Work

VALUES = "profile_values"
_BEFORE, _AFTER = PROFILES.columns[:2], PROFILES.columns[2:]


def profiles_table(calculations: Sequence[Calculation]) -> Table:
    """The table of the profiles, with the columns of these attributes."""
    own = tuple(Column(calculation.id, calculation.type.sql("postgres")) for calculation in calculations)
    return replace(PROFILES, columns=(*_BEFORE, *own, *_AFTER))


def has_columns_of(connection: Connection, schema: str, calculations: Sequence[Calculation]) -> bool:
    """Whether the table is there with the columns of these attributes, in their order and with their types."""
    nulls = [
        exp.alias_(exp.cast(exp.null(), exp.DataType.build(column.type, dialect="postgres")), column.name, quoted=True)
        for column in profiles_table(calculations).columns
    ]
    return connection.columns_of(schema, PROFILES.name) == connection.describe(named("columns", exp.select(*nulls)))


def make_table(work: Work, calculations: Sequence[Calculation]) -> None:
    """Makes the table, empty, in the place of the one that is there; the view over that one goes with it."""
    work.run(SQL["drop_attributes"])
    work.run(SQL["drop_profiles"])
    work.run(from_tree("profiles.create", create_table(profiles_table(calculations), KIND)))


def make_view(work: Work, calculations: Sequence[Calculation]) -> None:
    """Makes the long form of the profiles."""
    queries = [_long(calculation) for calculation in calculations]
    nobody = exp.cast(exp.null(), "jsonb")
    body = (
        exp.union(*queries, distinct=False)
        if len(queries) > 1
        else (queries or [_row("", nobody).where(exp.false())])[0]
    )
    view = exp.Create(this=exp.table_(ATTRIBUTES.name, db=KIND), kind="VIEW", replace=True, expression=body)
    work.run(named("create_attributes", view))


def _long(calculation: Calculation) -> exp.Select:
    value: exp.Expr = exp.column(calculation.id, table="p", quoted=True)
    family = family_of(calculation.type)
    if family in ("time", "timestamp"):
        value = json_time(value, family)
    return _row(calculation.id, exp.func("cdp_json_double" if family == "double" else "cdp_to_json", value))


def _row(attribute: str, value: exp.Expr) -> exp.Select:
    return exp.select(
        exp.column("entity_id", table="p"),
        exp.alias_(exp.Literal.string(attribute), "attribute_id"),
        exp.alias_(value, "value"),
        exp.column("calculated", table="p"),
    ).from_(exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True))


def make_values(work: Work, calculations: Sequence[Calculation]) -> None:
    """Makes the temporary table into which the attributes are calculated."""
    types = [("entity_id", exp.DataType.build("uuid")), *((each.id, each.type) for each in calculations)]
    columns = [exp.ColumnDef(this=exp.to_identifier(name, quoted=True), kind=type_.copy()) for name, type_ in types]
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    target = exp.Schema(this=exp.to_table(VALUES), expressions=columns)
    work.run(named("create_values", exp.Create(this=target, kind="TABLE", properties=temporary)))

"""The table `<kind>.profiles` and the view `<kind>.attributes`, whose columns are the project's attributes.

One row of the table is an entity that owns at least one event, with one typed column for each attribute that is shown.
One row of the view is one attribute of such an entity, its value as jsonb. The columns follow the project: a table that
has other ones is made again with what it holds of those that stay; a new column is filled in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from cdp_pipeline.attributes.attribute_types import json_time
from cdp_pipeline.attributes.calculation import Calculation
from cdp_pipeline.attributes.families import family_of
from cdp_pipeline.attributes.plan import SQL, named
from cdp_pipeline.sql.statements import Statement, from_tree
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
    return connection.columns_of(schema, PROFILES.name) == connection.describe(_as_nulls(calculations))


def _as_nulls(calculations: Sequence[Calculation]) -> Statement:
    """A query with the columns of the table, by which an engine tells its own names of their types."""
    nulls = [
        exp.alias_(exp.cast(exp.null(), exp.DataType.build(column.type, dialect="postgres")), column.name, quoted=True)
        for column in profiles_table(calculations).columns
    ]
    return named("columns", exp.select(*nulls))


def make_table(work: Work, calculations: Sequence[Calculation], *, empty: bool) -> set[str]:
    """Makes the table in the place of the one that is there; the view over that one goes with it.

    Args:
        work: the stage.
        calculations: the attributes that are its columns.
        empty: whether it begins empty; if not, with the columns that stay, of the same type, as they were.

    Returns:
        The columns that are not filled.
    """
    schema = work.spec.schemas[KIND]
    before = work.connection.columns_of(schema, PROFILES.name)
    if before is None or empty:
        _make_empty_table(work, calculations)
        return {calculation.id for calculation in calculations}
    wanted = work.connection.describe(_as_nulls(calculations))
    staying = [exp.to_identifier(name, quoted=True) for name, type_name in wanted if (name, type_name) in before]
    kept = exp.select(*(exp.column(name.copy(), table="p") for name in staying))
    kept = kept.from_(exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True))
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    made = exp.Create(this=exp.to_table("kept_profiles"), kind="TABLE", expression=kept, properties=temporary)
    work.run(named("keep", made))
    _make_empty_table(work, calculations)
    again = exp.select(*(exp.column(name.copy(), table="k") for name in staying)).from_("kept_profiles as k")
    work.run(named("put_back", exp.insert(again, exp.table_(PROFILES.name, db=KIND), columns=staying)))
    return {calculation.id for calculation in calculations} - {name.name for name in staying}


def _make_empty_table(work: Work, calculations: Sequence[Calculation]) -> None:
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


def make_values(work: Work, calculations: Sequence[Calculation], name: str = VALUES) -> None:
    """Makes a temporary table into which attributes are calculated."""
    types = [("entity_id", exp.DataType.build("uuid")), *((each.id, each.type) for each in calculations)]
    columns = [exp.ColumnDef(this=exp.to_identifier(column, quoted=True), kind=type_.copy()) for column, type_ in types]
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    target = exp.Schema(this=exp.to_table(name), expressions=columns)
    work.run(named("create_values", exp.Create(this=target, kind="TABLE", properties=temporary)))

"""Looks for values in every table of a project: what is left of somebody who was erased."""

from uuid import UUID

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.rejected_text import SHORTEST, is_word
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import from_tree
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection, type_class


def search_everywhere(connection: Connection, project: Project, looked_for: list[tuple[str, UUID]]) -> dict[str, int]:
    """In how many rows of which column one of the values stands as a word of its own, or the id of its identifier.

    Every table is read once. Values of fewer than four characters are looked for by the identifier's id alone.
    """
    texts = [text for value, identifier in looked_for for text in (value, str(identifier)) if len(text) >= SHORTEST]
    found: dict[str, int] = {}
    kinds = [(kind, (*tables.OF_A_KIND, tables.PROFILES)) for kind in project.entities]
    for kind, of_scope in ((next(iter(project.entities)), tables.SHARED), *kinds):
        for table in of_scope:
            schema = schemas_of(project, kind)[table.scope]
            for column, rows in _search(connection, schema, table, texts).items():
                found[f"{schema}.{table.name}.{column}"] = rows
    return found


def _search(connection: Connection, schema: str, table: Table, texts: list[str]) -> dict[str, int]:
    columns = [
        name
        for name, type_name in connection.columns_of(schema, table.name) or []
        if type_class(type_name, connection.dialect) in ("text", "json", "array", "other")
    ]
    counts: dict[str, int] = {}
    for name in columns if texts else ():
        as_text = exp.func("lower", exp.cast(exp.column(name, table="t", quoted=True), "text"))
        holds = exp.or_(*(exp.func("strpos", as_text.copy(), exp.Literal.string(text.lower())) > 0 for text in texts))
        query = exp.select(exp.cast(exp.column(name, table="t", quoted=True), "text"))
        query = query.from_(exp.alias_(exp.table_(table.name, db=schema, quoted=True), "t", table=True)).where(holds)
        rows = connection.fetch(from_tree(f"search.{table.name}", query))
        said = sum(any(is_word(text, row[0]) for text in texts) for row in rows)
        if said:
            counts[name] = said
    return counts

"""What an engine says of the types of expressions.

They are asked over relations without rows, so that nothing but the expression decides, and an answer holds for as long
as the process runs. Definitions are read several times in a run, and most of them never change between runs.
"""

from sqlglot import exp

from cdp_pipeline.attributes.language import at_no_time
from cdp_pipeline.sql.statements import KEPT_TEXTS, from_tree
from cdp_pipeline.warehouse.base import Connection

_TOLD: dict[tuple[str, exp.Expr], dict[str, exp.DataType]] = {}


def types_told(connection: Connection, name: str, query: exp.Expr) -> dict[str, exp.DataType]:
    """The columns of a query with their types.

    Args:
        connection: whose engine tells them.
        name: how errors call the query.
        query: a query over relations without rows; it may read the clock and context values.

    Raises:
        WarehouseError: the engine knows no such function or operator for these types.
    """
    query = at_no_time(query)
    key = connection.dialect, query
    told = _TOLD.get(key)
    if told is None:
        told = {
            column: exp.DataType.build(type_name, dialect=connection.dialect, udt=True)
            for column, type_name in connection.describe(from_tree(f"profiles.{name}", query))
        }
        if len(_TOLD) >= KEPT_TEXTS:
            _TOLD.clear()  # of several threads one may do so while another reads
        _TOLD[key] = told
    return {column: type_.copy() for column, type_ in told.items()}

"""Expressions that give several rows for one: `jsonb_array_elements(payload->'items') ->> 'sku'`.

Such an expression is two: the array whose elements are the rows, and what is worked out of each element, which is named
`value` there. So the rows are made by one LATERAL join, on every engine.
"""

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql import table_functions
from cdp_pipeline.sql.forms import rewrite_up
from cdp_pipeline.sql.functions import ARRAYS
from cdp_pipeline.sql.kinds import type_of_kind
from cdp_pipeline.sql.table_functions import VALUE, array_of

_CHOOSING = (exp.Case, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least)


def split(tree: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """Splits an expression that gives several rows for one.

    Returns:
        An array whose elements are the rows, and an expression over the column `value`, which is an element; None when
        the expression gives one row for one.

    Raises:
        SqlError: it gives rows in two ways, or where a value is chosen.
    """
    calls = [node for node in tree.walk() if is_set_returning(node)]
    if not calls:
        return None
    call = calls[0]
    if len(calls) > 1:
        raise SqlError(f"`{tree.sql('postgres')}` gives rows in {len(calls)} ways.", "Take one array apart.")
    if call.find_ancestor(*_CHOOSING) is not None:
        raise SqlError(f"`{call.sql('postgres')}` stands where a value is chosen.", "Choose between arrays instead.")
    found = array_of(call)
    if found is None:
        raise SqlError(f"`{call.sql('postgres')}` takes one array.")
    array, _, kind = found
    value = exp.column(VALUE)
    value.type = type_of_kind(kind)
    return array.copy(), rewrite_up(tree.copy(), lambda node: value.copy() if node == call else node)


def is_set_returning(node: exp.Expr) -> bool:
    """Whether the node is a call that gives several rows."""
    return isinstance(node, exp.Unnest) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in (*ARRAYS, "unnest")
    )


def elements(array: exp.Expr, alias: str = "elements") -> exp.Lateral:
    """The elements of an array as a table for `cross join`: LATERAL, with the columns `value` and `place` (from 1)."""
    name = exp.TableAlias(this=exp.to_identifier(alias))
    return exp.Lateral(this=exp.Subquery(this=table_functions.elements(array)), alias=name)

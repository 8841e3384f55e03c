"""A user's query for many entities at once: one statement, in which each entity's query sees that entity's rows only.

The query stands whole in a LATERAL join; the tables that it reads are bound to those of their rows that are the
entity's. So it means for each entity what it would mean alone: a LIMIT, a window or an aggregate over no rows too.
"""

from collections.abc import Mapping

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.aggregates import is_aggregate
from cdp_pipeline.sql.kinds import kind_of
from cdp_pipeline.sql.queries import Query

ENTITY, PLACE = "entity_id", "place"
_OUTER, _INNER, _ROWS = "cdp_entity", "cdp_query", "cdp_rows"
_OUTER_ID = "cdp_entity_id"


def per_entity(query: Query, entities: exp.Expr, tables: Mapping[str, exp.Expr]) -> exp.Select:
    """The query's rows for each entity: `entity_id`, the query's columns, and `place`.

    `place` counts each entity's rows from 1, in the query's order; ties, and a query without an order, are ordered by
    the values themselves.

    Args:
        query: a query that was read with the columns of its tables.
        entities: a table, or a query in brackets, with a column `entity_id`: each entity once.
        tables: for each table that the query reads the one that holds the rows of all entities: it has `entity_id`
            and the columns that the query was read with.

    Raises:
        SqlError: a column of the query is named `entity_id` or `place`.
    """
    _check_columns(query)
    of_entity = exp.column(_OUTER_ID, table=_OUTER)
    tree = _placed(query)
    for mention in _mentions(tree, query):
        rows = _columns_of(query, mention.name, tables[mention.name])
        rows = rows.where(exp.column(ENTITY, table=_ROWS).eq(of_entity.copy()), copy=False)
        mention.replace(rows.subquery(mention.alias_or_name, copy=False))
    outer = exp.select(exp.alias_(exp.column(ENTITY, table="cdp_e"), _OUTER_ID)).from_(
        exp.alias_(entities.copy(), "cdp_e", table=True)
    )
    columns = [exp.column(name, table=_INNER, quoted=True) for name in (*query.columns, PLACE)]
    return (
        exp.select(exp.alias_(of_entity, ENTITY, quoted=True), *columns)
        .from_(outer.subquery(_OUTER))
        .join(exp.Lateral(this=exp.Subquery(this=tree), alias=_alias(_INNER)), join_type="cross", copy=False)
    )


def over_everyone(query: Query, tables: Mapping[str, exp.Expr]) -> exp.Select:
    """The query's rows over the rows of all entities: the query's columns, and `place`.

    Args:
        query: a query that was read with the columns of its tables, `entity_id` among them where it may be seen.
        tables: each table that the query reads.

    Raises:
        SqlError: a column of the query is named `place`.
    """
    tree = _placed(query)
    for mention in _mentions(tree, query):
        rows = _columns_of(query, mention.name, tables[mention.name])
        mention.replace(rows.subquery(mention.alias_or_name, copy=False))
    return tree


def _check_columns(query: Query) -> None:
    taken = [name for name in query.columns if name in (ENTITY, PLACE)]
    if taken:
        raise SqlError(f"A column of the query cannot be named `{taken[0]}`.", "Write: … as another_name.")


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name))


def _mentions(tree: exp.Expr, query: Query) -> list[exp.Table]:
    return [table for table in tree.find_all(exp.Table) if table.name in query.reads and not table.db]


def _columns_of(query: Query, name: str, table: exp.Expr) -> exp.Select:
    columns = query.tables[name]
    if columns is None:
        raise ValueError(f"the query was read without the columns of {name}")
    rows = exp.alias_(table.copy(), _ROWS, table=True)
    return exp.select(*(exp.column(column, table=_ROWS, quoted=True) for column in columns)).from_(rows)


def _placed(query: Query) -> exp.Select:
    """The query with `place`, and its LIMIT by that."""
    tree = query.tree.copy()
    _be_sure_of_one_row(tree)
    limit, offset = (_number(tree.args.get(name)) for name in ("limit", "offset"))
    for clause in ("limit", "offset"):
        tree.set(clause, None)
    keys = _keys(tree)
    names = _names_of(tree, query)
    inner = tree if isinstance(tree, exp.Subquery) else exp.Subquery(this=tree)
    inner.set("alias", _alias("cdp_given"))
    given = {name: exp.column(own, table="cdp_given", quoted=True) for name, own in names.items()}
    ties = [
        exp.Ordered(this=by, nulls_first=False)
        for column, kind in zip(given.values(), query.kinds, strict=True)
        for by in _comparable(column, kind)
    ]
    place = exp.Window(
        this=exp.Anonymous(this="row_number", expressions=[]), order=exp.Order(expressions=[*keys, *ties])
    )
    values = [exp.alias_(column.copy(), name, quoted=True) for name, column in given.items()]
    placed = exp.select(*values, exp.alias_(place, PLACE, quoted=True)).from_(inner, copy=False)
    return placed if limit is None and not offset else _limited(placed, limit, offset or 0)


def _limited(placed: exp.Select, limit: int | None, offset: int) -> exp.Select:
    place = exp.column(PLACE, table="cdp_placed", quoted=True)
    names = [projection.alias for projection in placed.expressions[:-1]]
    columns = [exp.column(name, table="cdp_placed", quoted=True) for name in names]
    counted = exp.Sub(this=place, expression=exp.Literal.number(offset))
    rows = exp.select(*columns, exp.alias_(counted, PLACE, quoted=True)).from_(placed.subquery("cdp_placed"))
    rows = rows.where(exp.GT(this=place.copy(), expression=exp.Literal.number(offset)), copy=False)
    if limit is not None:
        rows = rows.where(exp.LTE(this=place.copy(), expression=exp.Literal.number(offset + limit)), copy=False)
    return rows


def _number(clause: exp.Expr | None) -> int | None:
    return None if clause is None else int(clause.expression.name)


def _names_of(tree: exp.Query, query: Query) -> dict[str, str]:
    """For each of the query's columns the name that it has in the tree."""
    selects = [projection.alias for projection in tree.selects if not projection.alias.startswith("cdp_key")]
    return dict(zip(query.columns, selects, strict=True))


def _keys(tree: exp.Query) -> list[exp.Expr]:
    """Takes the query's order out of it: what it is ordered by becomes columns, and the order is by these."""
    order = tree.args.get("order")
    if order is None:
        return []
    keys: list[exp.Expr] = []
    for number, part in enumerate(order.expressions):
        name = part.this.name if isinstance(part.this, exp.Column) and not part.this.table else f"cdp_key_{number}"
        if name.startswith("cdp_key"):
            same = [p.alias for p in tree.expressions if isinstance(p, exp.Alias) and p.this == part.this]
            name = same[0] if same else name
            if not same:
                tree.append("expressions", exp.alias_(part.this.copy(), name, quoted=True))
        column = exp.column(name, table="cdp_given", quoted=True)
        keys += [exp.Ordered(this=by, **_direction(part)) for by in _comparable(column, kind_of(part.this))]
    distinct = tree.args.get("distinct")
    if not isinstance(distinct, exp.Distinct) or not distinct.args.get("on"):  # of UNION it is a boolean
        tree.set("order", None)
    return keys


def _direction(part: exp.Expr) -> dict[str, object]:
    return {"desc": part.args.get("desc"), "nulls_first": part.args.get("nulls_first")}


def _comparable(column: exp.Expr, kind: str | None) -> list[exp.Expr]:
    """What a column is ordered by: JSON by its text."""
    text = exp.Anonymous(this="cdp_json_order", expressions=[column.copy()])
    return [column.copy()] if kind not in (None, "jsonb") else [text, column.copy()]


def _be_sure_of_one_row(tree: exp.Query) -> None:
    """Makes an aggregate over no rows one row everywhere.

    DuckDB 1.5.5 loses that row below an ORDER BY, DISTINCT or UNION in a LATERAL join when all that is calculated from
    the aggregates is NULL where they are. `coalesce(x, null)` is x, and hides that from it.
    """
    for select in tree.find_all(exp.Select):
        if select.args.get("group") or not any(_aggregates(part) for part in _after_grouping(select)):
            continue
        for projection in select.expressions:
            value = projection.unalias()
            value.replace(exp.Coalesce(this=value.copy(), expressions=[exp.null()]))


def _after_grouping(select: exp.Select) -> list[exp.Expr]:
    clauses = [select.args[name] for name in ("having", "order") if select.args.get(name)]
    return [*select.expressions, *clauses]


def _aggregates(node: exp.Expr) -> bool:
    """Whether the node calculates one value from all rows of its query."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        return any(_aggregates(child) for child in node.this.iter_expressions())
    if is_aggregate(node):
        return True
    return any(_aggregates(child) for child in node.iter_expressions())

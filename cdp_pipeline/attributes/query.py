"""One statement for all attributes of a kind: every event is read once and each place of its payload once.

    events, or a meta-attribute (f) ── columns of each row (e) ──┬── aggregates of each entity (m) ──┬── results (v)
                                              │                  └── tallies of one column (t) ──────┘
                                              └── elements of a column (f) ── …

The rows' columns stay within the statement, so that an engine keeps no more of them than it must, and payloads are let
go as soon as their places are read. Who has no rows of a relation has what PostgreSQL's aggregate gives over none.
"""

from collections.abc import Sequence

from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation
from cdp_pipeline.attributes.families import EXACT, family_of
from cdp_pipeline.attributes.plan import SQL, Part, Plan, Rows
from cdp_pipeline.sql.json_paths import hoist_paths
from cdp_pipeline.sql.shared_parts import share_parts


def results_query(plan: Plan, calculations: Sequence[Calculation], owned: exp.Expr) -> exp.Select:
    """One row for each entity: its id and its attributes.

    Args:
        plan: what the calculations need.
        calculations: the attributes.
        owned: the query of the events to read, with their entities.
    """
    results = [exp.alias_(calculation.tree.copy(), calculation.id, quoted=True) for calculation in calculations]
    query = exp.select(exp.column("entity_id", table="v"), *results).from_(
        _aggregates(plan).subquery("v", copy=False), copy=False
    )
    return with_rows(query, plan, plan.rows, owned)


def with_rows(query: exp.Select, plan: Plan, needed: Sequence[Rows], owned: exp.Expr) -> exp.Select:
    """The query with the rows that it mentions, each with its columns; parents come before their elements."""
    for rows in needed:
        query = query.with_(rows.name, as_=_rows(plan, rows, owned), copy=False)
    return query


def _rows(plan: Plan, rows: Rows, owned: exp.Expr) -> exp.Select:
    source, placed = with_places(plan, rows, owned, [part.tree for part in rows.columns])
    source, trees = _with_shared(source, placed) if plan.json_is_text else (source, placed)
    keys = [
        exp.alias_(exp.column(source_name, table="f"), name)
        for name, source_name in zip(rows.key_columns, rows.key_sources, strict=True)
    ]
    columns = [exp.alias_(tree, part.name) for part, tree in zip(rows.columns, trees, strict=True)]
    return exp.select(exp.column("entity_id", table="f"), *keys, *columns).from_(source)


def with_places(plan: Plan, rows: Rows, owned: exp.Expr, trees: Sequence[exp.Expr]) -> tuple[exp.Expr, list[exp.Expr]]:
    """The rows with every place of their JSON that the trees read, and the trees over it; both name it `f`."""
    lists: list[exp.Expr] = []
    placed = list(trees)
    for name, type_ in rows.known.items():
        if family_of(type_) == "jsonb":
            # No name of a user's begins with a line, so that it cannot be one of these.
            hoisted = hoist_paths(placed, exp.column(name, table="f"), f"_{name}", needed=plan.json_is_text)
            placed = hoisted.trees
            lists += [exp.alias_(tree, list_name) for list_name, tree in hoisted.lists]
    source = _source(rows, owned)
    if lists:
        kept = [exp.column(name, table="f") for name in ("entity_id", *rows.readable)]
        source = exp.select(*kept, *lists).from_(source).subquery("f")
    return source, placed


def _with_shared(source: exp.Expr, trees: Sequence[exp.Expr]) -> tuple[exp.Expr, list[exp.Expr]]:
    """The rows with what the trees have in common, and the trees over that; both name it `f`."""
    shared = share_parts(trees, "_shared")
    for level in shared.levels:
        columns = [exp.alias_(tree, name) for name, tree in level]
        query = exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier("f")), *columns)
        source = query.from_(source).subquery("f")
    return source, shared.trees


def _source(rows: Rows, owned: exp.Expr) -> exp.Expr:
    if rows.parent is not None:
        return _elements(*rows.parent).subquery("f")
    return _as(owned, "f") if rows.table is None else exp.alias_(exp.to_table(rows.table), "f", table=True)


def _elements(parent: Rows, array: exp.Column) -> exp.Select:
    """The elements that a column of the parent's rows holds, with that row's keys and columns."""
    names = ["entity_id", *parent.key_columns, *(part.name for part in parent.columns)]
    kept = [exp.column(name, table="e") for name in names]
    query = SQL["elements"].bind({}, array=array, rows=exp.to_table(parent.name)).tree
    assert isinstance(query, exp.Select)
    return query.select(*kept)


def _aggregates(plan: Plan) -> exp.Select:
    base, *others = plan.rows
    found = [exp.alias_(_found(rows, part, base), part.name) for rows in plan.rows for part in rows.aggregates]
    query = exp.select(exp.column("entity_id", table="m"), *found).from_(_main(base).subquery("m", copy=False))
    for rows in others:
        if any(part.tally is None for part in rows.aggregates):
            _join(query, _main(rows), f"m_{rows.name}")
    for rows in plan.rows:
        for part in rows.aggregates:
            if part.tally is not None:
                _join(query, _tally(rows, part), f"t_{part.name}")
    return query


def _main(rows: Rows) -> exp.Select:
    entity = exp.column("entity_id", table="e")
    plain = [exp.alias_(part.tree.copy(), part.name) for part in rows.aggregates if part.tally is None]
    return exp.select(entity, *plain).from_(exp.alias_(exp.to_table(rows.name), "e", table=True)).group_by(entity)


def _tally(rows: Rows, part: Part) -> exp.Expr:
    assert part.tally is not None
    # A weight that could not be worked out was taken as NULL, and NULL weighs 1.
    weigh = part.tally.weight and exp.func("coalesce", part.tally.weight, exp.Literal.number(1))
    weight = exp.Count(this=exp.Star()) if weigh is None else exp.func("cdp_sum", exp.cast(weigh, EXACT))
    table = exp.to_table(rows.name)
    return SQL["tally"].bind({}, rows=table, column=part.tally.value, weight=weight, aggregate=part.tree).tree


def _join(query: exp.Select, joined: exp.Expr, alias: str) -> None:
    same = exp.column("entity_id", table=alias).eq(exp.column("entity_id", table="m"))
    query.join(_as(joined, alias), on=same, join_type="left", copy=False)


def _found(rows: Rows, part: Part, base: Rows) -> exp.Expr:
    """An aggregate; a count over no rows is 0, and everything else NULL."""
    if part.tally is not None:
        return exp.column("value", table=f"t_{part.name}")
    if rows is base:
        return exp.column(part.name, table="m")
    found = exp.column(part.name, table=f"m_{rows.name}")
    return exp.func("coalesce", found, exp.Literal.number(0)) if isinstance(part.tree, exp.Count) else found


def _as(query: exp.Expr, alias: str) -> exp.Expr:
    return exp.Subquery(this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier(alias)))

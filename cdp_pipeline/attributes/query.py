"""One statement for all attributes of a kind: every event is read once and each place of its payload once.

    owned events (f) ── columns of each event (e) ──┬── aggregates of each entity (m) ──┬── results (v)
                                                    └── tallies of one column (t) ──────┘

The events' columns stay within the statement, so that an engine keeps no more of them than it must, and payloads are
let go as soon as their places are read.
"""

from collections.abc import Sequence

from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation
from cdp_pipeline.attributes.plan import KNOWN, SQL, Part, Plan
from cdp_pipeline.sql.json_paths import hoist_paths

_PAYLOAD = exp.column("payload", table="f")


def results_query(plan: Plan, calculations: Sequence[Calculation], owned: exp.Expr) -> exp.Select:
    """One row for each entity: its id and its attributes.

    Args:
        plan: what the calculations need.
        calculations: the attributes.
        owned: the query of the events to read, with their entities.
    """
    results = [exp.alias_(calculation.tree.copy(), calculation.id, quoted=True) for calculation in calculations]
    query = exp.select(exp.column("entity_id", table="v"), *results).from_(_aggregates(plan.aggregates).subquery("v"))
    return query.with_("profile_events", as_=_events(plan, owned))


def _events(plan: Plan, owned: exp.Expr) -> exp.Select:
    keys = [exp.column(name, table="f") for name in ("entity_id", "event_id", "event_time")]
    source, trees = with_places(plan, owned, [part.tree for part in plan.columns])
    columns = [exp.alias_(tree, part.name) for part, tree in zip(plan.columns, trees, strict=True)]
    return exp.select(*keys, *columns).from_(source)


def with_places(plan: Plan, owned: exp.Expr, trees: Sequence[exp.Expr]) -> tuple[exp.Expr, list[exp.Expr]]:
    """The events with every place of the payload that the trees read, and the trees over it; both name it `f`."""
    hoisted = hoist_paths(trees, _PAYLOAD, "payload", needed=plan.json_is_text)
    source = _as(owned, "f")
    if hoisted.lists:
        kept: list[exp.Expr] = [exp.column(name, table="f") for name in ("entity_id", "event_id")]
        kept += [tree.copy() for name, tree in KNOWN.items() if name not in ("entity_id", "event_id")]
        lists = [exp.alias_(tree, name) for name, tree in hoisted.lists]
        source = exp.select(*kept, *lists).from_(source).subquery("f")
    return source, hoisted.trees


def _aggregates(parts: Sequence[Part]) -> exp.Select:
    entity = exp.column("entity_id", table="e")
    plain = [exp.alias_(part.tree.copy(), part.name) for part in parts if part.tally is None]
    main = (
        exp.select(entity, *plain).from_(exp.alias_(exp.to_table("profile_events"), "e", table=True)).group_by(entity)
    )
    found = [exp.alias_(_found(part), part.name) for part in parts]
    query = exp.select(exp.column("entity_id", table="m"), *found).from_(main.subquery("m", copy=False), copy=False)
    for part in parts:
        if part.tally is not None:
            tally = SQL["tally"].bind({}, column=part.tally, aggregate=part.tree).tree
            same = exp.column("entity_id", table=f"t_{part.name}").eq(exp.column("entity_id", table="m"))
            query.join(_as(tally, f"t_{part.name}"), on=same, join_type="left", copy=False)
    return query


def _found(part: Part) -> exp.Column:
    return exp.column(part.name, table="m") if part.tally is None else exp.column("value", table=f"t_{part.name}")


def _as(query: exp.Expr, alias: str) -> exp.Expr:
    return exp.Subquery(this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier(alias)))

"""The stage `<kind>/event_identifiers`: which identifiers each event carries, the most important first.

Each stitching rule that matches an event gives values: a scalar one, an array one for each element. A value is
normalised, then it must be valid and not blocked; what is left is hashed once per distinct value. Among identifiers of
equal importance the earlier rule's comes first, then the earlier in the array. A JSON object, an array within an array
and a number with a fraction are no identifiers; they are counted as invalid. An event without identifiers has no row.
"""

import hashlib
import json
from datetime import date
from functools import lru_cache

import sqlglot
from sqlglot import exp

from cdp_pipeline.config.model import Entity, Project, StitchingRule
from cdp_pipeline.errors import InvariantError, WarehouseError
from cdp_pipeline.events.culprit import explain_failure
from cdp_pipeline.events.identifier_values import add_readings, list_values, whole_numbers
from cdp_pipeline.events.landing import Days
from cdp_pipeline.events.stitching_rules import bind_event, rule_condition
from cdp_pipeline.events.tombstones import blank_readings
from cdp_pipeline.sql.json_paths import hoist_paths
from cdp_pipeline.sql.statements import KEPT_TEXTS, Statement, Statements, from_tree
from cdp_pipeline.warehouse.base import Connection, type_class
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "event_identifiers.sql")
INVARIANTS = ("every event once", "every row's event exists", "the anchor is the first identifier")
_RULES_PER_TYPE = 10_000
_PLACES_PER_RULE = 100_000
_EVENTS_AT_ONCE = 2_500_000  # DuckDB keeps lists that are being gathered in memory
_FOUND = sqlglot.parse_one(
    "(i.event_id, i.arrived_on) in (select x.event_id, x.arrived_on from extracted as x)", read="postgres"
)
_CHANGED = sqlglot.parse_one(
    "(e.event_id, e.arrived_on) in (select c.event_id, c.arrived_on from changed_events as c)", read="postgres"
)
# Keys of a type that say what its links do; which identifiers an event carries does not depend on them.
_OF_THE_MAP = {"max_per_entity", "max_links", "bridge", "when_shared"}


def event_identifiers_spec(project: Project, kind: str) -> StageSpec:
    """The stage that finds the identifiers of a kind of entity in events."""
    entity = project.entities[kind]
    parts = [
        entity.model_dump(
            mode="json", include={"identifiers", "stitching"}, exclude={"identifiers": {"__all__": _OF_THE_MAP}}
        )
    ]
    definition = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    return StageSpec(f"{kind}/event_identifiers", kind, schemas, ("cdp/customer_events",), definition, None, INVARIANTS)


def identify_events(
    connection: Connection, project: Project, kind: str, run: Run, *, days: Days | None = None, full: bool = False
) -> Facts:
    """Works out the identifiers of the events that changed.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        days: days of arrival to do again as well, whatever changed.
        full: do all events again.

    Raises:
        InvariantError: the result breaks an invariant; nothing was written.
        WarehouseError: a rule cannot be worked out for an event; both are named, and nothing was written.
    """
    entity = project.entities[kind]
    spec = event_identifiers_spec(project, kind)
    try:
        with stage(connection, spec, run, full=full) as work:
            if work.due is Due.NOTHING and days is None:
                return work.facts
            if work.due is Due.NOTHING:
                work.facts.due = Due.CHANGES
            _find(work, entity, days)
            _write(work)
            _measure(work)
    except WarehouseError as error:
        if isinstance(error, InvariantError) or error.transient:
            raise
        raise explain_failure(connection, spec, entity, error) from error
    return work.facts


def _find(work: Work, entity: Entity, days: Days | None) -> None:
    first, final = (days.first, days.last) if days is not None else (date.max, date.max)
    if work.due is not Due.ALL:
        work.run(SQL["changed"], since=work.since, first_day=first, final_day=final)
    if entity.stitching:
        find_readings(work, entity)
        blank_readings(work, entity.kind)
    else:
        work.run(SQL["make_occurrences"])
        work.run(SQL["make_readings"])
        work.run(SQL["nothing_extracted"])
    work.run(SQL["found"])


def find_readings(work: Work, entity: Entity) -> None:
    """Finds what the rules of a kind read in events, in those of `changed_events` where not all is due.

    It makes the temporary tables `extracted` (the events), `occurrences` (their values) and `readings`: the distinct
    values, with what becomes of each.
    """
    work.run(SQL["make_occurrences"])
    work.run(SQL["make_readings"])
    _extract(work, entity)
    for priority, identifier in enumerate(entity.identifiers):
        work.run(add_readings(priority, identifier))


def _write(work: Work) -> None:
    if work.due is Due.ALL:
        work.run(SQL["remove_all"])
    else:
        work.run(SQL["log_removed"], since=work.since, number=work.number)
        work.run(SQL["remove"], since=work.since)
    identified = 0
    for first in range(0, work.scalar(SQL["last_event_number"]) + 1, _EVENTS_AT_ONCE):
        identified += work.run(SQL["add"], number=work.number, first=first, final=first + _EVENTS_AT_ONCE - 1)
    work.measure(events_identified=identified)
    work.run(SQL["add_values"])


def _measure(work: Work) -> None:
    names = ("occurrences", "invalid_values", "blocked_values")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))
    for day, events in work.fetch(SQL["figures_by_day"]):
        work.facts.days[day] = {"identified events": events}
    concerned = exp.true() if work.due is Due.ALL else _FOUND
    work.facts.invariants["every event once"] = work.fetch(SQL["doubled_events"], {"concerned": concerned})[0][0]
    work.must_be_empty("every row's event exists", SQL["orphans"], number=work.number)
    work.must_be_empty("the anchor is the first identifier", SQL["unanchored"], number=work.number)


def _rule_values(rule: StitchingRule) -> tuple[exp.Expr, exp.Expr]:
    """A rule's value, and the kind of JSON it is read from (NULL where it is not read from JSON as it stands)."""
    value = bind_event(rule.value)
    kind: exp.Expr = exp.null()
    while isinstance(value, exp.Paren):
        value = value.this
    if isinstance(value, exp.Anonymous) and value.name.lower() == "cdp_path_text":
        kind = exp.Anonymous(this="cdp_path_kind", expressions=[part.copy() for part in value.expressions])
    condition = rule_condition(rule)
    return (value if condition is None else exp.Case().when(condition, value)), kind


def _extract(work: Work, entity: Entity) -> None:
    """Reads all the rules' values in one scan of the events, then lists them one by one."""
    values = [tree for rule in entity.stitching for tree in _rule_values(rule)]
    hoisted = hoist_paths(values, exp.column("payload", table="e"), "cdp", needed=work.connection.json_is_text)
    inner = exp.select(
        "e.event_id", "e.arrived_on", "e.event_time", "e.landed_from", "e.source_id", "e.type", "e.version"
    )
    inner = inner.select("e.payload", *(exp.alias_(tree, name) for name, tree in hoisted.lists))
    inner = inner.from_(exp.alias_(exp.table_("customer_events", "cdp"), "e"))
    if work.due is not Due.ALL:
        inner = inner.where(_CHANGED)
    conditions = [rule_condition(rule) for rule in entity.stitching]
    if None not in conditions:
        inner = inner.where(exp.or_(*(condition for condition in conditions if condition is not None)))
    columns = [exp.alias_(tree, f"{'vk'[n % 2]}{n // 2}") for n, tree in enumerate(hoisted.trees)]
    event = ("row_number() over () as event_number", "e.event_id", "e.arrived_on", "e.event_time")
    query = exp.select(*event, *columns).from_(inner.subquery("e"))
    made = exp.Create(this=exp.to_table("extracted"), kind="TABLE", expression=query)
    made.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    work.run(from_tree("event_identifiers.extracted", made))
    described = work.connection.describe(from_tree("describe", exp.select("*").from_("extracted")))
    types = {name: type_class(type_name, work.connection.dialect) for name, type_name in described}
    for number, rule in enumerate(entity.stitching):
        work.run(_add_occurrences(number, entity.priority(rule.identifier), types[f"v{number}"]))


@lru_cache(maxsize=KEPT_TEXTS)
def _add_occurrences(number: int, priority: int, value_class: str) -> Statement:
    tree = exp.insert(_occurrences(number, priority, value_class), "occurrences")
    return Statement("occurrences.add", tree, built_for=(number, priority, value_class))


def _occurrences(number: int, priority: int, value_class: str) -> exp.Select:
    """The values that one rule found, one row each."""
    value, kind = exp.column(f"v{number}", table="x"), exp.column(f"k{number}", table="x")
    source: exp.Select = exp.select("x.event_number").from_("extracted as x")
    source = source.where(value.is_(exp.null()).not_())
    return _ranked(list_values(source, value, value_class, kind), number, priority)


def _ranked(source: exp.Select, number: int, priority: int) -> exp.Select:
    rank = (priority * _RULES_PER_TYPE + number) * _PLACES_PER_RULE
    kind = whole_numbers(exp.column("kind", table="o"), exp.column("value", table="o"))
    ranked = exp.alias_(exp.Add(this=exp.Literal.number(rank), expression=exp.column("place", table="o")), "rank")
    importance = exp.alias_(exp.Literal.number(priority), "priority")
    query = exp.select("o.event_number", ranked, importance, "o.value", exp.alias_(kind, "kind"))
    return query.from_(source.subquery("o")).where("o.value is not null")

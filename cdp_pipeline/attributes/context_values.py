"""Context values: named values worked out over everyone, kept as text with their history.

One is worked out again when it was never worked out by this query, when it is older than its `max_age`, and when
somebody set its `modified` to NULL. In between its recorded value is an input like any other, so a rebuild gives what
was published. In a rehearsal its age alone makes none due.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlglot import exp

from cdp_pipeline.attributes.calculation import Calculation
from cdp_pipeline.attributes.definition_errors import first_line
from cdp_pipeline.attributes.graph import EVENTS, PROFILES, Graph, Node
from cdp_pipeline.attributes.language import MOST_SECONDS, read_query
from cdp_pipeline.attributes.plan import SQL, events_relation, named, no_rows
from cdp_pipeline.attributes.readable import Readable, table_of_meta
from cdp_pipeline.attributes.states import States
from cdp_pipeline.attributes.types_told import types_told
from cdp_pipeline.config.calculated import ContextValue
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.sql.per_entity import over_everyone
from cdp_pipeline.sql.queries import Query
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Work

_ENTITY = {"entity_id": exp.DataType.build("uuid")}


@dataclass(frozen=True)
class Recorded:
    """A context value as it stands: the value, the query that gave it, when it was last worked out."""

    value: str | None
    query: str
    modified: datetime | None


class ContextValues:
    """The context values of a kind in a run.

    Attributes:
        values: each key with its current value; None also while there is none.
    """

    def __init__(self, work: Work, entity: Entity, graph: Graph, states: States) -> None:
        """Reads what is recorded."""
        self._work = work
        self._entity = entity
        self._graph = graph
        self._states = states
        self._recorded = {key: Recorded(*row) for key, *row in work.fetch(SQL["context_values"])}
        self.values: dict[str, str | None] = {
            each.key: self._recorded[each.key].value if each.key in self._recorded else None for each in entity.context
        }

    def unmark(self) -> None:
        """Takes away the marks of those who want values worked out again: those that can be are due in this run."""
        self._work.run(SQL["unmark_context"])

    def due(self, layer: int) -> list[ContextValue]:
        """Those of a layer that have to be worked out, in an order in which each comes after what it reads."""
        written = {Node("context", each.key): each for each in self._entity.context}
        nodes = (node for node in self._graph.order if node in written and self._graph.layers[node] == layer)
        return [written[node] for node in nodes if self._is_due(written[node])]

    def ages(self) -> dict[str, datetime]:
        """When each is due again."""
        found = {}
        for each in self._entity.context:
            recorded = self._recorded.get(each.key)
            if recorded is not None and recorded.modified is not None:
                found[each.key] = recorded.modified + timedelta(seconds=each.max_age)
        return found

    def record(self, context: ContextValue, value: str | None) -> bool:
        """Notes what a query gave; whether that is another value than before."""
        before = self._recorded.get(context.key)
        as_of = self._work.current_run.as_of
        values: dict[str, Any] = {"key": context.key, "as_of": as_of}
        if before is not None and before.value == value:
            self._work.run(SQL["confirm_context"], query=context.query, **values)
        else:
            self._work.run(SQL["add_context"], value=value, query=context.query, **values)
        self._recorded[context.key] = Recorded(value, context.query, as_of)
        self.values[context.key] = value
        return before is None or before.value != value

    def _is_due(self, context: ContextValue) -> bool:
        node, recorded = Node("context", context.key), self._recorded.get(context.key)
        if recorded is None or not self._states.is_current(node):
            return True
        if recorded.modified is None or self._work.current_run.rehearsal:
            return recorded.modified is None
        return recorded.modified <= self._work.current_run.as_of - timedelta(seconds=context.max_age)


def context_query(
    connection: Connection, readable: Readable, calculations: Mapping[str, Calculation], context: ContextValue
) -> Query:
    """The query of a context value, read and checked.

    Args:
        connection: the engine that tells the types.
        readable: what can be read of one entity.
        calculations: the attributes that are kept, with their types.
        context: the context value.

    Raises:
        SqlError: it is not allowed, or gives more columns than one, or an array.
        WarehouseError: the engine knows no such function or operator for these types.
    """
    tables = _tables(readable, calculations)
    query = read_query(context.query, tables)
    if len(query.columns) != 1:
        raise SqlError(f"The query gives {len(query.columns)} columns, and a context value is one.")
    if (query.kinds[0] or "").endswith("[]"):
        raise SqlError("The query gives an array, whose text engines write differently.", "Use jsonb_agg.")
    nothing = {name: no_rows(tables[name], name) for name in query.reads}
    types_told(connection, "context_type", _as_text(query, nothing))
    return query


def _tables(readable: Readable, calculations: Mapping[str, Calculation]) -> dict[str, dict[str, exp.DataType]]:
    tables = {name: _ENTITY | dict(meta.relation.columns) for name, meta in readable.metas.items()}
    tables[EVENTS] = _ENTITY | dict(events_relation().columns)
    tables[PROFILES] = _ENTITY | {name: calculation.type for name, calculation in calculations.items()}
    return tables


def work_out(
    work: Work, query: Query, context: ContextValue, profiles: exp.Expr, bind: Callable[[exp.Expr], exp.Expr]
) -> str | None:
    """The value of a context value, as text.

    Args:
        work: the stage; the meta-attributes that the query reads stand there for everyone.
        query: its query.
        context: the context value.
        profiles: the query of everyone's attributes as they are known so far.
        bind: puts the time and other context values in their places.

    Raises:
        SqlError: the query gives more rows than one.
        WarehouseError: it cannot be worked out; the message names it.
    """
    tables: dict[str, exp.Expr] = {name: exp.to_table(table_of_meta(name)) for name in query.reads}
    tables[EVENTS] = exp.Subquery(this=SQL["owned_events"].tree)
    tables[PROFILES] = exp.Subquery(this=profiles)
    tree = bind(_as_text(query, {name: tables[name] for name in query.reads}))
    try:
        with work.connection.bounded(MOST_SECONDS):
            rows = work.fetch(named("context", tree))
    except WarehouseError as error:
        if error.transient:
            raise
        said = f"{work.spec.kind} context value {context.key}: {first_line(error)}."
        raise WarehouseError(f"{said} Nothing was written.", statement=error.statement) from error
    if len(rows) > 1:
        raise SqlError(
            f"{work.spec.kind} context value {context.key}: its query gives more than one row.",
            "Aggregate, or put several values together by jsonb_agg.",
        )
    return None if not rows else rows[0][0]


def _as_text(query: Query, tables: Mapping[str, exp.Expr]) -> exp.Select:
    (name,), (kind,) = query.columns, query.kinds
    column = exp.column(name, table="q", quoted=True)
    text = exp.func("cdp_json_text", column) if kind == "jsonb" else exp.cast(column, "text")
    return exp.select(exp.alias_(text, "value")).from_(over_everyone(query, tables).subquery("q")).limit(2)

"""By what each attribute was worked out last, and so which are due for whom though no event came.

An attribute is due for everyone when its definition, or one that it reads, is another one; when a context value that it
reads became another one; and, if it reads the clock otherwise than to compare it with the time of an event, once a day.
If it reads the clock by such comparisons alone, it is due for those of whom an event crossed a boundary since.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlglot import exp

from cdp_pipeline.attributes.clock_use import clock_uses, is_steady
from cdp_pipeline.attributes.graph import Graph, Node
from cdp_pipeline.attributes.language import at
from cdp_pipeline.attributes.plan import SQL, named
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.events.clock import as_of_now
from cdp_pipeline.warehouse.base import Connection, Row
from cdp_pipeline.warehouse.stage import Work

# Counted up when the same definition begins to give other values, so that everything is worked out again.
METHOD = 2
_NOT_DECIDING = {"description", "hidden", "pii", "max_age"}


@dataclass(frozen=True)
class State:
    """By what a definition was worked out last."""

    definition: str
    as_of: datetime
    due_at: datetime | None


def definition_hashes(entity: Entity, graph: Graph) -> dict[Node, str]:
    """A hash of each definition, and of all that it reads but the context values, whose values tell."""
    written = _written(entity)
    hashes: dict[Node, str] = {}
    for node in graph.order:
        read = [hashes[each] for each in sorted(graph.nodes[node]) if each.kind != "context"]
        text = json.dumps([METHOD, written[node], read], sort_keys=True)
        hashes[node] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


def _written(entity: Entity) -> dict[Node, object]:
    found: dict[Node, object] = {}
    for kind, definitions, key in (
        ("row_helper", entity.row_helpers, "id"),
        ("meta_attribute", entity.meta_attributes, "id"),
        ("context", entity.context, "key"),
        ("attribute", entity.attributes, "id"),
    ):
        for definition in definitions:
            dumped = definition.model_dump(mode="json", exclude=_NOT_DECIDING)
            found[Node(kind, getattr(definition, key))] = dumped  # type: ignore[arg-type]
    return found


class States:
    """The states of a kind's attributes and context values, and what follows from them as of a time."""

    def __init__(self, entity: Entity, graph: Graph, rows: list[Row]) -> None:
        """Takes the rows of `attribute_states`."""
        self._graph = graph
        self._hashes = definition_hashes(entity, graph)
        self._uses = clock_uses(entity, graph)
        self.known = {str(row[0]): State(*row[1:]) for row in rows}
        self._attributes = [node for node in graph.order if node.kind == "attribute"]

    def hash_of(self, node: Node) -> str:
        """The hash of a definition as it is now."""
        return self._hashes[node]

    def changed(self) -> set[Node]:
        """Attributes whose definition, or one that it reads, is another one than it was."""
        return {node for node in self._attributes if not self.is_current(node)}

    def of_another_day(self, as_of: datetime) -> set[Node]:
        """Attributes that are due once a day, and were worked out on another one."""
        return {
            node
            for node in self._attributes
            if self._uses[node].otherwise and self.is_current(node) and _day(self._state(node).as_of) != _day(as_of)
        }

    def agreeing(self, nodes: set[Node]) -> set[Node]:
        """Some definitions with the attributes of once a day that they read, and with what reads those.

        Worked out together they agree with one another in every profile, as of the same moment.
        """
        found = set(nodes)
        while True:
            read = self._graph.read_by(found)
            more = self._graph.readers_of(
                each for each in self._attributes if each in read and self._uses[each].otherwise
            )
            if more <= found:
                return found
            found |= more

    def boundaries(self, as_of: datetime) -> list[tuple[exp.Expr, exp.Expr]]:
        """From where to where the boundaries of windows moved since they were looked at last."""
        moved: dict[tuple[exp.Expr, exp.Expr], None] = {}
        for node in self.with_windows():
            if self.is_current(node) and self._state(node).as_of != as_of:
                for tree in self._uses[node].boundaries:
                    moved[(at(tree, self._state(node).as_of, {}), at(tree, as_of, {}))] = None
        return list(moved)

    def with_windows(self) -> set[Node]:
        """Attributes that compare the clock with the times of events, and read it in no other way."""
        return {node for node in self._attributes if (use := self._uses[node]).boundaries and not use.otherwise}

    def steady_boundaries(self) -> list[exp.Expr]:
        """The boundaries of windows that move on as fast as the clock."""
        trees = (tree for node in self.with_windows() for tree in self._uses[node].boundaries)
        return list(dict.fromkeys(tree for tree in trees if is_steady(tree)))

    def is_due_daily(self, node: Node) -> bool:
        """Whether it has to be looked at each day: it reads the clock otherwise, or a boundary of it moves by jumps."""
        use = self._uses[node]
        return use.otherwise or any(not is_steady(tree) for tree in use.boundaries)

    def is_current(self, node: Node) -> bool:
        """Whether it was worked out by the definition that it has now."""
        state = self.known.get(str(node))
        return state is not None and state.definition == self._hashes[node]

    def _state(self, node: Node) -> State:
        return self.known[str(node)]


def read_states(work: Work, entity: Entity, graph: Graph) -> States:
    """The states as they stand."""
    return States(entity, graph, work.fetch(SQL["states"]))


def write_states(work: Work, states: States, graph: Graph, ages: Mapping[str, datetime]) -> None:
    """Notes that everything is up to date as of the run.

    Args:
        work: the stage.
        states: what was there before.
        graph: the definitions.
        ages: for each context value when it is due again.
    """
    as_of = work.current_run.as_of
    midnight = datetime.combine(_day(as_of) + timedelta(days=1), time(), UTC)
    crossing = _next_crossing(work, states, as_of)
    windows = states.with_windows()
    due: dict[Node, datetime | None] = {}
    for node in graph.order:
        if node.kind == "context":
            due[node] = ages.get(node.id)
        elif node.kind == "attribute":
            due[node] = midnight if states.is_due_daily(node) else crossing if node in windows else None
    hashes = [states.hash_of(node) for node in due]
    work.run(SQL["forget_states"])
    work.run(SQL["add_states"], names=[str(node) for node in due], hashes=hashes, due=list(due.values()), as_of=as_of)


def _next_crossing(work: Work, states: States, as_of: datetime) -> datetime | None:
    """When the next event crosses a boundary."""
    found: list[datetime] = []
    for tree in states.steady_boundaries():
        boundary = exp.paren(at(tree, as_of, {}))
        rows = work.fetch(SQL["next_crossing"], {"boundary": boundary}, as_of=as_of)
        found += [moment for (moment,) in rows if moment is not None]
    return min(found, default=None)


def has_aged(project: Project, kind: str) -> Callable[[Connection], bool]:
    """Tells whether attributes or context values are due because time has passed."""
    schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}

    def aged(connection: Connection) -> bool:
        due_at = connection.fetch(SQL["next_due"].bind(schemas))[0][0]
        return due_at is not None and due_at <= as_of_now(connection, project)

    return aged


def moved_entities(boundaries: list[tuple[exp.Expr, exp.Expr]]) -> exp.Expr | None:
    """The entities, but those who are due anyway, of whom an event lies where a boundary moved over; None: none did."""
    time_of = exp.column("event_time", table="s")
    crossed: list[exp.Expr] = []
    for before, after in boundaries:
        low, high = exp.func("least", before, after), exp.func("greatest", before, after)
        crossed.append(exp.and_(time_of.copy() >= low, time_of.copy() <= high))
    if not crossed:
        return None
    owner = exp.column("entity_id", table="s")
    somebodys = exp.Not(this=owner.is_(exp.null()))
    due = exp.select("d.entity_id").from_("profile_due as d")
    query = exp.select("s.entity_id").distinct().from_(exp.alias_(exp.table_("stitched_events", db="kind"), "s"))
    return named("moved", query.where(somebodys, exp.or_(*crossed), exp.Not(this=owner.isin(query=due)))).tree


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()

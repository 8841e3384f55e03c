"""Finds mistakes in what is calculated about the entities of a project, without a warehouse: all of them at once.

Every definition is read, bound to what it may read, and described by an engine in memory that holds nothing. So what
passes here can only fail on data. What reads a definition that is wrong is not judged.
"""

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from sqlglot import exp

from cdp_pipeline.attributes.attempts import Columns
from cdp_pipeline.attributes.calculation import (
    Calculation,
    aggregated,
    calculation_of,
    default_of,
    natural_type,
    wanted_type,
)
from cdp_pipeline.attributes.context_values import context_query
from cdp_pipeline.attributes.definition_errors import as_sql_error, first_line
from cdp_pipeline.attributes.families import convert, name_of
from cdp_pipeline.attributes.graph import BASE, EVENTS, PROFILES, Circle, Graph, Node, graph_of
from cdp_pipeline.attributes.keys import misplaced_keys
from cdp_pipeline.attributes.plan import SQL, Plan, events_relation
from cdp_pipeline.attributes.program import Program
from cdp_pipeline.attributes.readable import Readable, in_order
from cdp_pipeline.attributes.reading import Scope, conditions_of
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import ProjectError, SqlError, WarehouseError
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.scratch import scratch_connection

T = TypeVar("T")
Found = Iterator[tuple[str, SqlError]]
_TAKEN = (BASE, EVENTS, PROFILES, "context")


def validate(project: Project) -> list[ProjectError]:
    """The mistakes in the attributes of all kinds of entity, hidden ones included, and in what they read."""
    errors = []
    with scratch_connection() as connection:
        for kind, entity in project.entities.items():
            if entity.attributes or entity.row_helpers or entity.meta_attributes or entity.context:
                for path, mistake in _Definitions(connection, entity).mistakes():
                    errors.append(project.error(f"entities.{kind}.{path}", mistake.message, mistake.hint))
    return errors


class _Definitions:
    """The check of a kind's definitions, each after those that it reads."""

    def __init__(self, connection: Connection, entity: Entity) -> None:
        self._connection = connection
        self._entity = entity
        self._readable = Readable(connection, entity)
        self._calculations: dict[str, Calculation] = {}
        self._wrong: set[Node] = set()

    def mistakes(self) -> Found:
        """Gives each mistake with its path within the kind."""
        yield from _names(self._entity)
        try:
            graph = graph_of(self._entity)
        except Circle as error:
            yield self._place(error.nodes[0]), error
            return
        yield from self._of_readable(graph)
        for node in graph.order:
            if node.kind == "attribute" and not graph.read_by([node]) & self._wrong:
                yield from self._of_attribute(node, graph)
        for node in graph.order:
            if node.kind == "context" and not graph.read_by([node]) & self._wrong:
                yield from self._of_context(node)

    def _of_readable(self, graph: Graph) -> Found:
        for node, definition in in_order(self._entity, graph):
            if graph.read_by([node]) & self._wrong:
                self._wrong.add(node)
                continue
            try:
                self._readable.add(definition)
            except (SqlError, WarehouseError) as error:
                self._wrong.add(node)
                yield (
                    f"{self._place(node)}.{'value' if node.kind == 'row_helper' else 'definition'}",
                    as_sql_error(error),
                )

    def _of_attribute(self, node: Node, graph: Graph) -> Found:
        place, attribute = self._find(node)
        check = _Check(self._connection, attribute, self._readable, self._entity, graph)
        wrong = list(check.mistakes())
        if wrong:
            self._wrong.add(node)
        elif check.calculation is not None and not attribute.hidden:
            self._calculations[attribute.id] = check.calculation
        for key, mistake in wrong:
            yield f"attributes[{place}].{key}", mistake

    def _of_context(self, node: Node) -> Found:
        context = next(each for each in self._entity.context if each.key == node.id)
        try:
            context_query(self._connection, self._readable, self._calculations, context)
        except (SqlError, WarehouseError) as error:
            yield f"{self._place(node)}.query", as_sql_error(error)

    def _find(self, node: Node) -> tuple[int, Attribute]:
        return next((n, each) for n, each in enumerate(self._entity.attributes) if each.id == node.id)

    def _place(self, node: Node) -> str:
        lists = {
            "row_helper": [helper.id for helper in self._entity.row_helpers],
            "meta_attribute": [meta.id for meta in self._entity.meta_attributes],
            "context": [context.key for context in self._entity.context],
            "attribute": [attribute.id for attribute in self._entity.attributes],
        }
        return f"{node.kind if node.kind == 'context' else f'{node.kind}s'}[{lists[node.kind].index(node.id)}]"


def _names(entity: Entity) -> Found:
    """Names that mean something else already where they are read."""
    columns = events_relation().columns
    for place, helper in enumerate(entity.row_helpers):
        if helper.id in columns:
            yield f"row_helpers[{place}].id", SqlError(f"`{helper.id}` is a column of every event already.")
    for place, meta in enumerate(entity.meta_attributes):
        if meta.id in _TAKEN:
            yield f"meta_attributes[{place}].id", SqlError(f"`{meta.id}` is the name of another table already.")


class _Check:
    """The check of one attribute, key by key; a key that depends on a wrong one is not judged.

    Attributes:
        calculation: what the attribute is, once it has been found right.
    """

    def __init__(
        self, connection: Connection, attribute: Attribute, readable: Readable, entity: Entity, graph: Graph
    ) -> None:
        self._connection = connection
        self._attribute = attribute
        self._readable = readable
        self._entity = entity
        self._graph = graph
        self._found: list[tuple[str, SqlError]] = []
        self.calculation: Calculation | None = None

    def mistakes(self) -> Found:
        """Gives each mistake with its key."""
        misplaced = list(misplaced_keys(self._attribute))
        yield from misplaced
        name = self._attribute.from_
        if name is not None and name not in self._readable.relations:
            yield "from", _unknown_relation(name, self._readable.metas)
            return
        if self._attribute.type in ("custom", "derived", "identifiers"):
            if not misplaced:
                self._check_whole()
        elif self._attribute.value:
            plan = Plan(self._connection, self._readable.relations)
            self._check_expressions(plan)
            if not misplaced and not self._found:
                self.calculation = self._try("value", lambda: calculation_of(self._attribute, plan))
        yield from self._found

    def _check_whole(self) -> None:
        """Reads the attribute as a run does."""
        attribute = self._attribute
        key = "identifier" if attribute.type == "identifiers" else "value"
        if attribute.type == "identifiers" and attribute.identifier not in [i.type for i in self._entity.identifiers]:
            declared = ", ".join(identifier.type for identifier in self._entity.identifiers)
            self._found.append(
                (key, SqlError(f"`{attribute.identifier}` is not declared.", f"Declared are {declared}."))
            )
            return
        if (
            attribute.data_type is not None
            and self._try("data_type", lambda: wanted_type(attribute, exp.DataType.build("text"))) is None
        ):
            return
        program = self._try(
            key, lambda: Program(self._connection, self._entity, self._graph, self._readable, [attribute.id])
        )
        if program is not None:
            (self.calculation,) = program.calculations
            if attribute.default is not None:
                type_ = self.calculation.type
                self._try("default", lambda: self._check_default(type_))

    def _check_expressions(self, plan: Plan) -> None:
        attribute = self._attribute
        rows = plan.read(attribute.from_ or BASE)
        conditions = self._try("filter", lambda: conditions_of(attribute, rows))
        scope = Scope(rows, conditions or (), Columns(forgiving=attribute.on_error == "null"))
        raw = aggregated(attribute, scope, self._try)
        natural = None if raw is None else self._try("value", lambda: natural_type(raw, plan))
        if natural is None:
            if attribute.data_type is not None:
                self._try("data_type", lambda: wanted_type(attribute, exp.DataType.build("text")))
        else:
            self._check_type(natural, raw or exp.null())

    def _check_type(self, natural: exp.DataType, raw: exp.Expr) -> None:
        attribute = self._attribute
        type_ = self._try("data_type", lambda: wanted_type(attribute, natural))
        if type_ is None:
            return
        self._try("data_type", lambda: convert(raw, natural, type_))
        if attribute.default is not None:
            self._try("default", lambda: self._check_default(type_))

    def _check_default(self, type_: exp.DataType) -> bool:
        shown = repr(self._attribute.default)
        hint = f"Write a value that PostgreSQL can cast to {name_of(type_)}, or leave it out."
        try:
            value = default_of(self._attribute, type_)
            self._connection.fetch(SQL["literal"].bind({}, value=exp.cast(value, type_)))
        except (SqlError, WarehouseError) as error:
            raise SqlError(f"{shown} is no {name_of(type_)}, which is the attribute's type.", hint) from error
        return True

    def _try(self, key: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SqlError as error:
            self._found.append((key, error))
        except WarehouseError as error:
            self._found.append((key, SqlError(f"`{getattr(self._attribute, key)}`: {first_line(error)}")))
        return None


def _unknown_relation(name: str, metas: Collection[str]) -> SqlError:
    declared = ", ".join(metas)
    return SqlError(
        f"There is no meta-attribute `{name}`.", f"Declared are {declared}." if declared else "None is declared."
    )

"""Finds mistakes in what is calculated about the entities of a project, without a warehouse: all of them at once.

Every definition is read, bound to what it may read, and described by an engine in memory that holds nothing. So what
passes here can only fail on data. What reads a definition that is wrong is not judged.
"""

from collections.abc import Iterator

from cdp_pipeline.attributes.attribute_check import AttributeCheck
from cdp_pipeline.attributes.calculation import (
    Calculation,
)
from cdp_pipeline.attributes.context_values import context_query
from cdp_pipeline.attributes.definition_errors import as_sql_error
from cdp_pipeline.attributes.graph import BASE, EVENTS, PROFILES, Circle, Graph, Node, graph_of
from cdp_pipeline.attributes.plan import events_relation
from cdp_pipeline.attributes.readable import Readable, in_order
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import ProjectError, SqlError, WarehouseError
from cdp_pipeline.sql.mentions import mentions
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.scratch import scratch_connection

Found = Iterator[tuple[str, SqlError]]
_TAKEN = (BASE, EVENTS, PROFILES, "context")
_SQL_KEYS = ("value", "filter", "weight", "outer_value", "outer_weight", "outer_filter", "definition", "query")


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
        yield from _undeclared_context(self._entity)
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
        # Several of one id are a mistake that is told elsewhere.
        named = ((place, each) for place, each in enumerate(self._entity.attributes) if each.id == node.id)
        for place, attribute in named:
            check = AttributeCheck(self._connection, attribute, self._readable, self._entity, graph)
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


def _undeclared_context(entity: Entity) -> Found:
    """Context values that are read, and that nobody declares."""
    declared = [context.key for context in entity.context]
    hint = f"Declared are {', '.join(declared)}." if declared else "None is declared."
    for path, text in _texts(entity):
        try:
            read = mentions(text).context_keys
        except SqlError:
            continue  # its mistake is told elsewhere
        for key in read:
            if key not in declared:
                yield path, SqlError(f"There is no context value `{key}`.", hint)


def _texts(entity: Entity) -> Iterator[tuple[str, str]]:
    """All SQL in the definitions of a kind, with its path."""
    for name in ("row_helpers", "meta_attributes", "context", "attributes"):
        for place, definition in enumerate(getattr(entity, name)):
            for key in _SQL_KEYS:
                text = getattr(definition, key, None)
                if text:
                    yield f"{name}[{place}].{key}", text

"""Which definitions of a kind read which others: row helpers, meta-attributes, context values and attributes.

A context value is worked out over everyone, after the attributes that it reads and before those that read it. So the
definitions stand in layers: in layer 0 is what reads no context value, and each context value opens another layer for
what reads it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.calculated import ContextValue, MetaAttribute, RowHelper
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.mentions import Mentions, mentions

NodeKind = Literal["row_helper", "meta_attribute", "context", "attribute"]
BASE, EVENTS, PROFILES = "base", "events", "profiles"
_WORDS = {
    "row_helper": "row helper",
    "meta_attribute": "meta-attribute",
    "context": "context value",
    "attribute": "attribute",
}


@dataclass(frozen=True, order=True)
class Node:
    """A definition, by what it is and its name."""

    kind: NodeKind
    id: str

    def __str__(self) -> str:
        """As a message names it."""
        return f"{_WORDS[self.kind]} {self.id}"


class Circle(SqlError):
    """Definitions that read one another in a circle.

    Attributes:
        nodes: the circle, the first of them again at its end; each reads the next.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        said = " reads ".join(str(node) for node in nodes)
        super().__init__(f"{said}: a circle, in which nothing can be worked out first.", "Take one of them out of it.")


@dataclass(frozen=True)
class Graph:
    """Each definition with those that it reads itself."""

    nodes: Mapping[Node, frozenset[Node]]

    @cached_property
    def order(self) -> list[Node]:
        """The definitions, each after all that it reads; the same in each process.

        Raises:
            Circle: there is none.
        """
        sorter = TopologicalSorter({node: sorted(read) for node, read in sorted(self.nodes.items())})
        try:
            return list(sorter.static_order())
        except CycleError as error:
            raise Circle(list(reversed(error.args[1]))) from error

    @cached_property
    def layers(self) -> dict[Node, int]:
        """The layer of each definition; a context value is in the layer of those that read it."""
        found: dict[Node, int] = {}
        for node in self.order:
            below = max((found[read] for read in self.nodes[node]), default=0)
            found[node] = below + 1 if node.kind == "context" else below
        return found

    def read_by(self, nodes: Iterable[Node]) -> set[Node]:
        """All that some definitions read, at any remove, and they themselves."""
        return _closure(nodes, self.nodes)

    def readers_of(self, nodes: Iterable[Node]) -> set[Node]:
        """All that read some definitions, at any remove, and they themselves."""
        readers: dict[Node, set[Node]] = {node: set() for node in self.nodes}
        for node, read in self.nodes.items():
            for each in read:
                readers[each].add(node)
        return _closure(nodes, readers)


def _closure(nodes: Iterable[Node], next_to: Mapping[Node, Collection[Node]]) -> set[Node]:
    found: set[Node] = set()
    to_do = list(nodes)
    while to_do:
        node = to_do.pop()
        if node not in found:
            found.add(node)
            to_do += next_to.get(node, ())
    return found


def graph_of(entity: Entity) -> Graph:
    """The graph of a kind's definitions. One that cannot be read reads nothing here: its mistake is told elsewhere.

    Raises:
        Circle: definitions read one another in a circle.
    """
    names = _Names(entity)
    nodes = {Node("row_helper", helper.id): names.of_helper(helper) for helper in entity.row_helpers}
    nodes |= {Node("meta_attribute", meta.id): names.of_meta(meta) for meta in entity.meta_attributes}
    nodes |= {Node("context", value.key): names.of_context(value) for value in entity.context}
    nodes |= {Node("attribute", attribute.id): names.of_attribute(attribute) for attribute in entity.attributes}
    graph = Graph({node: frozenset(read & set(nodes)) for node, read in nodes.items()})
    _ = graph.order
    return graph


class _Names:
    """What a name means in the definitions of a kind."""

    def __init__(self, entity: Entity) -> None:
        self._helpers = {helper.id for helper in entity.row_helpers}
        self._metas = {meta.id for meta in entity.meta_attributes}
        self._attributes = {attribute.id for attribute in entity.attributes}
        self._shown = {attribute.id for attribute in entity.attributes if not attribute.hidden}

    def of_helper(self, helper: RowHelper) -> set[Node]:
        return self._of_rows([helper.value, helper.filter])

    def of_meta(self, meta: MetaAttribute) -> set[Node]:
        return self._of_query(meta.definition)

    def of_context(self, value: ContextValue) -> set[Node]:
        return self._of_query(value.query)

    def of_attribute(self, attribute: Attribute) -> set[Node]:
        if attribute.type == "custom":
            return self._of_query(attribute.value)
        if attribute.type == "derived":
            return self._of_expressions([attribute.value], "attribute", self._attributes)
        rows = [attribute.value, attribute.filter, attribute.weight]
        outer = [attribute.outer_value, attribute.outer_weight, attribute.outer_filter]
        read = self._of_expressions(outer, "attribute", ())
        if attribute.from_ is None:
            return read | self._of_rows(rows)
        return read | {Node("meta_attribute", attribute.from_)} | self._of_expressions(rows, "attribute", ())

    def _of_rows(self, texts: Iterable[str | None]) -> set[Node]:
        return self._of_expressions(texts, "row_helper", self._helpers)

    def _of_expressions(self, texts: Iterable[str | None], kind: NodeKind, names: Collection[str]) -> set[Node]:
        """The context values that expressions read, and the columns of some names."""
        found: set[Node] = set()
        for text in texts:
            mentioned = _mentions(text)
            if mentioned is not None:
                found |= {Node("context", key) for key in mentioned.context_keys}
                found |= {Node(kind, name) for name in names if mentioned.all_columns or name in mentioned.columns}
        return found

    def _of_query(self, text: str) -> set[Node]:
        mentioned = _mentions(text)
        if mentioned is None:
            return set()
        found = self._of_expressions([text], "attribute", self._shown if PROFILES in mentioned.tables else ())
        found |= {Node("meta_attribute", name) for name in mentioned.tables if name in self._metas}
        return found | (self._of_rows([text]) if BASE in mentioned.tables else set())


def _mentions(text: str | None) -> Mentions | None:
    """What a text mentions; None: there is none, or it cannot be read at all."""
    try:
        return mentions(text) if text else None
    except SqlError:
        return None

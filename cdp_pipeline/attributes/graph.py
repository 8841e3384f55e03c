"""What the definitions of a kind of entity read of each other.

A stub: attributes read nothing but events. Whoever builds row helpers, meta-attributes and context fills it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cdp_pipeline.config.model import Entity

NodeKind = Literal["row_helper", "meta_attribute", "context", "attribute"]


@dataclass(frozen=True, order=True)
class Node:
    """A definition: what it is, and its id."""

    kind: NodeKind
    id: str


@dataclass(frozen=True)
class Graph:
    """Each definition with those that it reads."""

    nodes: Mapping[Node, frozenset[Node]]


def graph_of(entity: Entity) -> Graph:
    """The graph of a kind's definitions."""
    return Graph({Node("attribute", attribute.id): frozenset() for attribute in entity.attributes})

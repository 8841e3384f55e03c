"""What a definition reads, down to the events, and who reads it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cdp_pipeline.attributes.graph import Graph, Node, graph_of
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import UsageError


@dataclass(frozen=True)
class Lineage:
    """A definition in its place.

    Attributes:
        kind: what it is: attribute, meta_attribute, row_helper or context.
        id: its id.
        events: which events it reads by itself, such as `order of shop`; empty: it says nothing about them.
        reads: the definitions that it reads, each with its own.
        read_by: those that read it, each with those that read them.
    """

    kind: str
    id: str
    events: list[str] = field(default_factory=list)
    reads: list["Lineage"] = field(default_factory=list)
    read_by: list["Lineage"] = field(default_factory=list)


def lineage_of(project: Project, name: str, kind: str | None) -> Lineage:
    """The lineage of an attribute, or of another definition.

    Args:
        project: the project.
        name: its id.
        kind: the kind of entity; None: the first that has it.

    Raises:
        UsageError: there is no such kind, or nothing of that name in it.
    """
    if kind is not None and kind not in project.entities:
        raise UsageError(f"There is no kind of entity `{kind}`. There is: {', '.join(project.entities)}.")
    for entity in project.entities.values():
        graph = graph_of(entity)
        found = min((node for node in graph.nodes if node.id == name), default=None)
        if found is not None and kind in (None, entity.kind):
            down = _tree(found, graph.nodes, entity)
            return Lineage(down.kind, down.id, down.events, down.reads, _readers(found, graph))
    known = sorted({node.id for each in project.entities.values() for node in graph_of(each).nodes})
    raise UsageError(f"There is no attribute `{name}`. There is: {', '.join(known) or 'none'}.")


def _tree(node: Node, nodes: Mapping[Node, frozenset[Node]], entity: Entity) -> Lineage:
    reads = [_tree(each, nodes, entity) for each in sorted(nodes[node])]
    return Lineage(node.kind, node.id, list(_events(node, entity)), reads)


def _readers(node: Node, graph: Graph) -> list[Lineage]:
    readers = sorted(each for each, reads in graph.nodes.items() if node in reads)
    return [Lineage(each.kind, each.id, read_by=_readers(each, graph)) for each in readers]


def _events(node: Node, entity: Entity) -> Iterator[str]:
    """The events that an attribute reads, in words."""
    attribute = next((each for each in entity.attributes if each.id == node.id), None)
    if node.kind == "attribute" and attribute is not None:
        yield _words(attribute)


def _words(attribute: Attribute) -> str:
    types = " or ".join(attribute.events) or "every type"
    sources = " or ".join(attribute.sources) or "every source"
    version = f", version {' or '.join(attribute.version)}" if attribute.version else ""
    condition = f", where {attribute.filter}" if attribute.filter else ""
    return f"events of {types} from {sources}{version}{condition}"

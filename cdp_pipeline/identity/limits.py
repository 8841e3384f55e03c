"""Which links of a component are used when using all of them would break a limit.

Identifiers are numbered nodes. A *class* is what operators called the same, or what an identity map renamed; of one
type it counts once. A component that as one group breaks no limit is one group, found for all components at once on
arrays. Of the others the links are taken one after the other, by how much they prove:

  1. those of an identity map first, and among these the renames, for what they make one counts once
  2. then by the less important end: links among important types prove more than links of cookies
  3. then the newest
  4. then by the more important end, and at last by the ids of both

and each is accepted unless the group that it would make broke a limit. So the result depends on the links alone, never
on the order in which they arrived. It is Kruskal's way through a spanning forest, with limits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cdp_pipeline.config.model import Entity

Numbers = npt.NDArray[np.int64]
CONFLICT, SURPLUS = "conflict", "surplus"


@dataclass(frozen=True)
class Limits:
    """What a group may hold, by the importance of types: 0 is the most important."""

    types: tuple[str, ...]
    max_per_entity: dict[int, int]
    max_identifiers: int
    bridging: npt.NDArray[np.bool_]

    @staticmethod
    def of(entity: Entity) -> "Limits":
        """The limits of a kind of entity."""
        declared = entity.identifiers
        return Limits(
            tuple(identifier.type for identifier in declared),
            {n: i.max_per_entity for n, i in enumerate(declared) if i.max_per_entity is not None},
            entity.guards.max_identifiers,
            np.array([identifier.bridge for identifier in declared], dtype=np.bool_),
        )


@dataclass(frozen=True)
class Graph:
    """The identifiers to be solved and the links in use among them.

    Attributes:
        priority: of each node, the importance of its type.
        component: of each node, the number of its component; `same` counts as a connection here.
        contracted: of each node, the number of its class.
        core: of each node, the number of what is connected by links of bridging types alone.
        different: pairs of nodes that operators keep apart.
    """

    priority: Numbers
    component: Numbers
    contracted: Numbers
    core: Numbers
    different: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class Links:
    """The links of components that break a limit, in the order in which they are to be taken."""

    a: Sequence[int]
    b: Sequence[int]
    renames: Sequence[bool]
    of_events: Sequence[bool]


@dataclass(frozen=True)
class Refusal:
    """A link that is not used: which, why, and what follows for its other end."""

    a: int
    b: int
    reason: str
    effect: str
    detail: str


@dataclass
class _Group:
    """A group that grows: its classes of each type, whether it holds what bridges, what it must not meet."""

    counts: dict[int, int]
    bridging: bool
    apart: set[tuple[int, bool]] = field(default_factory=set)


class _Sets:
    """Disjoint sets of nodes, each known by one of them."""

    def __init__(self, nodes: Sequence[int]) -> None:
        self._parent = {node: node for node in nodes}

    def __contains__(self, node: int) -> bool:
        return node in self._parent

    def root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, into: int, gone: int) -> None:
        self._parent[gone] = into


def broken_components(graph: Graph, limits: Limits) -> Numbers:
    """The components that as one group would break a limit."""
    kinds = len(limits.types)
    keys = (
        np.unique(np.stack([graph.component, graph.priority, graph.contracted]), axis=1)
        if _contracts(graph)
        else (np.stack([graph.component, graph.priority]))
    )
    components = int(graph.component.max(initial=-1)) + 1
    counts = np.bincount(keys[0] * kinds + keys[1], minlength=components * kinds).reshape(components, kinds)
    broken = counts.sum(axis=1) > limits.max_identifiers
    for priority, most in limits.max_per_entity.items():
        broken |= counts[:, priority] > most
    for one, other in graph.different:
        if graph.component[one] == graph.component[other]:
            broken[graph.component[one]] = True
    broken |= _cores(graph, limits, components) > 1
    return np.flatnonzero(broken)


def _contracts(graph: Graph) -> bool:
    return bool(len(graph.contracted)) and int(graph.contracted.max()) + 1 < len(graph.contracted)


def _cores(graph: Graph, limits: Limits, components: int) -> Numbers:
    """How many cores each component has."""
    if limits.bridging.all():
        return np.zeros(components, dtype=np.int64)
    bridging = limits.bridging[graph.priority]
    cores = np.unique(np.stack([graph.component[bridging], graph.core[bridging]]), axis=1)
    return np.bincount(cores[0], minlength=components)


class Solver:
    """Takes links one after the other and accepts those that break no limit."""

    def __init__(self, graph: Graph, limits: Limits, nodes: Sequence[int], same: Sequence[tuple[int, int]]) -> None:
        """Starts with every node by itself, but for those that are the same.

        Args:
            graph: the whole graph.
            limits: what a group may hold.
            nodes: the nodes of the components to be solved.
            same: pairs that are contracted before all else.
        """
        self._limits = limits
        self._priority = {node: int(graph.priority[node]) for node in nodes}
        self._sets, self._classes = _Sets(nodes), _Sets(nodes)
        self._types = {node: {priority} for node, priority in self._priority.items()}  # of each class
        self._groups = {node: _Group({p: 1}, bool(limits.bridging[p])) for node, p in self._priority.items()}
        for number, pair in enumerate(graph.different):
            for side, node in enumerate(pair):
                if node in self._groups:
                    self._groups[node].apart.add((number, bool(side)))
        for one, other in same:
            if one in self._sets and other in self._sets:
                self._contract(one, other)

    def root(self, node: int) -> int:
        """The node that stands for a node's group."""
        return self._sets.root(node)

    def solve(self, links: Links) -> list[Refusal]:
        """Takes the links in their order; those that are refused for good."""
        refused = [refusal for refusal in self._take(links) if refusal is not None]
        return [refusal for refusal in refused if self.root(refusal.a) != self.root(refusal.b)]

    def _take(self, links: Links) -> Iterator[Refusal | None]:
        for a, b, renames, of_events in zip(links.a, links.b, links.renames, links.of_events, strict=True):
            one, other = self.root(a), self.root(b)
            if one == other:
                if renames:
                    self._contract(a, b)
                continue
            counts = self._counts_together(one, other)
            if renames:
                self._count_once(counts, a, b)
            refusal = self._refusal(a, b, one, other, counts, of_events)
            if refusal is None:
                self._join(one, other, counts)
                if renames:
                    self._join_classes(a, b)
            yield refusal

    def _contract(self, a: int, b: int) -> None:
        """Makes two nodes one class, and their groups one."""
        if self._classes.root(a) == self._classes.root(b):
            return
        one, other = self.root(a), self.root(b)
        counts = self._groups[one].counts if one == other else self._counts_together(one, other)
        self._count_once(counts, a, b)
        if one != other:
            self._join(one, other, counts)
        self._join_classes(a, b)

    def _count_once(self, counts: dict[int, int], a: int, b: int) -> None:
        """Takes off what two classes that become one have counted twice."""
        for priority in self._types[self._classes.root(a)] & self._types[self._classes.root(b)]:
            counts[priority] -= 1

    def _join_classes(self, a: int, b: int) -> None:
        one, other = self._classes.root(a), self._classes.root(b)
        self._types[one] |= self._types.pop(other)
        self._classes.join(one, other)

    def _join(self, one: int, other: int, counts: dict[int, int]) -> None:
        into, gone = self._groups[one], self._groups.pop(other)
        into.counts = counts
        into.bridging |= gone.bridging
        into.apart |= gone.apart
        self._sets.join(one, other)

    def _counts_together(self, one: int, other: int) -> dict[int, int]:
        counts = dict(self._groups[one].counts)
        for priority, count in self._groups[other].counts.items():
            counts[priority] = counts.get(priority, 0) + count
        return counts

    def _refusal(self, a: int, b: int, one: int, other: int, counts: dict[int, int], of_events: bool) -> Refusal | None:
        """Why a link cannot be used: first what makes its less important end a shared one, then the rest."""
        limits, groups = self._limits, self._groups
        less = self._priority[b]
        over = [p for p, most in sorted(limits.max_per_entity.items()) if counts.get(p, 0) > most]
        if over and over[0] < less:
            return Refusal(a, b, "max_per_entity", CONFLICT, self._too_many(over[0], counts))
        ends = [self._priority[end] for end in (a, b)]
        through = next((p for p in reversed(ends) if not limits.bridging[p]), None)
        if through is not None and groups[one].bridging and groups[other].bridging:
            return Refusal(a, b, "bridge", CONFLICT, f"{limits.types[through]} does not prove that two people are one")
        if groups[one].apart and {(n, not side) for n, side in groups[one].apart} & groups[other].apart:
            return Refusal(a, b, "different", SURPLUS, "an operator decided that they are different")
        if over:
            unique = ends[0] == ends[1] == over[0] and limits.max_per_entity[over[0]] == 1 and of_events
            reason = "same_event" if unique else "max_per_entity"
            return Refusal(a, b, reason, SURPLUS, self._too_many(over[0], counts))
        size = sum(counts.values())
        if size > limits.max_identifiers:
            detail = f"{size:,} identifiers, and {limits.max_identifiers:,} at most"
            return Refusal(a, b, "max_identifiers", SURPLUS, detail)
        return None

    def _too_many(self, priority: int, counts: dict[int, int]) -> str:
        limits = self._limits
        return (
            f"{counts[priority]:,} values of {limits.types[priority]}, and {limits.max_per_entity[priority]:,} at most"
        )

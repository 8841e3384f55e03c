"""Questions about a graph of links: the best path, what alone holds two nodes together, and who would go where.

Nodes are numbered by importance, so that ties are broken by importance and never by the order in which rows came. All
of it is SciPy's or linear, and answers for a million links within a second or two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
_BLOCKED = 1_000_000  # what a step costs that is not in use: as much as any number of steps that are
_LINK = 1 << 20  # a link's capacity before its evidence is counted
_MOST_EVIDENCE = 1_000
_LARGEST_CUT = 1_000  # from which on the evidence is not counted: capacities are 32-bit integers


class Use(IntEnum):
    """What becomes of a link; those that join come first."""

    IN_USE = 0
    DECIDED = 1
    REFUSED = 2
    UNSTITCHED = 3
    QUARANTINE = 4

    @property
    def words(self) -> str:
        """As it is told: in use, decided, refused, unstitched or quarantine."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class LinkGraph:
    """A graph of links.

    Attributes:
        names: the identifiers' ids, as texts, by importance; a node's number is its place here.
        ends: a row for each link, the numbers of its ends.
        uses: for each link a `Use`.
        events: for each link in how many events it was seen.
    """

    names: Sequence[str]
    ends: Numbers
    uses: Numbers
    events: Numbers

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The number of each identifier."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def joining(self) -> Numbers:
        """The places of the links that join."""
        return np.flatnonzero(self.uses <= Use.DECIDED)

    @cached_property
    def links_at(self) -> "_Incidence":
        """The links of each node."""
        return _Incidence(len(self.names), self.ends)

    def id_of(self, node: int) -> UUID:
        """The identifier of a node."""
        return UUID(self.names[node])

    def pair(self, link: int) -> tuple[UUID, UUID]:
        """The two identifiers of a link."""
        a, b = self.ends[link]
        return self.id_of(int(a)), self.id_of(int(b))

    def labels(self, links: Numbers) -> Numbers:
        """For each node the number of its component, over some of the links."""
        from scipy.sparse.csgraph import connected_components

        _, labels = connected_components(self._matrix(links, np.ones(len(links))), directed=False)
        return np.asarray(labels, dtype=np.int64)

    def _matrix(self, links: Numbers, weights: NDArray[Any]) -> Any:
        """The links as a symmetric sparse matrix; of parallel links the cheapest one counts."""
        from scipy.sparse import coo_array

        a, b = self.ends[links, 0], self.ends[links, 1]
        low, high = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((weights, high, low))
        low, high, weights = low[order], high[order], weights[order]
        first = np.ones(len(low), dtype=bool)
        first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        low, high, weights = low[first], high[first], weights[first]
        count = len(self.names)
        both = (np.concatenate((low, high)), np.concatenate((high, low)))
        return coo_array((np.concatenate((weights, weights)), both), shape=(count, count)).tocsr()


class _Incidence:
    """The links of each node, found without looking at all of them."""

    def __init__(self, nodes: int, ends: Numbers) -> None:
        places = np.concatenate((np.arange(len(ends)), np.arange(len(ends))))
        self._nodes = np.concatenate((ends[:, 0], ends[:, 1])) if len(ends) else np.zeros(0, dtype=np.int64)
        order = np.lexsort((places, self._nodes))
        self._links = places[order]
        self._starts = np.searchsorted(self._nodes[order], np.arange(nodes + 1))

    def __getitem__(self, node: int) -> Numbers:
        return self._links[self._starts[node] : self._starts[node + 1]]


def best_path(graph: LinkGraph, start: int, end: int) -> list[int] | None:
    """The links that lead from one node to another: the fewest that are not in use, then the fewest.

    Of several such paths it is the one through the more important identifiers, seen from the start. None: no path.
    """
    from scipy.sparse.csgraph import dijkstra

    everything = np.arange(len(graph.ends))
    costs = np.where(graph.uses <= Use.DECIDED, 1.0, 1.0 + _BLOCKED)
    # To pass a quarantined identifier takes two of its links; it is one obstacle.
    costs[graph.uses == Use.QUARANTINE] = 1.0 + _BLOCKED / 2
    left = dijkstra(graph._matrix(everything, costs), directed=False, indices=np.array([end]))[0]
    if not np.isfinite(left[start]):
        return None
    path: list[int] = []
    here = start
    while here != end:
        links = graph.links_at[here]
        others = graph.ends[links].sum(axis=1) - here
        right = left[others] + costs[links] == left[here]
        step = min(zip(others[right], links[right], strict=True))
        path.append(int(step[1]))
        here = int(step[0])
    return path


def bridges_on(graph: LinkGraph, start: int, path: Sequence[int]) -> list[int]:
    """Those links of a path whose removal alone would part its ends, of all links that join.

    Without the path's links, what is left of the graph falls into pieces; a link is a bridge if no piece touches the
    path both before and after it.
    """
    taken = set(path)
    rest = np.array([link for link in graph.joining.tolist() if link not in taken], dtype=np.int64)
    labels = graph.labels(rest)
    nodes = [start]
    for link in path:
        nodes.append(int(graph.ends[link].sum()) - nodes[-1])
    last = {int(labels[node]): place for place, node in enumerate(nodes)}
    bridges, reach = [], 0
    for place, link in enumerate(path):
        reach = max(reach, last[int(labels[nodes[place]])])
        if reach <= place:
            bridges.append(link)
    return bridges


def smallest_cut(graph: LinkGraph, start: int, end: int) -> list[int]:
    """The smallest set of links whose removal parts two nodes; of several, one with the least evidence.

    A decision counts as a link: it can be withdrawn. SciPy's maximum flow, then what the start still reaches.
    """
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    links = graph.joining
    a, b = graph.ends[links, 0], graph.ends[links, 1]
    capacity = np.full(len(links), _LINK, dtype=np.int64)
    if min(len(graph.links_at[start]), len(graph.links_at[end])) < _LARGEST_CUT:
        capacity += np.minimum(graph.events[links], _MOST_EVIDENCE)
    else:
        capacity[:] = 1
    count = len(graph.names)
    both = (np.concatenate((a, b)), np.concatenate((b, a)))
    matrix = coo_array((np.concatenate((capacity, capacity)), both), shape=(count, count)).tocsr()
    network = csr_array(
        (matrix.data.astype(np.int32), matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)),
        shape=(count, count),
    )
    flow = maximum_flow(network, start, end).flow
    left = csr_array(network - flow)
    left.eliminate_zeros()
    reached = np.zeros(count, dtype=bool)
    reached[breadth_first_order(left, start, return_predecessors=False)] = True
    return [int(link) for link in links[reached[a] != reached[b]]]


def side_of(graph: LinkGraph, cut: Sequence[int], start: int) -> NDArray[np.bool_]:
    """For each node whether it would stay with the start, were the links of the cut gone."""
    gone = set(cut)
    kept = np.array([link for link in graph.joining.tolist() if link not in gone], dtype=np.int64)
    labels = graph.labels(kept)
    return np.asarray(labels == labels[start])

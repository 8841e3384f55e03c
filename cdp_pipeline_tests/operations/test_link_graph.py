"""Best paths, bridges and smallest cuts, held against NetworkX and against trying every link."""

import random
from typing import Any
from uuid import UUID

import networkx as nx
import numpy as np
import pytest

from cdp_pipeline.operations.link_graph import LinkGraph, Use, best_path, bridges_on, side_of, smallest_cut

HISTORIES = 400


def graph_of(nodes: int, ends: list[tuple[int, int]], uses: list[Use], events: list[int]) -> LinkGraph:
    names = [str(UUID(int=number)) for number in range(nodes)]
    shape = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return LinkGraph(names, shape, np.array(uses, dtype=np.int64), np.array(events, dtype=np.int64))


def joined(graph: LinkGraph, without: list[int]) -> Any:
    """Return what links that join make of the graph, some of them taken away."""
    made: Any = nx.MultiGraph()
    made.add_nodes_from(range(len(graph.names)))
    for link in graph.joining.tolist():
        if link not in without:
            made.add_edge(*graph.ends[link].tolist(), key=link)
    return made


def obstacles(graph: LinkGraph, path: list[int]) -> float:
    """Return how many obstacles a path has: a refused or unstitched link is one, a link of a hub half of one."""
    cost = {Use.IN_USE: 0.0, Use.DECIDED: 0.0, Use.QUARANTINE: 0.5}
    return sum(cost.get(Use(int(graph.uses[link])), 1.0) for link in path)


def anything(dice: random.Random) -> LinkGraph:
    """Return a small graph; some pairs are linked twice, by evidence and by a decision."""
    nodes = dice.randint(2, 9)
    pairs = [(dice.randrange(nodes), dice.randrange(nodes)) for _ in range(dice.randint(1, 14))]
    ends = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    uses = [dice.choice([Use.IN_USE] * 6 + [Use.REFUSED, Use.UNSTITCHED, Use.QUARANTINE]) for _ in ends]
    twice = [pair for pair in ends if dice.random() < 0.15]
    events = [dice.randint(0, 4) for _ in ends] + [0] * len(twice)
    return graph_of(nodes, [*ends, *twice], [*uses, *(Use.DECIDED for _ in twice)], events)


@pytest.fixture
def graphs(seed: int) -> list[LinkGraph]:
    """Return many small graphs."""
    dice = random.Random(seed)
    return [anything(dice) for _ in range(HISTORIES)]


def test_the_best_path_has_the_fewest_obstacles_and_then_the_fewest_steps(graphs: list[LinkGraph]) -> None:
    for graph in graphs:
        last = len(graph.names) - 1
        every: Any = nx.MultiGraph()
        every.add_nodes_from(range(last + 1))
        for link, (one, other) in enumerate(graph.ends.tolist()):
            every.add_edge(one, other, key=link)
        found = best_path(graph, 0, last)
        edges: Any = nx.all_simple_edge_paths(every, 0, last)
        paths = [[key for _, _, key in path] for path in edges]
        best = min(((obstacles(graph, path), len(path)) for path in paths), default=None)
        assert (None if found is None else (obstacles(graph, found), len(found))) == best


def test_a_bridge_is_a_link_without_which_they_part(graphs: list[LinkGraph]) -> None:
    for graph in graphs:
        last = len(graph.names) - 1
        if not nx.has_path(joined(graph, []), 0, last):
            continue
        path = best_path(graph, 0, last)
        assert path is not None
        wanted = [link for link in graph.joining.tolist() if not nx.has_path(joined(graph, [link]), 0, last)]
        assert sorted(bridges_on(graph, 0, path)) == wanted


def test_the_smallest_cut_parts_them_and_none_is_smaller(graphs: list[LinkGraph]) -> None:
    for graph in graphs:
        last = len(graph.names) - 1
        if not nx.has_path(joined(graph, []), 0, last):
            continue
        cut = smallest_cut(graph, 0, last)
        capacities: nx.DiGraph[int] = nx.DiGraph()
        for link in graph.joining.tolist():
            for one, other in (graph.ends[link].tolist(), graph.ends[link].tolist()[::-1]):
                capacity = capacities[one][other]["capacity"] if capacities.has_edge(one, other) else 0
                capacities.add_edge(one, other, capacity=capacity + 1)
        assert len(cut) == nx.maximum_flow_value(capacities, 0, last)
        rest = joined(graph, cut)
        assert not nx.has_path(rest, 0, last)
        stays = {int(node) for node in side_of(graph, cut, 0).nonzero()[0]}
        assert stays == nx.node_connected_component(rest, 0)


def test_of_equal_cuts_the_one_with_least_evidence_is_taken() -> None:
    ends = [(0, 1), (0, 2), (1, 3), (2, 3)]
    graph = graph_of(4, ends, [Use.IN_USE] * 4, [5, 1, 2, 9])
    assert sorted(smallest_cut(graph, 0, 3)) == [1, 2]


def test_of_equal_paths_the_one_through_the_more_important_is_taken() -> None:
    ends = [(0, 2), (2, 3), (0, 1), (1, 3)]
    graph = graph_of(4, ends, [Use.IN_USE] * 4, [1] * 4)
    assert best_path(graph, 0, 3) == [2, 3]


def test_a_hub_is_one_obstacle() -> None:
    ends = [(0, 3), (1, 3), (0, 2), (2, 1)]
    hub = [Use.QUARANTINE, Use.QUARANTINE]
    assert best_path(graph_of(4, ends, [*hub, Use.REFUSED, Use.REFUSED], [1] * 4), 0, 1) == [0, 1]
    assert best_path(graph_of(4, ends, [*hub, Use.IN_USE, Use.IN_USE], [1] * 4), 0, 1) == [2, 3]


def test_a_long_and_wide_graph_is_cut_at_once() -> None:
    """Two ladders of 40,000 rungs, held together by three links."""
    side = 40_000
    ladder = [(n, n + step) for n in range(side - 2) for step in (1, 2)]
    ends = [*ladder, *((a + side, b + side) for a, b in ladder), *((n, n + side) for n in (100, 200, 300))]
    graph = graph_of(2 * side, ends, [Use.IN_USE] * len(ends), [1] * len(ends))
    assert len(smallest_cut(graph, 50, side + 150)) == 3
    path = best_path(graph, 50, side + 150)
    assert path is not None
    assert bridges_on(graph, 50, path) == []

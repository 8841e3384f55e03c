"""Where the dots of a drawing stand, in inches: NetworkX places them, the same ones always in the same way.

Two that were asked for stand left and right. A chain that is too long for one line runs to and fro like a plough, so
that its names can be read.
"""

from collections.abc import Sequence
from math import ceil, cos, sin

import numpy as np
from numpy.typing import NDArray

from cdp_pipeline.operations.neighbourhood import Drawing

Places = NDArray[np.float64]
WIDTH = 11.0  # at which letters of 8 points are about as large as the text of the page
_LONG_CHAIN = 14
_IN_A_ROW = 8
_LEAST_SPAN = 1e-6


def place_dots(drawing: Drawing) -> tuple[Places, float]:
    """Where each dot stands, and the height of the whole; its width is WIDTH."""
    import networkx as nx

    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(drawing.dots)))
    graph.add_edges_from((line.one, line.other) for line in drawing.lines)
    asked = [place for place, dot in enumerate(drawing.dots) if dot.asked]
    parts = sorted((sorted(part) for part in nx.connected_components(graph)), key=lambda part: _rank(part, asked))
    chain = _chain(drawing)
    height = _height(len(drawing.dots), len(chain))
    places = np.zeros((len(drawing.dots), 2))
    widths = np.sqrt([len(part) for part in parts])
    widths = widths / widths.sum() * WIDTH
    left = 0.0
    for part, width in zip(parts, widths, strict=True):
        if len(chain) > _LONG_CHAIN and set(chain) <= set(part):
            inner = _plough(graph, part, chain)
        else:
            inner = _spread(graph, part, [place for place in asked if place in part])
        places[part] = _fitted(inner) * (width - 0.6, height) + (left + 0.3, 0.0)
        left += width
    return places, height


def _rank(part: Sequence[int], asked: Sequence[int]) -> tuple[int, int]:
    """The parts of those asked for come first, in their order."""
    return next((number for number, place in enumerate(asked) if place in part), len(asked)), part[0]


def _height(dots: int, chain: int) -> float:
    if chain > _LONG_CHAIN:
        return 1.15 * ceil(chain / _IN_A_ROW)
    return 3.4 if dots <= 6 else 5.2 if dots <= 16 else 7.2 if dots <= 36 else 8.6


def _chain(drawing: Drawing) -> list[int]:
    """The dots of the chain in their order; it may have gaps, which are lines too."""
    near: dict[int, list[int]] = {}
    for line in drawing.lines:
        if line.on_chain:
            near.setdefault(line.one, []).append(line.other)
            near.setdefault(line.other, []).append(line.one)
    here = next((place for place, dot in enumerate(drawing.dots) if dot.asked), None)
    nodes: list[int] = []
    while here is not None and here in near:
        nodes.append(here)
        here = next((place for place in near[here] if place not in nodes), None)
    return nodes


def _spread(graph: "object", part: Sequence[int], asked: Sequence[int]) -> Places:
    """Dots by their distance along the links; turned so that the first one asked for is left of the second."""
    import networkx as nx

    found = nx.kamada_kawai_layout(graph.subgraph(part)) if len(part) > 1 else {part[0]: (0.0, 0.0)}  # type: ignore[attr-defined]
    places = np.array([found[node] for node in part], dtype=np.float64)
    if len(asked) != 2:
        return places
    one, other = (places[list(part).index(place)] for place in asked)
    x, y = other - one
    length = float(np.hypot(x, y))
    if length < _LEAST_SPAN:
        return places
    cosine, sine = x / length, y / length
    turned: Places = places @ np.array([[cosine, -sine], [sine, cosine]])
    return turned


def _plough(graph: "object", part: Sequence[int], chain: Sequence[int]) -> Places:
    """A chain in rows, each to be read against the one before; what else there is finds its place around it."""
    import networkx as nx

    fixed: dict[int, tuple[float, float]] = {}
    for number, node in enumerate(chain):
        row, column = divmod(number, _IN_A_ROW)
        fixed[node] = (float(column if row % 2 == 0 else _IN_A_ROW - 1 - column), -float(row))
    start = dict(fixed)
    inner = graph.subgraph(part)  # type: ignore[attr-defined]
    for number, node in enumerate(part):
        near = [fixed[each] for each in sorted(inner[node]) if each in fixed] or [fixed[chain[0]]]
        start.setdefault(node, (near[0][0] + 0.4 * cos(number), near[0][1] + 0.4 * sin(number)))
    if len(part) == len(chain):
        return np.array([fixed[node] for node in part])
    found = nx.spring_layout(inner, k=0.6, pos=start, fixed=list(fixed), iterations=30, seed=1, scale=None)
    return np.array([found[node] for node in part], dtype=np.float64)


def _fitted(places: Places) -> Places:
    """Places stretched to a square of side 1; what has no extent stands in its middle."""
    least, span = places.min(axis=0), np.ptp(places, axis=0)
    fitted: Places = np.where(span < _LEAST_SPAN, 0.5, (places - least) / np.where(span < _LEAST_SPAN, 1.0, span))
    return fitted

"""Connected components of a graph whose nodes are numbered."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def component_numbers(nodes: int, a: Numbers, b: Numbers) -> Numbers:
    """The number of each node's component, the same for all nodes of a component and for no other.

    Args:
        nodes: how many nodes there are; they are numbered from 0.
        a: one end of each edge.
        b: the other end.

    The algorithm is SciPy's: a breadth-first search over a compressed sparse matrix, linear in nodes and edges.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    matrix = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(nodes, nodes))
    _, labels = connected_components(matrix, directed=False)
    numbers: Numbers = labels.astype(np.int64)
    return numbers

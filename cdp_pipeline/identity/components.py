"""Connected components of a graph whose nodes are numbered."""

import numpy as np
import pyarrow as pa


def label_components(nodes: int, edges: pa.Table) -> pa.Table:
    """Labels each node with the number of its component.

    Args:
        nodes: how many nodes there are; they are numbered from 0.
        edges: a row for each edge, its ends in the columns `a` and `b`.

    Returns:
        A row for each node: `number`, and `group_number`, the same for all nodes of a component and for no other.

    The algorithm is SciPy's: a breadth-first search over a compressed sparse matrix, linear in nodes and edges.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a = edges["a"].to_numpy().astype(np.int64, copy=False)
    b = edges["b"].to_numpy().astype(np.int64, copy=False)
    matrix = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(nodes, nodes))
    _, labels = connected_components(matrix, directed=False)
    return pa.table({"number": np.arange(nodes, dtype=np.int64), "group_number": labels.astype(np.int64)})

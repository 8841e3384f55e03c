"""Groups: which identifiers are one entity.

Components are found for all touched identifiers at once, on arrays. Those that would break a limit are few; their links
are fetched and taken one by one.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from cdp_pipeline.config.model import Entity
from cdp_pipeline.identity.components import component_numbers
from cdp_pipeline.identity.decisions import Decisions
from cdp_pipeline.identity.limits import Graph, Limits, Links, Numbers, Refusal, Solver, broken_components
from cdp_pipeline.progress import report
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "groups.sql")


def solve(work: Work, entity: Entity, decisions: Decisions) -> None:
    """Which identifiers belong together: from the temporary table `touched` to `solved` and `refused`."""
    _forget_unstitched(work, decisions)
    work.run(SQL["nodes"])
    report(f"{work.spec.kind}: components", 0, 1)
    limits, same = Limits.of(entity), _same(work, decisions)
    graph = _graph(work, limits, decisions, same)
    labels, refused = _within_limits(work, limits, graph, same)
    report(f"{work.spec.kind}: components", 1, 1)
    number = np.arange(len(labels), dtype=np.int64)
    rows = {"number": number, "group_number": labels, "component_number": graph.component}
    work.connection.load("group_labels", pa.table(rows))
    work.run(SQL["solved"])
    work.connection.unload("group_labels")
    work.connection.load("refusals", _table_of(refused))
    work.run(SQL["refused"])
    work.connection.unload("refusals")


def record_refusals(work: Work) -> None:
    """Writes which links of the touched components were not used."""
    work.run(SQL["forget_all_refused" if work.due is Due.ALL else "forget_refused"])
    work.run(SQL["record_refused"])
    names = ("refused_links", "refused_in_conflict", "refused_as_surplus")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))


def _forget_unstitched(work: Work, decisions: Decisions) -> None:
    """The links that operators took out of use, in the temporary table `unstitched`."""
    work.connection.load("unstitched_decisions", _table_of_pairs(decisions.unstitched))
    work.run(SQL["unstitched" if decisions.unstitched else "nothing_unstitched"])
    work.connection.unload("unstitched_decisions")


def _numbers(table: pa.Table, name: str) -> Numbers:
    numbers: Numbers = table[name].to_numpy().astype(np.int64, copy=False)
    return numbers


def _same(work: Work, decisions: Decisions) -> list[tuple[int, int]]:
    """Pairs of nodes that operators called the same: by decisions alone, whoever of a class is not there."""
    classes = decisions.same_classes()
    if not classes:
        return []
    numbers = {first: number for number, first in enumerate(sorted(set(classes.values())))}
    rows = {
        "identifier_id": pa.array(map(str, classes), pa.string()),
        "class_number": pa.array([numbers[first] for first in classes.values()], pa.int64()),
    }
    work.connection.load("same_members", pa.table(rows))
    members = work.fetch(SQL["same"])
    work.connection.unload("same_members")
    return [(int(a), int(b)) for (a, one), (b, other) in pairwise(members) if one == other]


def _graph(work: Work, limits: Limits, decisions: Decisions, same: Sequence[tuple[int, int]]) -> Graph:
    found = work.fetch_arrow(SQL["node_priorities"])
    priority = np.zeros(found.num_rows, dtype=np.int64)
    priority[_numbers(found, "number")] = _numbers(found, "priority")
    nodes = len(priority)
    ones, others = np.array(same, dtype=np.int64).reshape(-1, 2).T
    edges = work.fetch_arrow(SQL["edges"])
    links = _numbers(edges, "a"), _numbers(edges, "b")
    # The links by which an identity map renames an identifier: both ends are of one type.
    renaming = edges["of_maps"].to_numpy().astype(bool) & (priority[links[0]] == priority[links[1]])
    renames = links[0][renaming], links[1][renaming]
    a, b = np.concatenate([links[0], ones]), np.concatenate([links[1], others])
    contracted = np.arange(nodes, dtype=np.int64)
    if len(ones) or len(renames[0]):
        contracted = component_numbers(nodes, np.concatenate([renames[0], ones]), np.concatenate([renames[1], others]))
    core = contracted
    if not limits.bridging.all():
        bridges = limits.bridging[priority[links[0]]] & limits.bridging[priority[links[1]]]
        core = component_numbers(
            nodes, np.concatenate([links[0][bridges], ones]), np.concatenate([links[1][bridges], others])
        )
    return Graph(priority, component_numbers(nodes, a, b), contracted, core, _different(work, decisions))


def _different(work: Work, decisions: Decisions) -> list[tuple[int, int]]:
    """The pairs that operators keep apart, as nodes; whoever is the same as one of a pair is apart from the other."""
    if not decisions.different:
        return []
    classes = decisions.same_classes()
    members: dict[UUID, list[UUID]] = {}
    for member, first in classes.items():
        members.setdefault(first, []).append(member)
    ends = [[members[classes[end]] if end in classes else [end] for end in pair] for pair in decisions.different]
    apart = [(one, other) for ones, others in ends for one in ones for other in others]
    work.connection.load("different_decisions", _table_of_pairs(apart))
    pairs = [(int(one), int(other)) for one, other in work.fetch(SQL["different"])]
    work.connection.unload("different_decisions")
    return pairs


def _within_limits(
    work: Work, limits: Limits, graph: Graph, same: Sequence[tuple[int, int]]
) -> tuple[Numbers, Sequence[Refusal]]:
    """The group of each node; the links that are not used."""
    broken = broken_components(graph, limits)
    work.measure(components_over_limits=len(broken))
    if not len(broken):
        return graph.component, []
    nodes = np.flatnonzero(np.isin(graph.component, broken))
    solver = Solver(graph, limits, nodes.tolist(), same)
    refused = solver.solve(_links(work, nodes))
    labels = graph.component.copy()
    first = int(labels.max()) + 1
    labels[nodes] = [first + solver.root(node) for node in nodes.tolist()]
    return labels, refused


def _links(work: Work, nodes: Numbers) -> Links:
    """The links among some nodes in the order in which they are to be taken."""
    work.connection.load("broken_nodes", pa.table({"number": nodes}))
    rows = work.fetch(SQL["links_in_order"])
    work.connection.unload("broken_nodes")
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * 4
    a, b, renames, of_events = columns
    return Links(a, b, renames, of_events)


def _table_of_pairs(pairs: Sequence[tuple[UUID, UUID | None]]) -> pa.Table:
    columns: Sequence[Sequence[UUID | None]] = list(zip(*pairs, strict=True)) or [(), ()]
    texts = [[None if each is None else str(each) for each in column] for column in columns]
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(("one", "other"), texts, strict=True)})


def _table_of(refused: Sequence[Refusal]) -> pa.Table:
    columns: Mapping[str, pa.DataType] = {
        "a": pa.int64(), "b": pa.int64(), "reason": pa.string(), "effect": pa.string(), "detail": pa.string()
    }  # fmt: skip
    return pa.table({name: pa.array([getattr(r, name) for r in refused], kind) for name, kind in columns.items()})

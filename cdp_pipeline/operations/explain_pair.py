"""Why two identifiers are of one entity, or why they are not.

Together: the shortest chain of evidence between them; and the smallest set of links (a decision counts as one) whose
removal would part them, with who would go where. Apart: the path that comes closest to joining them, with what stands
in its way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.evidence import Identifier, Link, Pair, Quarantine, Reader, read_links
from cdp_pipeline.operations.explain import Explanation, Span, explain_identifier, find_identifier, keys_of, spans_of
from cdp_pipeline.operations.link_graph import LinkGraph, Numbers, best_path, bridges_on, side_of, smallest_cut
from cdp_pipeline.operations.names import read_name
from cdp_pipeline.operations.neighbourhood import Drawing, draw_graph
from cdp_pipeline.operations.obstacles import Obstacle, find_obstacles
from cdp_pipeline.operations.surroundings import entity_graph, wider_graph
from cdp_pipeline.warehouse.base import Connection

MOST_STEPS = 200
MOST_NAMED = 5
MOST_BRIDGES = 100


@dataclass(frozen=True)
class End:
    """One of the two: the identifier, whose it is (the entity of its group, with its key), or why it joins nobody."""

    asked: str
    identifier: Identifier
    entity_id: UUID | None
    key: str | None
    quarantine: Quarantine | None
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Side:
    """Who would be left on one side.

    Attributes:
        identifiers: how many identifiers.
        events: how many events they anchor.
        key: the most important of them.
        named: the next few, by importance.
        entity_id: the id by which they would go; None: a new one.
    """

    identifiers: int
    events: int
    key: str
    named: tuple[str, ...]
    entity_id: UUID | None


@dataclass(frozen=True)
class Parting:
    """What would part two that are together.

    Attributes:
        links: the smallest set of links whose removal parts them; of several, one with the least evidence.
        alternatives: other links, as pairs of names, each of which would do as well by itself.
        alternatives_in_all: how many there are.
        sides: who would stay with the first and who with the second, as the links stand now.
    """

    links: tuple[Link, ...]
    alternatives: tuple[tuple[str, str], ...]
    alternatives_in_all: int
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class PairExplanation:
    """Why two identifiers are together or apart.

    Attributes:
        together: whether their groups are one.
        shared: spans of time in which both belong to one entity although their groups differ: one of them is shared.
        chain: the steps from the first to the second, the middle of a very long chain left out; apart, the path that
            comes closest to joining them; None: there is no path at all.
        steps: how many steps the chain has.
        parting: what would part them, where they are together.
        obstacles: what keeps them apart, where they are not.
    """

    kind: str
    one: End
    other: End
    together: bool
    shared: tuple[Span, ...]
    chain: tuple[Link, ...] | None
    steps: int
    parting: Parting | None
    obstacles: tuple[Obstacle, ...]
    drawing: Drawing


def explain_one_or_two(
    connection: Connection, project: Project, first: str, second: str | None
) -> Explanation | PairExplanation:
    """Explains one identifier, or two where a second is given.

    Raises:
        UsageError: there is nothing to explain.
    """
    if second is None:
        return explain_identifier(connection, project, first)
    return explain_pair(connection, project, first, second)


def explain_pair(connection: Connection, project: Project, first: str, second: str) -> PairExplanation:
    """Explains why two identifiers are together or apart.

    Args:
        connection: the warehouse.
        project: the project.
        first: `[KIND/]TYPE:VALUE`, or `entity_id:UUID` for the entity's key.
        second: the other one, of the same kind.

    Raises:
        UsageError: one of them names no known kind or type, or was never seen, or they are of two kinds.
    """
    names = [read_name(project, written) for written in (first, second)]
    if names[0].kind != names[1].kind:
        raise UsageError(
            f"{first} is an identifier of a {names[0].kind} and {second} of a {names[1].kind}; two kinds of entity are "
            "never one. Write KIND/TYPE:VALUE to say which kind is meant."
        )
    with connection.transaction():
        reader = Reader(connection, project, names[0].kind)
        found = [find_identifier(reader, name) for name in names]
        if found[0].identifier_id == found[1].identifier_id:
            raise UsageError(f"{first} and {second} are one and the same identifier, {found[0].name}.")
        one, other = _ends(reader, (first, second), found)
        if one.entity_id is not None and one.entity_id == other.entity_id:
            return _together(reader, one, other, one.entity_id)
        return _apart(reader, one, other)


def _ends(reader: Reader, asked: Sequence[str], found: Sequence[Identifier]) -> list[End]:
    quarantined = reader.quarantined(found)
    keys = keys_of(reader, [each.group_id for each in found if each.group_id is not None])
    return [
        End(
            written,
            each,
            each.group_id,
            None if each.group_id is None else keys.get(each.group_id),
            quarantined.get(each.identifier_id),
            spans_of(reader, each.identifier_id),
        )
        for written, each in zip(asked, found, strict=True)
    ]


def _together(reader: Reader, one: End, other: End, entity_id: UUID) -> PairExplanation:
    graph = entity_graph(reader, entity_id)
    start, end = (graph.number_of[str(each.identifier.identifier_id)] for each in (one, other))
    path = best_path(graph, start, end)
    if path is None:  # somebody changed the tables by hand
        drawing = draw_graph(reader, graph, (start, end), [], [])
        return PairExplanation(reader.kind, one, other, True, (), None, 0, None, (), drawing)
    pairs = dict(zip(path, _pairs_along(graph, start, path), strict=True))
    bridges = {link: pairs[link] for link in bridges_on(graph, start, path)}
    cut = _weakest(reader, graph, bridges) if bridges else smallest_cut(graph, start, end)
    stays = side_of(graph, cut, start)
    others = [pair for link, pair in bridges.items() if link not in cut]
    parting = Parting(
        tuple(read_links(reader, list(dict.fromkeys(_across(graph, link, stays) for link in cut)))),
        _names(reader, others[:MOST_BRIDGES]),
        len(others),
        _sides(reader, graph, stays, entity_id),
    )
    drawing = draw_graph(reader, graph, (start, end), path, cut)
    chain = _read_chain(reader, list(pairs.values()))
    return PairExplanation(reader.kind, one, other, True, (), chain, len(path), parting, (), drawing)


def _apart(reader: Reader, one: End, other: End) -> PairExplanation:
    graph = wider_graph(reader, one.identifier, other.identifier)
    start, end = (graph.number_of[str(each.identifier.identifier_id)] for each in (one, other))
    path = best_path(graph, start, end)
    chain = None if path is None else _read_chain(reader, _pairs_along(graph, start, path))
    obstacles = find_obstacles(reader, (one.identifier, other.identifier), chain)
    drawing = draw_graph(reader, graph, (start, end), path or [], [])
    shared = _shared(one.spans, other.spans)
    steps = len(path or [])
    return PairExplanation(reader.kind, one, other, False, shared, chain, steps, None, obstacles, drawing)


def _pairs_along(graph: LinkGraph, start: int, path: Sequence[int]) -> list[Pair]:
    """The two ends of each link of a path, the one that comes first in front."""
    pairs = []
    here = start
    for link in path:
        there = int(graph.ends[link].sum()) - here
        pairs.append((graph.id_of(here), graph.id_of(there)))
        here = there
    return pairs


def _read_chain(reader: Reader, pairs: Sequence[Pair]) -> tuple[Link, ...]:
    """The steps of a chain; of a very long one its two ends."""
    half = MOST_STEPS // 2
    return tuple(read_links(reader, pairs if len(pairs) <= MOST_STEPS else [*pairs[:half], *pairs[-half:]]))


def _weakest(reader: Reader, graph: LinkGraph, bridges: Mapping[int, Pair]) -> list[int]:
    """Of several bridges the one with the fewest events, then the one that came last."""
    least = min(int(graph.events[bridge]) for bridge in bridges)
    weakest = [bridge for bridge in bridges if graph.events[bridge] == least][:MOST_BRIDGES]
    links = read_links(reader, [bridges[bridge] for bridge in weakest])
    seen = [link.first_seen.timestamp() if link.first_seen is not None else 0.0 for link in links]
    return [weakest[seen.index(max(seen))]]


def _across(graph: LinkGraph, link: int, stays: NDArray[np.bool_]) -> Pair:
    """The two ends of a link of the cut, the one that stays with the first identifier in front."""
    one, other = graph.pair(link)
    return (one, other) if stays[graph.ends[link, 0]] else (other, one)


def _names(reader: Reader, pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    identifiers = reader.identifiers(end for pair in pairs for end in pair)
    return tuple((identifiers[one].name, identifiers[other].name) for one, other in pairs)


def _sides(reader: Reader, graph: LinkGraph, stays: NDArray[np.bool_], entity_id: UUID) -> tuple[Side, Side]:
    anchored = np.zeros(len(graph.names), dtype=np.int64)
    for anchor, events in zip(*reader.fetch_columns("anchored_events", entity_id=entity_id), strict=True):
        anchored[graph.number_of[anchor]] = events
    keys = [(entity, graph.number_of[str(key)]) for entity, key in reader.fetch("keys_of_entity", entity_id=entity_id)]
    return (
        _side(reader, graph, np.flatnonzero(stays), anchored, keys),
        _side(reader, graph, np.flatnonzero(~stays), anchored, keys),
    )


def _side(
    reader: Reader, graph: LinkGraph, members: Numbers, anchored: Numbers, keys: Sequence[tuple[UUID, int]]
) -> Side:
    """Who would be left together; they go by the id with the most important key among them."""
    first = [graph.id_of(int(node)) for node in members[: MOST_NAMED + 1]]
    known = reader.identifiers(first)
    inside = set(members.tolist())
    return Side(
        len(members),
        int(anchored[members].sum()),
        known[first[0]].name,
        tuple(known[each].name for each in first[1:]),
        next((entity for entity, key in keys if key in inside), None),
    )


def _shared(spans: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """The spans of time in which both belong to one entity."""
    found = []
    for span in spans:
        for other in others:
            if span.entity_id != other.entity_id:
                continue
            starts = [each.valid_from for each in (span, other) if each.valid_from is not None]
            ends = [each.valid_to for each in (span, other) if each.valid_to is not None]
            first, last = max(starts, default=None), min(ends, default=None)
            if first is None or last is None or first < last:
                found.append(Span(first, last, span.entity_id, None, span.key))
    return tuple(found)

"""What of a graph fits into one picture: at most 60 identifiers around those that were asked for, and their links."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from cdp_pipeline.operations.evidence import Identifier, Link, Reader, Uses
from cdp_pipeline.operations.link_graph import LinkGraph, Use

MOST_DOTS = 60
_AROUND_CUT = 5  # steps of a long chain that are drawn on each side of its bridge
_MOST_LINKS_READ = 1_000


@dataclass(frozen=True)
class Dot:
    """An identifier in the picture: whether it was asked for, is on the chain, is in quarantine; and its group."""

    identifier_id: UUID
    type: str
    value: str
    asked: bool
    on_chain: bool
    quarantined: bool
    group_id: UUID | None


@dataclass(frozen=True)
class Line:
    """A link in the picture, by the places of its two dots.

    Attributes:
        use: in use, decided, refused, unstitched, quarantine; or left out, for a stretch of a long chain.
        left_out: how many steps of the chain it stands for.
    """

    one: int
    other: int
    use: str
    on_chain: bool
    in_cut: bool
    left_out: int


@dataclass(frozen=True)
class Drawing:
    """A picture: its dots and lines, and how many identifiers around were left out."""

    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    left_out: int


def draw_around(reader: Reader, identifier: Identifier, links: Sequence[Link]) -> Drawing:
    """The picture of one identifier: its links, then links of theirs while there is room."""
    chosen = list(dict.fromkeys([identifier.identifier_id, *(link.other.identifier_id for link in links)]))[:MOST_DOTS]
    uses = Uses(reader, chosen)
    inner = [each for each in chosen if each not in uses.quarantined]
    if len(chosen) < MOST_DOTS and inner:
        rows = reader.fetch("links_around", ids=inner, most=_MOST_LINKS_READ)
        chosen = list(dict.fromkeys([*chosen, *(end for row in rows for end in row[:2])]))[:MOST_DOTS]
        uses = Uses(reader, chosen)
    places = {each: place for place, each in enumerate(chosen)}
    pairs = {frozenset(pair) for pair in reader.fetch("pairs_among", ids=chosen)}
    pairs |= {pair for pair, decided in reader.verdicts.of_pair.items() if decided.verdict == "same"}
    ends = sorted(sorted(places[end] for end in pair) for pair in pairs if pair <= places.keys())
    lines = tuple(Line(a, b, uses.of(chosen[a], chosen[b])[0], False, False, 0) for a, b in ends)
    return Drawing(_dots(uses, chosen, {chosen[0]}, set()), lines, _count_left_out(reader, identifier, links, chosen))


def _count_left_out(reader: Reader, identifier: Identifier, links: Sequence[Link], chosen: Sequence[UUID]) -> int:
    if identifier.component_id is None:
        around = sum(count for _, count in reader.fetch("neighbour_types", id=identifier.identifier_id))
        return max(0, int(around) - len(links))
    size = reader.fetch("size_of_components", components=[identifier.component_id])[0][0]
    of_it = reader.identifiers(chosen).values()
    return max(0, int(size) - sum(each.component_id == identifier.component_id for each in of_it))


def draw_graph(
    reader: Reader, graph: LinkGraph, asked: tuple[int, int], chain: Sequence[int], cut: Sequence[int]
) -> Drawing:
    """The picture of two identifiers: the chain between them, what is cut, and what is near while there is room.

    Args:
        reader: of the kind.
        graph: the links around them.
        asked: the two.
        chain: the links that lead from the first to the second; empty: there is none.
        cut: links whose removal would part them.
    """
    nodes = _nodes_of(graph, asked[0], chain)
    shown = _shown(nodes, {end for link in cut for end in graph.ends[link].tolist()})
    ends = [end for link in cut for end in graph.ends[link].tolist()]
    chosen = list(dict.fromkeys([*asked, *(nodes[place] for place in shown), *ends]))[:MOST_DOTS]
    _add_near(graph, chosen, set(nodes))
    places = {node: place for place, node in enumerate(chosen)}
    on_chain, in_cut = set(chain), set(cut)
    lines = [
        Line(places[a], places[b], Use(int(graph.uses[link])).words, link in on_chain, link in in_cut, 0)
        for link in sorted({int(link) for node in chosen for link in graph.links_at[node]})
        for a, b in [graph.ends[link].tolist()]
        if a in places and b in places
    ]
    gaps = [(a, b) for a, b in pairwise(shown) if b > a + 1]
    lines += [Line(places[nodes[a]], places[nodes[b]], "left out", True, False, b - a) for a, b in gaps]
    ids = [graph.id_of(node) for node in chosen]
    uses = Uses(reader, ids)
    dots = _dots(uses, ids, {graph.id_of(node) for node in asked}, {graph.id_of(node) for node in nodes})
    return Drawing(dots, tuple(lines), len(graph.names) - len(chosen))


def _nodes_of(graph: LinkGraph, start: int, chain: Sequence[int]) -> list[int]:
    """The nodes along a chain."""
    nodes = [start]
    for link in chain:
        nodes.append(int(graph.ends[link].sum()) - nodes[-1])
    return nodes


def _shown(nodes: Sequence[int], of_cut: set[int]) -> list[int]:
    """The places of a chain that are drawn: all, or of a long one its two ends and what is around the cut."""
    if len(nodes) <= MOST_DOTS:
        return list(range(len(nodes)))
    cut = [place for place, node in enumerate(nodes) if node in of_cut]
    near = {place + step for place in cut[:2] for step in range(-_AROUND_CUT, _AROUND_CUT + 1)}
    edge = MOST_DOTS // 4
    wanted = {*range(edge), *range(len(nodes) - edge, len(nodes)), *near}
    return sorted(place for place in wanted if 0 <= place < len(nodes))


def _add_near(graph: LinkGraph, chosen: list[int], chain: Iterable[int]) -> None:
    """Adds neighbours, of those asked for first, breadth first, the more important ones first."""
    seen = {*chosen, *chain}
    waiting = deque(chosen)
    while waiting and len(chosen) < MOST_DOTS:
        node = waiting.popleft()
        links = graph.links_at[node]
        for near in sorted(set((graph.ends[links].sum(axis=1) - node).tolist()) - seen)[: MOST_DOTS - len(chosen)]:
            seen.add(near)
            chosen.append(near)
            waiting.append(near)


def _dots(uses: Uses, ids: Sequence[UUID], asked: set[UUID], chain: set[UUID]) -> tuple[Dot, ...]:
    return tuple(
        Dot(each, known.type, known.value, each in asked, each in chain, each in uses.quarantined, known.group_id)
        for each in ids
        for known in [uses.identifiers[each]]
    )

"""The links around identifiers, as a graph: of one entity, or as far as it takes to see why two are apart."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlglot import exp

from cdp_pipeline.operations.evidence import Identifier, Reader
from cdp_pipeline.operations.link_graph import LinkGraph, Numbers, Use

_MOST_ROUNDS = 3
_MOST_COMPONENTS = 50


def entity_graph(reader: Reader, entity_id: UUID) -> LinkGraph:
    """An entity's group, with the decisions that hold it together."""
    building = _Building(reader)
    building.add_whole("entity_id", [entity_id])
    return building.graph()


def wider_graph(reader: Reader, one: Identifier, other: Identifier) -> LinkGraph:
    """The components of two identifiers; where no link of theirs leads from one to the other, the hubs between too.

    A hub is an identifier in quarantine. Paths through one hub are found, and through two with a component between.
    """
    components = list(dict.fromkeys(each.component_id for each in (one, other) if each.component_id is not None))
    apart = len(components) != 1 or None in (one.component_id, other.component_id)
    hubs: list[UUID] = []
    if apart:
        hubs, between = _hubs_between(reader, one, other)
        components = _with_unstitched(reader, list(dict.fromkeys([*components, *between])))
    building = _Building(reader)
    building.add_whole("component_id", components)
    building.add_nodes([str(hub) for hub in hubs])
    building.add_nodes([str(end.identifier_id) for end in (one, other)])
    if hubs:
        building.add_links(reader.fetch_columns("links_of_hubs", hubs=hubs, components=components))
    refused = reader.fetch("refused_of_components", components=components)
    return building.graph(refused, hubs)


def _with_unstitched(reader: Reader, components: list[UUID]) -> list[UUID]:
    """The components, and those that unstitched links lead to, a few steps far."""
    ends = sorted({end for subject in reader.verdicts.unstitched for end in subject})
    for _ in range(_MOST_ROUNDS if ends else 0):
        rows = reader.fetch("components_across", ids=ends, components=components, most=_MOST_COMPONENTS)
        found = list(dict.fromkeys([*components, *(component for row in rows for component in row)]))
        if found == components:
            break
        components = found
    return components


def _hubs_between(reader: Reader, one: Identifier, other: Identifier) -> tuple[list[UUID], list[UUID]]:
    """The hubs that both sides are linked with; else all of both sides, and a component between two of them."""
    first, second = (_hubs_of(reader, each) for each in (one, other))
    common = set(first) & set(second)
    themselves = {each.identifier_id for each in (one, other) if each.component_id is None}
    if common:
        return sorted(common | themselves), []
    rows = reader.fetch("component_between", hubs=first, other_hubs=second) if first and second else []
    return sorted({*first, *second, *themselves}), [row[0] for row in rows]


def _hubs_of(reader: Reader, identifier: Identifier) -> list[UUID]:
    if identifier.component_id is None:
        return [identifier.identifier_id]
    return [row[0] for row in reader.fetch("hubs_of_component", component_id=identifier.component_id)]


class _Building:
    """A graph that is being put together."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._verdicts = reader.verdicts
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._ends: list[Numbers] = []
        self._events: list[Numbers] = []

    def add_whole(self, column: str, ids: Sequence[UUID]) -> None:
        """Adds whole entities or components, by which of these columns of the groups their ids are in."""
        of, other_of = (exp.column(column, table=alias) for alias in "gh")
        self.add_nodes(self._reader.fetch_columns("members", {"of": of}, ids=ids)[0])
        self.add_links(self._reader.fetch_columns("links_within", {"of": of, "other_of": other_of}, ids=ids))

    def add_nodes(self, texts: Sequence[str]) -> None:
        """Adds identifiers that are not there yet, in this order."""
        for text in texts:
            if text not in self._numbers:
                self._numbers[text] = len(self._names)
                self._names.append(text)

    def add_links(self, columns: Sequence[Numbers]) -> None:
        """Adds links: the two ends and the number of events."""
        ends = [np.array([self._numbers[text] for text in column], dtype=np.int64) for column in columns[:2]]
        self._ends.append(np.column_stack(ends))
        self._events.append(columns[2].astype(np.int64))

    def graph(self, refused: Sequence[tuple[Any, ...]] = (), hubs: Sequence[UUID] = ()) -> LinkGraph:
        """The graph, with what became of each link."""
        found = np.concatenate([*self._ends, np.zeros((0, 2), dtype=np.int64)])
        events = np.concatenate([*self._events, np.zeros(0, dtype=np.int64)])
        order = np.lexsort((found[:, 1], found[:, 0]))
        found, events = found[order], events[order]
        uses = np.full(len(found), Use.IN_USE, dtype=np.int64)
        low, high = found.min(axis=1), found.max(axis=1)
        self._mark(uses, low, high, refused)
        decided = self._decided()
        ends = np.concatenate([found, decided])
        uses = np.concatenate([uses, np.full(len(decided), Use.DECIDED, dtype=np.int64)])
        quarantined = np.isin(ends, [self._numbers[str(hub)] for hub in hubs]).any(axis=1)
        uses[quarantined & (uses != Use.DECIDED)] = Use.QUARANTINE
        return LinkGraph(self._names, ends, uses, np.concatenate([events, np.zeros(len(decided), dtype=np.int64)]))

    def _mark(self, uses: Numbers, low: Numbers, high: Numbers, refused: Sequence[tuple[Any, ...]]) -> None:
        """Notes which links were refused, and which are out of use."""
        number = self._numbers.get
        for use, pairs in ((Use.REFUSED, [frozenset(pair) for pair in refused]),
                           (Use.UNSTITCHED, list(self._verdicts.unstitched))):  # fmt: skip
            places = [sorted(number(str(end), -1) for end in pair) for pair in pairs]
            single = np.array([ends[0] for ends in places if len(ends) == 1], dtype=np.int64)
            double = np.array([ends for ends in places if len(ends) == 2], dtype=np.int64).reshape(-1, 2)
            hit = np.isin(low, single) | np.isin(high, single)
            hit |= np.isin((low << 32) | high, (double[:, 0] << 32) | double[:, 1])
            uses[hit] = use

    def _decided(self) -> Numbers:
        """The pairs that decisions hold together; who stands between two of them may be in use no more."""
        same = [(str(each.identifier_id), str(each.other_id)) for each in self._verdicts.same]
        while True:
            touched = [pair for pair in same if pair[0] in self._numbers or pair[1] in self._numbers]
            missing = [end for pair in touched for end in pair if end not in self._numbers]
            if not missing:
                break
            self.add_nodes(missing)
        pairs = [(self._numbers[one], self._numbers[other]) for one, other in touched]
        return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)

"""What is known of identifiers and of the links between them: who says so, since when, and what became of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.events.found_by import Rules, rules_that_find
from cdp_pipeline.identity.decisions import Decision, read_decisions
from cdp_pipeline.operations.verdicts import Verdicts
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Row

SQL = Statements(__package__, "explain.sql")
Pair = tuple[UUID, UUID]


@dataclass(frozen=True)
class Identifier:
    """An identifier; the times and numbers are None where no event and no identity map holds it now."""

    identifier_id: UUID
    type: str
    value: str
    first_seen: datetime | None
    last_seen: datetime | None
    events: int | None
    first_event_id: UUID | None
    superseded: int | None
    component_id: UUID | None
    group_id: UUID | None

    @property
    def in_use(self) -> bool:
        """Whether an event or an identity map holds it."""
        return self.first_seen is not None

    @property
    def name(self) -> str:
        """Its type and value, as they are written on the command line."""
        return f"{self.type}:{self.value}"


@dataclass(frozen=True)
class Quarantine:
    """Why an identifier joins nobody: it has more different neighbours of one type than it may have.

    Attributes:
        links: how many neighbours of that type it has.
        threshold: how many it may have.
        entities_it_would_join: how many entities own its neighbours.
        neighbours: their type.
        pinned_by: the decision that keeps it there, whatever its links.
    """

    identifier: Identifier
    links: int
    threshold: int
    entities_it_would_join: int
    neighbours: str | None
    pinned_by: Decision | None


@dataclass(frozen=True)
class Rule:
    """A stitching rule: its path in the project file, what it reads, and where it stands."""

    path: str
    reads: str
    place: str


@dataclass(frozen=True)
class ExampleEvent:
    """An event that shows a link, and the rules that find the link's two ends in it."""

    event_id: UUID
    source: str
    source_event_id: str
    type: str
    time: datetime
    rules: tuple[tuple[Rule, ...], tuple[Rule, ...]]


def example(row: Row, rules: tuple[tuple[Rule, ...], tuple[Rule, ...]] = ((), ())) -> ExampleEvent:
    """An event as the query `events` gives it."""
    event_id, source, source_event_id, event_type, time = row
    return ExampleEvent(event_id, source, source_event_id, event_type, time, rules)


@dataclass(frozen=True)
class FromMap:
    """A row of an identity map that says a link: which map, whose row, and when it was last changed."""

    path: str
    table: str
    primary: str
    updated_at: datetime | None


@dataclass(frozen=True)
class Refusal:
    """Why a link was not used.

    Attributes:
        reason: max_per_entity, same_event, bridge, different or max_identifiers.
        effect: conflict (the end that gives way is shared) or surplus (it stays by itself).
        detail: which limit, in words.
        limit: the setting of the project file, where the two ends alone say which it is.
        gives_way: the end that gives way.
    """

    reason: str
    effect: str
    detail: str | None
    limit: str | None
    gives_way: str


@dataclass(frozen=True)
class Evidence:
    """What one kind of evidence gives: in how many events, between when."""

    kind: str
    events: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Link:
    """Two identifiers and all that is known of what links them.

    Attributes:
        one: the more important end, or of a step of a chain the one that comes first.
        other: the other end.
        use: in use, decided, refused, unstitched or quarantine.
        kinds: what each kind of evidence gives: anchor and next (events), map (identity maps).
        events: in how many events both were found beside each other, at least.
        examples: the first such event, and one of the last day.
        maps: the rows of identity maps that say it.
        without_maps: whether events still link the two when those rows are nulled; None: no map says it.
        decision: the decision that links them, or that takes the link out of use.
    """

    one: Identifier
    other: Identifier
    use: str
    kinds: tuple[Evidence, ...]
    events: int
    first_seen: datetime | None
    last_seen: datetime | None
    examples: tuple[ExampleEvent, ...]
    maps: tuple[FromMap, ...]
    without_maps: bool | None
    decision: Decision | None
    refusal: Refusal | None
    quarantined: tuple[str, ...]


class Reader:
    """Reads one kind of entity."""

    def __init__(self, connection: Connection, project: Project, kind: str) -> None:
        self.connection = connection
        self.project = project
        self.kind = kind
        self.entity = project.entities[kind]
        self.schemas = {"cdp": project.schema_name, "kind": self.entity.schema_name}
        self._known: dict[UUID, Identifier] = {}
        self.verdicts = Verdicts(read_decisions(connection, self.schemas))

    def fetch(self, name: str, **values: Any) -> list[Row]:
        """The rows of a query of explain.sql."""
        return self.connection.fetch(SQL[name].bind(self.schemas), **values)

    def fetch_columns(self, name: str, trees: Mapping[str, exp.Expr] | None = None, **values: Any) -> list[Any]:
        """The columns of such a query, as NumPy arrays."""
        rows = self.connection.fetch_arrow(SQL[name].bind(self.schemas, **(trees or {})), **values)
        return [column.to_numpy() for column in rows.columns]

    def identifiers(self, ids: Iterable[UUID]) -> dict[UUID, Identifier]:
        """What is known of identifiers; of one that was never seen only its id."""
        wanted = list(dict.fromkeys(ids))
        missing = [each for each in wanted if each not in self._known]
        if missing:
            self._known |= {each: Identifier(each, "identifier_id", str(each), *(None,) * 7) for each in missing}
            self._known |= {row[0]: Identifier(*row) for row in self.fetch("identifiers", ids=missing)}
        return {each: self._known[each] for each in wanted}

    def quarantined(self, identifiers: Collection[Identifier]) -> dict[UUID, Quarantine]:
        """Those of some identifiers that are in quarantine."""
        by_id = {identifier.identifier_id: identifier for identifier in identifiers}
        found = {}
        for identifier_id, links, threshold, joined, other_priority, pinned in self.fetch(
            "quarantined", ids=list(by_id)
        ):
            neighbours = None if other_priority is None else self.entity.identifiers[other_priority].type
            decision = self.verdicts.pinned.get(identifier_id) if pinned else None
            found[identifier_id] = Quarantine(by_id[identifier_id], links, threshold, joined, neighbours, decision)
        return found

    def rule(self, number: int) -> Rule:
        """A stitching rule of the project file."""
        rule = self.entity.stitching[number]
        path = f"entities.{self.kind}.stitching[{number}]"
        what = " ".join(("|".join(rule.source) or "*", "|".join(rule.events) or "*"))
        return Rule(f"stitching[{number}]", f"{what} -> {rule.identifier}", self.place(path))

    def from_map(self, number: int, primary: Identifier, updated_at: datetime | None) -> FromMap:
        """What a row of an identity map says; rows of a map that the project file lost go with the next run."""
        maps = self.entity.identity_maps
        table = maps[number].table if number < len(maps) else ""
        return FromMap(f"identity_maps[{number}]", table, primary.name, updated_at)

    def limit_of_type(self, number: int) -> str:
        """The setting of how many identifiers of one type an entity may have."""
        return self.setting(f"identifiers[{number}].max_per_entity", self.entity.identifiers[number].max_per_entity)

    def limit_of_all(self) -> str:
        """The setting of how many identifiers an entity may have."""
        return self.setting("guards.max_identifiers", self.entity.guards.max_identifiers)

    def setting(self, path: str, value: object) -> str:
        """A setting of the kind, as path, value and place."""
        path = f"entities.{self.kind}.{path}"
        place = self.place(path)
        return f"{path} = {value}" + (f" ({place})" if place else "")

    def place(self, path: str) -> str:
        """The file and line of a value of the project file; without it, nothing."""
        error = self.project.error(path, "")
        if error.file is None:
            return ""
        file = error.file
        name = file.relative_to(self.project.folder) if file.is_relative_to(self.project.folder) else file
        return f"{name}:{error.line}" if error.line else str(name)


def read_links(reader: Reader, pairs: Sequence[Pair]) -> list[Link]:
    """What is known of links, each given by its two ends; the order of the pairs and of their ends is kept."""
    return _Reading(reader, pairs).links()


class Uses:
    """What became of links between some identifiers."""

    def __init__(self, reader: Reader, ends: Iterable[UUID]) -> None:
        self._verdicts = reader.verdicts
        self.identifiers = reader.identifiers(ends)
        self.quarantined = reader.quarantined(self.identifiers.values())
        ids = list(self.identifiers)
        self.refused = {frozenset(row[:2]): row[2:] for row in reader.fetch("refusals", ids=ids, others=ids)}

    def of(self, one: UUID, other: UUID) -> tuple[str, Decision | None]:
        """What became of a link, and the decision that says so, where one does."""
        decided = self._verdicts.of_pair.get(frozenset((one, other)))
        if decided is not None and decided.verdict == "same":
            return "decided", decided
        if one in self.quarantined or other in self.quarantined:
            return "quarantine", None
        unstitched = self._verdicts.unstitches(one, other)
        if unstitched is not None:
            return "unstitched", unstitched
        together = self.identifiers[one].group_id == self.identifiers[other].group_id
        return ("refused" if frozenset((one, other)) in self.refused and not together else "in use"), None


class _Reading:
    """All that is asked about some links, each thing in one query."""

    def __init__(self, reader: Reader, pairs: Sequence[Pair]) -> None:
        self._reader = reader
        self._pairs = pairs
        self._uses = Uses(reader, (end for pair in pairs for end in pair))
        self._identifiers = self._uses.identifiers
        ends = list(self._identifiers)
        self._maps = reader.fetch("map_rows", ids=ends)
        wanted = {frozenset(pair) for pair in pairs}
        self._evidence: dict[frozenset[UUID], list[Row]] = defaultdict(list)
        for row in reader.fetch("evidence", ids=ends, others=ends):
            if frozenset(row[:2]) in wanted:
                self._evidence[frozenset(row[:2])].append(row)
        events = {each for rows in self._evidence.values() for row in rows for each in row[6:8] if each is not None}
        self._events = {row[0]: row for row in reader.fetch("events", ids=list(events))}
        self._rules: Rules = rules_that_find(reader.connection, reader.schemas, reader.entity, events)

    def links(self) -> list[Link]:
        return [self._link(one, other) for one, other in self._pairs]

    def _link(self, one: UUID, other: UUID) -> Link:
        rows = self._evidence[frozenset((one, other))]
        kinds = tuple(sorted((Evidence(row[2], row[5], row[3], row[4]) for row in rows), key=lambda each: each.kind))
        of_maps = any(evidence.kind == "map" for evidence in kinds)
        use, decision = self._uses.of(one, other)
        return Link(
            self._identifiers[one],
            self._identifiers[other],
            use,
            kinds,
            max((evidence.events for evidence in kinds), default=0),
            min((evidence.first_seen for evidence in kinds), default=None),
            max((evidence.last_seen for evidence in kinds), default=None),
            self._examples(one, other, rows),
            self._maps_of(one, other),
            any(evidence.kind != "map" for evidence in kinds) if of_maps else None,
            decision,
            self._refusal(one, other) if use == "refused" else None,
            tuple(self._identifiers[end].name for end in (one, other) if end in self._uses.quarantined),
        )

    def _maps_of(self, one: UUID, other: UUID) -> tuple[FromMap, ...]:
        return tuple(
            self._reader.from_map(number, self._identifiers[primary_id], updated_at)
            for number, primary_id, person_ids, updated_at in self._maps
            if (primary_id == one and other in person_ids) or (primary_id == other and one in person_ids)
        )

    def _examples(self, one: UUID, other: UUID, rows: Sequence[Row]) -> tuple[ExampleEvent, ...]:
        """The earliest event that shows the link, and the latest of those that are known by name."""
        known = {event_id for row in rows for event_id in row[6:8] if event_id in self._events}
        events = sorted((self._events[event_id] for event_id in known), key=lambda event: (event[4], event[0]))
        chosen = events[:1] + (events[-1:] if len(events) > 1 else [])
        return tuple(example(event, (self._found(event[0], one), self._found(event[0], other))) for event in chosen)

    def _found(self, event_id: UUID, identifier_id: UUID) -> tuple[Rule, ...]:
        return tuple(self._reader.rule(number) for number in self._rules.get((event_id, identifier_id), ()))

    def _refusal(self, one: UUID, other: UUID) -> Refusal:
        reason, effect, detail, gives_way = self._uses.refused[frozenset((one, other))]
        ends = (self._identifiers[one], self._identifiers[other])
        return Refusal(reason, effect, detail, self._limit(reason, ends), self._identifiers[gives_way].name)

    def _limit(self, reason: str, ends: tuple[Identifier, Identifier]) -> str | None:
        """The setting that refused a link, where the reason and the ends' types alone say which it is."""
        if reason == "max_identifiers":
            return self._reader.limit_of_all()
        types = {each.type: number for number, each in enumerate(self._reader.entity.identifiers)}
        numbers = [types[end.type] for end in ends if end.type in types]
        if reason == "bridge":
            numbers = [number for number in numbers if not self._reader.entity.identifiers[number].bridge]
            return self._reader.setting(f"identifiers[{numbers[0]}].bridge", "false") if numbers else None
        return self._reader.limit_of_type(numbers[0]) if reason == "same_event" and numbers else None

"""Entity ids: the registry, its keys, and the steps (a) to (d) of DESIGN.md, section 4.6.

What DESIGN.md leaves open is decided here:

- "Most important, then earliest seen" is the order by (priority, superseded, first_seen, identifier_id), with
  first_seen as it is now, not as it was when the last map was published. "More important" is by the first two alone.
- An identifier in quarantine does not exist. "The last published map" is the groups, not the spans of time.
- (a) The key moves to an identifier that exists now. An id that owned identifiers of which none is left is retired,
  and so is an id that was only redirected to one that is retired. An id that was only redirected takes the key that
  the other id has after (a), before (d).
- (c) The founder of a new id, and its key, is the group's first identifier in that order; its ordinal is the number
  of ids in the registry with that founder.
- (d) The key moves to the group's first identifier in that order.
- A retired id never comes back: whoever returns after that is issued a new one, with the next ordinal.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from cdp_pipeline_tests.oracle.events import h
from cdp_pipeline_tests.oracle.identity import IdentifierState


@dataclass(frozen=True)
class Entity:
    """An entity id ever issued. Without a key it is retired."""

    entity_id: str
    key_id: str | None
    founder_id: str
    ordinal: int
    issued_in: int


class Registry:
    """Every entity id ever issued, and the last published groups (identifier_id -> entity_id)."""

    def __init__(self, kind: str) -> None:
        """Start with nothing issued and nothing published."""
        self.kind = kind
        self.entities: dict[str, Entity] = {}
        self.map: dict[str, str] = {}

    def publish(
        self,
        identifiers: Mapping[str, IdentifierState],
        groups: Iterable[AbstractSet[str]],
        seq: int,
        only_touched: AbstractSet[str] | None,
    ) -> None:
        """Give every group its id and publish the groups.

        Args:
            identifiers: All identifiers that exist now: in use and not in quarantine.
            groups: All groups, as they are now.
            seq: What ``issued_in`` of a new id will be; larger than at any publication before.
            only_touched: The identifiers of the components that are worked out again, and those that exist no more.
                Only groups that hold one of them are given an id, and only keys among them are looked at in (a); the
                rest stays as published. None looks at everything.
        """
        lost = {entity.key_id for entity in self.entities.values() if entity.key_id} - identifiers.keys()
        solved = list(groups)
        published = {}
        if only_touched is not None:
            lost &= only_touched
            solved = [group for group in solved if group & only_touched]
            solved_ids = {identifier_id for group in solved for identifier_id in group}
            stays = self.map.keys() - only_touched - solved_ids
            published = {identifier_id: self.map[identifier_id] for identifier_id in stays}
        self._move_lost_keys(identifiers, lost)
        for group in solved:
            entity = self._best_key_in(group, identifiers) or self._issue(group, identifiers, seq)
            self._move_key_up(entity, group, identifiers)
            published.update(dict.fromkeys(group, entity.entity_id))
        self.map = published

    def redirects(self) -> dict[str, str | None]:
        """Return, for every id that is not current, whose its key is now; None for a retired id."""
        current = set(self.map.values())
        return {
            entity.entity_id: None if entity.key_id is None else self.map[entity.key_id]
            for entity in self.entities.values()
            if entity.entity_id not in current
        }

    def _move_lost_keys(self, identifiers: Mapping[str, IdentifierState], lost: AbstractSet[str]) -> None:
        """(a) Move the keys that exist no more; ids that owned something first, for the others follow them."""
        owned: dict[str, list[str]] = {}
        for identifier_id, entity_id in self.map.items():
            owned.setdefault(entity_id, []).append(identifier_id)
        keyless = [entity for entity in self.entities.values() if entity.key_id in lost]
        for entity in keyless:
            if entity.entity_id in owned:
                left = [identifier_id for identifier_id in owned[entity.entity_id] if identifier_id in identifiers]
                self._set_key(entity, first(left, identifiers) if left else None)
        for entity in keyless:
            if entity.entity_id not in owned and entity.key_id is not None:
                self._set_key(entity, self.entities[self.map[entity.key_id]].key_id)

    def _best_key_in(self, group: AbstractSet[str], identifiers: Mapping[str, IdentifierState]) -> Entity | None:
        """(b) Return the id with the most important key in the group; ties: current, then issued first, then entity_id.

        Current is the id that owned its key, as it stands after (a), in the last published map.
        """
        ranked = [
            (
                identifiers[entity.key_id].importance,
                self.map.get(entity.key_id) != entity.entity_id,
                entity.issued_in,
                entity.entity_id,
            )
            for entity in self.entities.values()
            if entity.key_id is not None and entity.key_id in group
        ]
        return self.entities[min(ranked)[3]] if ranked else None

    def _issue(self, group: AbstractSet[str], identifiers: Mapping[str, IdentifierState], seq: int) -> Entity:
        """(c) Issue a new id to a group that holds no key."""
        founder = first(group, identifiers)
        ordinal = sum(entity.founder_id == founder for entity in self.entities.values())
        entity_id = h("entity", self.kind, founder, str(ordinal))
        self.entities[entity_id] = Entity(entity_id, founder, founder, ordinal, seq)
        return self.entities[entity_id]

    def _move_key_up(self, entity: Entity, group: AbstractSet[str], identifiers: Mapping[str, IdentifierState]) -> None:
        """(d) Move the key to the group's first identifier if that is strictly more important."""
        best = first(group, identifiers)
        if entity.key_id is None or identifiers[best].importance < identifiers[entity.key_id].importance:
            self._set_key(entity, best)

    def _set_key(self, entity: Entity, key_id: str | None) -> None:
        self.entities[entity.entity_id] = dataclasses.replace(entity, key_id=key_id)


def first(identifier_ids: Iterable[str], identifiers: Mapping[str, IdentifierState]) -> str:
    """Return the most important, then earliest seen of some identifiers."""

    def order(identifier_id: str) -> tuple[tuple[int, int], datetime, str]:
        state = identifiers[identifier_id]
        return (state.importance, state.first_seen, identifier_id)

    return min(identifier_ids, key=order)

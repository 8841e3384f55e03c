"""A kind of entity as a project declares it: its identifier types, limits, thresholds and identity maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal


@dataclass(frozen=True)
class TypeRules:
    """What holds for the identifiers of one type. ``max_links`` None: what the kind says."""

    max_per_entity: int | None = None
    max_links: int | Literal["auto"] | None = None
    bridge: bool = True
    when_shared: Literal["by_time", "last_login", "nobody"] = "by_time"


@dataclass(frozen=True)
class MapRules:
    """How an identity map is read: the types of its primary id and of its person ids."""

    primary: str
    persons: tuple[str, ...]
    resolve: Literal["first", "all"] = "first"
    updated_at: bool = True
    mode: Literal["mirror", "snapshot"] = "mirror"


@dataclass(frozen=True)
class EntityKind:
    """A kind of entity: its identifier types, most important first, and what keeps strangers apart."""

    name: str
    types: tuple[str, ...]
    rules: Mapping[str, TypeRules] = field(default_factory=dict)
    max_identifiers: int = 1000
    max_links: int | Literal["auto"] = "auto"
    maps: tuple[MapRules, ...] = ()
    start: date = date(2026, 1, 1)

    def priority(self, identifier_type: str) -> int:
        """Return the importance of a type: 0 is the most important."""
        return self.types.index(identifier_type)

    def of(self, identifier_type: str) -> TypeRules:
        """Return the rules of a type."""
        return self.rules.get(identifier_type, TypeRules())

"""What operators decided, as far as it is in force."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Decision:
    """A decision: what it says of whom, who made it and why, and who took it back."""

    decision_id: int
    verdict: str
    identifier_id: UUID
    other_id: UUID | None
    by: str
    why: str
    at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None


class Verdicts:
    """The decisions in force: of each subject the latest that was not withdrawn.

    Attributes:
        of_pair: same or different, by the two identifiers.
        pinned: quarantine or release, by the identifier.
    """

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self.of_pair: dict[frozenset[UUID], Decision] = {}
        self.pinned: dict[UUID, Decision] = {}
        self._unstitched: dict[frozenset[UUID], Decision] = {}
        for decision in sorted(decisions, key=lambda each: each.decision_id):
            if decision.withdrawn_at is not None:
                continue
            subject = frozenset(end for end in (decision.identifier_id, decision.other_id) if end is not None)
            if decision.verdict in ("same", "different"):
                self.of_pair[subject] = decision
            elif decision.verdict in ("quarantine", "release"):
                self.pinned[decision.identifier_id] = decision
            elif decision.verdict == "unstitch":
                self._unstitched[subject] = decision
        self._classes = _classes(decision for decision in self.of_pair.values() if decision.verdict == "same")

    def in_force(self, decision: Decision) -> bool:
        """Whether a decision holds now."""
        subject = frozenset(end for end in (decision.identifier_id, decision.other_id) if end is not None)
        holding = (self.of_pair.get(subject), self.pinned.get(decision.identifier_id), self._unstitched.get(subject))
        return decision.decision_id in {held.decision_id for held in holding if held is not None}

    def unstitches(self, one: UUID, other: UUID) -> Decision | None:
        """The decision that takes a link out of use."""
        subjects = (frozenset((one, other)), frozenset((one,)), frozenset((other,)))
        return next((self._unstitched[subject] for subject in subjects if subject in self._unstitched), None)

    @property
    def unstitched(self) -> Mapping[frozenset[UUID], Decision]:
        """What was unstitched: single identifiers and pairs."""
        return self._unstitched

    @property
    def same(self) -> list[Decision]:
        """The decisions that two identifiers are of one entity."""
        return [decision for decision in self.of_pair.values() if decision.verdict == "same"]

    @property
    def different(self) -> list[Decision]:
        """The decisions that two identifiers are of different entities."""
        return [decision for decision in self.of_pair.values() if decision.verdict == "different"]

    def class_of(self, identifier_id: UUID) -> frozenset[UUID]:
        """All identifiers that decisions say are the same as one, itself among them."""
        return self._classes.get(identifier_id, frozenset((identifier_id,)))


def _classes(same: Iterable[Decision]) -> dict[UUID, frozenset[UUID]]:
    neighbours: dict[UUID, set[UUID]] = defaultdict(set)
    for decision in same:
        if decision.other_id is not None:
            neighbours[decision.identifier_id].add(decision.other_id)
            neighbours[decision.other_id].add(decision.identifier_id)
    classes: dict[UUID, frozenset[UUID]] = {}
    for start in neighbours:
        if start in classes:
            continue
        members, waiting = {start}, [start]
        while waiting:
            for found in neighbours[waiting.pop()] - members:
                members.add(found)
                waiting.append(found)
        classes.update(dict.fromkeys(members, frozenset(members)))
    return classes

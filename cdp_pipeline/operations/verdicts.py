"""The decisions in force, looked up by whom they are about."""

from collections import defaultdict
from uuid import UUID

from cdp_pipeline.identity.decisions import PAIRS, PINS, Decision, Decisions


class Verdicts:
    """The decisions in force.

    Attributes:
        of_pair: same or different, by the two identifiers.
        pinned: quarantine or release, by the identifier.
        unstitched: what takes links out of use, by the one identifier or the two.
    """

    def __init__(self, decisions: Decisions) -> None:
        in_force = decisions.in_force
        self.of_pair = {frozenset(each.ends): each for each in in_force if each.verdict in PAIRS}
        self.pinned = {each.identifier_id: each for each in in_force if each.verdict in PINS}
        self.unstitched = {frozenset(each.ends): each for each in in_force if each.verdict == "unstitch"}
        self._numbers = {each.decision_id for each in in_force}
        self._first = decisions.same_classes()
        members: dict[UUID, list[UUID]] = defaultdict(list)
        for member, first in self._first.items():
            members[first].append(member)
        self._classes = {first: frozenset(each) for first, each in members.items()}

    def in_force(self, decision: Decision) -> bool:
        """Whether a decision holds now."""
        return decision.decision_id in self._numbers

    def unstitches(self, one: UUID, other: UUID) -> Decision | None:
        """The decision that takes a link out of use."""
        subjects = (frozenset((one, other)), frozenset((one,)), frozenset((other,)))
        return next((self.unstitched[subject] for subject in subjects if subject in self.unstitched), None)

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
        return (
            self._classes[self._first[identifier_id]] if identifier_id in self._first else frozenset((identifier_id,))
        )

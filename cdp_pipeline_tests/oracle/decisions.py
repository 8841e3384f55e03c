"""What operators decided: which decisions are in force, who is the same, who is not, whose links are out of use.

Of several decisions about one subject the latest is in force. Withdrawing it does not bring an older one back.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cdp_pipeline_tests.oracle.events import Decision

Subject = tuple[str, frozenset[str]]
InForce = Mapping[Subject, str]
"""The verdict about each subject."""


class ContradictionError(ValueError):
    """Decisions say that two identifiers are the same and that they are not."""


def decide(in_force: InForce, decisions: Iterable[Decision]) -> InForce:
    """Return what is in force after further decisions.

    Raises:
        ContradictionError: `same` leads from one of two identifiers to the other, and they are `different`.
    """
    later = dict(in_force)
    for decision in decisions:
        if decision.withdraws:
            later.pop(decision.subject, None)
        else:
            later[decision.subject] = decision.verdict
    classes = same_classes(later)
    for pair in pairs_decided(later, "different"):
        if any(pair <= members for members in classes):
            raise ContradictionError(f"{sorted(pair)} are different and the same")
    return later


def pairs_decided(in_force: InForce, verdict: str) -> frozenset[frozenset[str]]:
    """Return the pairs of which it was decided that they are `same`, or `different`."""
    return frozenset(ids for (_, ids), said in in_force.items() if said == verdict)


def same_classes(in_force: InForce) -> frozenset[frozenset[str]]:
    """Return who is the same as whom, in use or not: a `same` may lead over identifiers that nobody has seen."""
    classes: list[frozenset[str]] = []
    for pair in pairs_decided(in_force, "same"):
        met = [members for members in classes if members & pair]
        classes = [members for members in classes if not members & pair]
        classes.append(pair.union(*met))
    return frozenset(classes)


def pins(in_force: InForce) -> dict[str, str]:
    """Return the verdict, quarantine or release, about each identifier that is pinned."""
    return {min(ids): said for (question, ids), said in in_force.items() if question == "hub"}


def is_unstitched(pair: AbstractSet[str], in_force: InForce) -> bool:
    """Return whether a link is out of use: it was unstitched, or all links of one of its ends."""
    return any(question == "links" and ids <= pair for question, ids in in_force)


@dataclass(frozen=True)
class DecisionChange:
    """A subject about which something else is in force than before."""

    subject: Subject
    before: str | None
    now: str | None


def changed_decisions(before: InForce, now: InForce) -> list[DecisionChange]:
    """Return what changed between two states of the decisions."""
    return [
        DecisionChange(subject, before.get(subject), now.get(subject))
        for subject in before.keys() | now.keys()
        if before.get(subject) != now.get(subject)
    ]

"""Links of kind `same`: what operators decided to be one, so that whoever follows links follows these too.

The decisions in force make classes, each with all that they connect, whether it is in use or not. Those of a class that
are in use are linked one with the next, by the class's newest decision. Such a link is no evidence: no event holds it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from cdp_pipeline import tables
from cdp_pipeline.identity.decisions import read_decisions
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "same_links.sql")


@dataclass
class _SameClass:
    """Identifiers that decisions make one, and the time of the newest of these decisions."""

    members: list[str]
    decided_at: datetime


def link_decided(work: Work) -> int:
    """Brings the links of kind `same` up to date with the decisions in force and the identifiers in use.

    Returns:
        How many of them have an end that is not in use.
    """
    if not work.scalar(SQL["ever_decided"]):
        return 0
    work.connection.load("same_members", _members(_same_classes(work)))
    work.run(SQL["wanted_same"])
    work.connection.unload("same_members")
    work.run(SQL["stale_same"])
    work.run(SQL["fresh_same"])
    work.connection.open_days((day for (day,) in work.fetch(SQL["fresh_days"])), tables.IDENTITY_GRAPH)
    work.run(SQL["remove"])
    work.run(SQL["add"])
    if work.due is not Due.ALL:
        work.run(SQL["touch"])
    return int(work.scalar(SQL["loose"]))


def _members(classes: list[_SameClass]) -> pa.Table:
    rows = [(number, each.decided_at, member) for number, each in enumerate(classes) for member in sorted(each.members)]
    return pa.table(
        {
            "class_number": pa.array([row[0] for row in rows], pa.int64()),
            "decided_at": pa.array([row[1] for row in rows], pa.timestamp("us", "UTC")),
            "identifier_id": pa.array([row[2] for row in rows], pa.string()),
        }
    )


def _same_classes(work: Work) -> list[_SameClass]:
    """The classes of what decisions in force make one, in the order of their smallest members."""
    decisions = read_decisions(work, work.spec.schemas)
    classes = decisions.same_classes()
    found: dict[UUID, _SameClass] = {}
    for decision in decisions.in_force:
        if decision.verdict != "same":
            continue
        first = classes[decision.identifier_id]
        known = found.setdefault(first, _SameClass([], decision.at))
        known.decided_at = max(known.decided_at, decision.at)
    for member, first in classes.items():
        found[first].members.append(str(member))
    return [found[first] for first in sorted(found)]

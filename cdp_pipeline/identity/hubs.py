"""Hubs: identifiers with so many neighbours that they cannot be one person's.

The neighbours of each type are counted apart, over all links of events and identity maps; neither links nor counts
depend on what is in quarantine, so that a value leaves it by itself when its links no longer warrant it. How many are
too many is a number of the project, or `auto`: read off the degrees of all identifiers of the type. An operator can pin
a value in quarantine or out of it. Whoever goes in or comes out is queued, and its neighbours with it: nobody else is
solved again.
"""

import math
from collections.abc import Mapping

import pyarrow as pa

from cdp_pipeline.config.model import Entity
from cdp_pipeline.identity.decisions import Decisions
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "hubs.sql")
FEW = 1_000  # identifiers of a type: fewer say nothing about what is usual
THRESHOLD_OF_FEW = 64
LEAST_THRESHOLD = 16
USUAL = 0.999  # the share of identifiers that are certainly no hubs
MARGIN = 8


def find_hubs(work: Work, entity: Entity, decisions: Decisions) -> None:
    """Brings degrees up to date, says who is in quarantine now (the temporary table `quarantine`), queues who flipped.

    Args:
        work: the stage's work; its queue `touched_identifiers` holds what gained or lost links.
        entity: the kind of entity.
        decisions: the operators' decisions in force.
    """
    if work.due is Due.ALL:
        work.run(SQL["forget_all_degrees"])
        work.run(SQL["count_all_degrees"])
    else:
        work.run(SQL["recounted"])
        work.run(SQL["forget_degrees"])
        work.run(SQL["recounted_links"])
        work.run(SQL["count_degrees"])
    thresholds = _thresholds(work, entity)
    work.connection.load("thresholds", thresholds)
    pins = dict.fromkeys(decisions.quarantined, True) | dict.fromkeys(decisions.released, False)
    rows = {"identifier_id": pa.array(map(str, pins), pa.string()), "pinned_in": pa.array(pins.values(), pa.bool_())}
    work.connection.load("pins", pa.table(rows))
    work.run(SQL["quarantine"], least=min(thresholds["threshold"].to_pylist()))
    work.run(SQL["flipped"])
    work.connection.unload("pins")
    work.connection.unload("thresholds")
    work.run(SQL["queue_flipped"])
    if work.due is not Due.ALL:
        work.run(SQL["touch_flipped"])


def record_hubs(work: Work) -> None:
    """Writes who is in quarantine, with the number of entities that each would have joined."""
    work.run(SQL["affected_hubs"])
    work.run(SQL["quarantined_now"])
    work.run(SQL["forget_quarantined"])
    work.run(SQL["record_quarantined"])
    work.measure(quarantined_identifiers=int(work.scalar(SQL["quarantined_count"])))


def _thresholds(work: Work, entity: Entity) -> pa.Table:
    """How many neighbours of each type an identifier of each type may have."""
    chosen = [entity.guards.max_links if i.max_links is None else i.max_links for i in entity.identifiers]
    types = range(len(chosen))
    numbers: dict[int, int] = {}
    degrees: dict[tuple[int, int], dict[int, int]] = {}
    if "auto" in chosen:
        numbers = dict(work.fetch(SQL["identifiers_by_type"]))
        for priority, other, links, count in work.fetch(SQL["histogram"]):
            degrees.setdefault((priority, other), {})[links] = count
    rows = [
        (
            own,
            other,
            chosen[own] if chosen[own] != "auto" else usual(numbers.get(own, 0), degrees.get((own, other), {})),
        )
        for own in types
        for other in types
    ]
    names = ("priority", "other_priority", "threshold")
    return pa.table(
        {name: pa.array(column, pa.int64()) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


def usual(identifiers: int, degrees: Mapping[int, int]) -> int:
    """The threshold that `auto` means: far above what is usual.

    Args:
        identifiers: how many identifiers of the type there are.
        degrees: how many of them have each number of neighbours; those that are not named have none.
    """
    if identifiers < FEW:
        return THRESHOLD_OF_FEW
    above = identifiers - math.ceil(USUAL * identifiers)
    seen, percentile = 0, 0
    for degree in sorted(degrees, reverse=True):
        seen += degrees[degree]
        if seen > above:
            percentile = degree
            break
    return max(LEAST_THRESHOLD, 1 << (MARGIN * percentile).bit_length())

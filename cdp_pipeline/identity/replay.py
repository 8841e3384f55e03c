"""Replay in batches: which of the events that changed hands move in this transaction, and which later.

A batch is cut between people and never through one: whoever events go from or to is whole in one batch, with all whose
events go to or come from the same ones. A batch is therefore larger than it should be where one such group alone is.
What is worked out again because it is new moves in the first batch, with the past events of the people concerned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pyarrow as pa

from cdp_pipeline.identity.components import component_numbers
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Work

SQL = Statements(__package__, "replay.sql")


@dataclass(frozen=True)
class Flow:
    """Events that go from one entity to another; None stands for nobody."""

    from_entity: UUID | None
    to_entity: UUID | None
    events: int
    restitched: bool


def take_batch(work: Work, at_most: int) -> int:
    """Leaves in `rekeyed_events` what moves in this transaction.

    Args:
        work: the stage, with `rekeyed_events`, `restitched`, `stitched_before` and `stitched_anew`.
        at_most: how many past events a batch may move.

    Returns:
        How many events are left to later batches.
    """
    rekeyed = int(work.scalar(SQL["rekeyed_count"]))
    if rekeyed <= at_most:
        return 0
    chosen = choose([Flow(*row) for row in work.fetch(SQL["flows"])], at_most)
    work.connection.load("batch_entities", pa.table({"entity_id": pa.array(map(str, chosen), pa.string())}))
    left = work.run(SQL["leave_to_later"])
    work.connection.unload("batch_entities")
    return left


def choose(flows: Sequence[Flow], at_most: int) -> list[UUID]:
    """The entities of the next batch.

    All who gain or lose an event that is worked out again, with all whom their past events tie to them; then others, in
    the order of their ids, while their events fit. At least one group is chosen.
    """
    places: dict[UUID, int] = {}
    for flow in flows:
        for entity in (flow.from_entity, flow.to_entity):
            if entity is not None:
                places.setdefault(entity, len(places))
    ends = [
        (places[flow.from_entity], places[flow.to_entity])
        for flow in flows
        if flow.from_entity is not None and flow.to_entity is not None
    ]
    edges = np.array(ends, dtype=np.int64).reshape(-1, 2)
    numbers = component_numbers(len(places), edges[:, 0], edges[:, 1])
    events: dict[int, int] = {}
    taken: set[int] = set()
    for flow in flows:
        entity = flow.to_entity or flow.from_entity
        assert entity is not None, "a flow from nobody to nobody"
        number = int(numbers[places[entity]])
        events[number] = events.get(number, 0) + flow.events
        if flow.restitched:
            taken.add(number)
    moved = sum(events[number] for number in taken)
    for entity in sorted(places):
        number = int(numbers[places[entity]])
        if number not in taken and (not moved or moved + events[number] <= at_most):
            taken.add(number)
            moved += events[number]
    return [entity for entity, place in places.items() if int(numbers[place]) in taken]

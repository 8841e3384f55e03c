"""Chains of old ids and new ones: how many steps lead on from an identifier to the id that stands for it by now.

A row of an identity map that names an id of the primary's own type says that the primary is called so now. An
identifier follows one such row: of the first map that has one, and in it the most important id. At the end of a chain,
and everywhere on a circle, the number is 0. Only chains that lead to a row that changed are counted again.
"""

from collections.abc import Mapping

import pyarrow as pa

from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "renames.sql")


def count_renames(work: Work) -> None:
    """Brings `superseded` of the identifiers in use up to date, and queues those whose number changed."""
    if work.due is Due.ALL:
        work.run(SQL["led_on_all"])
    else:
        work.run(SQL["keep_before"])
        work.run(SQL["renamed_before"])
        work.run(SQL["led_on"])
    if work.scalar(SQL["led_on_count"]):
        found = [(str(origin), str(target), steps) for origin, target, steps in work.fetch(SQL["targets"])]
        steps = count_steps(
            {origin: target for origin, target, _ in found}, {target: number for _, target, number in found}
        )
        rows = {"identifier_id": pa.array(steps, pa.string()), "superseded": pa.array(steps.values(), pa.int32())}
        work.connection.load("rename_steps", pa.table(rows))
        work.run(SQL["superseded_anew"])
        work.connection.unload("rename_steps")
        work.run(SQL["set_superseded"])
        if work.due is not Due.ALL:
            work.run(SQL["touch"])


def count_steps(targets: Mapping[str, str], known: Mapping[str, int]) -> dict[str, int]:
    """How many steps lead on from each identifier.

    Args:
        targets: of each identifier to be counted, the one that stands for it.
        known: the numbers of those that lead nowhere in `targets`; 0 where it is not known.
    """
    steps: dict[str, int] = {}
    for origin in targets:
        path: dict[str, int] = {}
        here = origin
        while here in targets and here not in steps and here not in path:
            path[here] = len(path)
            here = targets[here]
        chain = list(path)
        if here in path:  # a circle; what leads into it ends there
            steps |= dict.fromkeys(chain[path[here] :], 0)
            chain = chain[: path[here]]
        number = steps[here] if here in targets else known.get(here, 0)
        for identifier in reversed(chain):
            number += 1
            steps[identifier] = number
    return steps

"""Tests of the random landing files: that they hold what they are for, and that both forms say the same."""

import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cdp_pipeline_tests.oracle.histories import (
    CUSTOMER,
    RULES,
    Content,
    Cut,
    Shape,
    content_after,
    deliveries,
    final_content,
    path_of,
    random_history,
    to_history,
    write_cut,
)
from cdp_pipeline_tests.oracle.operators import FIRST_DAY
from cdp_pipeline_tests.oracle.simulation import simulate

SEEDS = range(100)


def traits(cut: Cut, before: Content, after: Content) -> set[str]:
    """Return what a cut is an example of."""
    found = set()
    for day, files in cut.files.items():
        old, new = (sum(map(len, content.get(day, {}).values())) for content in (before, after))
        found.add("several days" if len(cut.files) > 1 else "one day")
        found.add("equal" if before.get(day) == after.get(day) else "changed")
        found.add("replaced by nothing" if cut.replaces and old and not new else "")
        found.add("smaller" if new < old else "larger" if new > old else "")
        found.add("an earlier day" if any(other > day for other in before) and not old else "")
        for row in (row for rows in files.values() for row in rows):
            found.add("late row" if datetime.fromisoformat(row["ts"]).date() < day else "")
            found.add("no identifier" if not row["ids"] else "")
            found.add("several of one type" if any(len(set(values)) > 1 for values in row["ids"].values()) else "")
            found.add("repeated identifier" if any(len(set(vs)) < len(vs) for vs in row["ids"].values()) else "")
    return found - {""}


def test_histories_hold_what_they_are_for() -> None:
    counted: Counter[str] = Counter()
    for seed in SEEDS:
        content: Content = {}
        cuts = random_history(random.Random(seed))
        for cut in cuts:
            before, content = content, content_after(content, cut)
            counted.update(traits(cut, before, content))
        states = simulate(to_history(cuts), CUSTOMER)
        counted["duplicates"] += any(state.rejected for state in states)
        counted["duplicate that takes over"] += any(
            later.events.get(row.event_id) == row for state, later in pairwise(states) for row in state.rejected
        )
    rare = {trait: times for trait, times in counted.items() if times < 5}
    assert not rare
    assert len(counted) == 14, sorted(counted)


def test_histories_of_mirrors_hold_corrections_and_deletions() -> None:
    counted: Counter[str] = Counter()
    for seed in SEEDS:
        shape = Shape(cuts=12, sources=("contacts", "web"))
        for state, later in pairwise(simulate(to_history(random_history(random.Random(seed), shape)), CUSTOMER)):
            gone = {row.event_id for row, why in later.rejected.items() if why == "deleted"}
            was_gone = {row.event_id for row, why in state.rejected.items() if why == "deleted"}
            returned = [later.events[event_id] for event_id in was_gone & later.events.keys()]
            counted["corrected"] += any(later.rejected.get(row) == "superseded" for row in state.events.values())
            counted["deleted"] += bool(gone & state.events.keys())
            counted["an older row returns"] += any(row in state.rejected for row in returned)
            counted["a newer row brings it back"] += any(row not in state.rejected for row in returned)
    assert min(counted.values()) >= 5, counted


def test_history_is_a_function_of_its_seed() -> None:
    assert random_history(random.Random(7)) == random_history(random.Random(7))
    assert random_history(random.Random(7)) != random_history(random.Random(8))


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_valid(seed: int) -> None:
    for cut in random_history(random.Random(seed)):
        for day, files in cut.files.items():
            for row in (row for rows in files.values() for row in rows):
                happened = datetime.fromisoformat(row["ts"])
                assert FIRST_DAY - timedelta(days=5) < happened.date() <= day
                assert happened.tzinfo == UTC
                assert row["ids"].keys() <= set(RULES)
                assert (row["amount"] * 4).is_integer()


def test_growing_history_withdraws_nothing() -> None:
    for seed in SEEDS:
        states = simulate(to_history(random_history(random.Random(seed), Shape(only_grows=True, known_id=0))), CUSTOMER)
        for before, state in pairwise(states):
            assert before.events.items() <= state.events.items(), f"seed {seed}"


def test_deliveries_end_in_the_same_content() -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        content = final_content(random_history(rng))
        for name, cuts in deliveries(content, rng).items():
            assert final_content(cuts) == content, f"seed {seed}, {name}"


def test_files_hold_the_content(tmp_path: Path) -> None:
    cuts = random_history(random.Random(3))
    content: Content = {}
    for cut in cuts:
        write_cut(cut, tmp_path)
        content = content_after(content, cut)
        lying = {
            str(file.relative_to(tmp_path)): [json.loads(line) for line in file.read_text().splitlines()]
            for file in tmp_path.rglob("*.ndjson")
        }
        assert lying == {path_of(day, source): rows for day in content for source, rows in content[day].items()}


def test_replacing_cut_refuses_days_that_are_no_interval() -> None:
    days = (date(2026, 1, 5), date(2026, 1, 7))
    with pytest.raises(ValueError, match="no interval"):
        Cut({day: {} for day in days}, replaces=True)
    assert Cut({day: {} for day in days}).interval == days

"""Random histories through real files: after each cut, all tables equal the oracle's, ids and all.

A failure names its seed. `CDP_TEST_SEED=…` tries other histories, `CDP_TEST_HISTORIES=1000` more of them.
"""

import os
import random
from collections import Counter
from dataclasses import replace as changed
from pathlib import Path

import pytest

from cdp_pipeline.events import customer_events
from cdp_pipeline.events.landing import Days
from cdp_pipeline.identity import identity_graph
from cdp_pipeline_tests.engines import shared_out
from cdp_pipeline_tests.oracle.histories import (
    CUSTOMER,
    Content,
    Cut,
    Shape,
    content_after,
    day_by_day,
    deliveries,
    final_content,
    random_history,
    to_history,
    write_cut,
)
from cdp_pipeline_tests.oracle.simulation import ALL, EVENTS, MAPS, simulate
from cdp_pipeline_tests.pipeline.comparison import Published, check_equal, expected, facts_by_group, published
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline
from cdp_pipeline_tests.pipeline.projects import HISTORIES, HISTORIES_BY_ROW, lines
from cdp_pipeline_tests.pipeline.rebuild import check_full_run

MANY = int(os.environ.get("CDP_TEST_HISTORIES", "8"))
FEW, FEWER = max(2, MANY // 8), max(1, MANY // 16)
# A crowded world, one with corrections and deletions, a sparse one, and a long history of a sparse one.
SHAPES = (
    Shape(cuts=4),
    Shape(cuts=5, days=3, known_id=0.8, sources=("contacts", "web")),
    Shape(cuts=4, values=(("crm", 6), ("email", 8), ("cookie", 12))),
    Shape(cuts=6, days=6, rows=2, values=(("crm", 4), ("email", 6), ("cookie", 12))),
)
# The stages after which a run may stop, and how far it has come then.
STAGES = {
    "cdp/customer_events": EVENTS,
    "customer/event_identifiers": EVENTS,
    "customer/identity_graph": MAPS,
    "customer/entity_map": ALL,
}


def some_history(seed: int, number: int) -> tuple[random.Random, list[Cut], str]:
    """Return a generator, a history, and what to call it."""
    own = seed + number
    rng = random.Random(own)
    return rng, random_history(rng, SHAPES[number % len(SHAPES)]), f"seed {own}"


def reasons(found: Published) -> Counter[tuple[str, str]]:
    """Return how many rows of each event_id were rejected for which reason."""
    return Counter((event_id, reason) for *_, event_id, reason in found.rejected)


def run_cut(pipeline: Pipeline, cut: Cut, until: str | None = None) -> None:
    """Put a cut into the landing folder and run."""
    write_cut(cut, pipeline.folder)
    pipeline.run(Days(*cut.interval) if cut.replaces else None, until=until)


@pytest.mark.parametrize(("engine", "number"), shared_out(MANY, len(SHAPES)), indirect=["engine"], scope="module")
def test_every_table_equals_the_oracle_after_every_cut(
    tmp_path: Path, seed: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if number // len(SHAPES) % 2:  # as where many days changed
        monkeypatch.setattr(identity_graph, "FEW_DAYS", 0)
    _, cuts, where = some_history(seed, number)
    with open_pipeline(tmp_path, HISTORIES) as pipeline:
        for place, (cut, state) in enumerate(zip(cuts, simulate(to_history(cuts), CUSTOMER), strict=True)):
            run_cut(pipeline, cut)
            check_equal(published(pipeline, CUSTOMER), expected(state), f"{where}, cut {place}")
            assert facts_by_group(pipeline, CUSTOMER) == state.facts_by_group, f"{where}, cut {place}"
        check_full_run(pipeline, where)


@pytest.mark.parametrize("number", range(FEWER))
def test_same_content_gives_the_same_groups_however_it_is_delivered(tmp_path: Path, seed: int, number: int) -> None:
    rng, cuts, where = some_history(seed, 10_000 + number)
    content = final_content(cuts)
    wanted = simulate(to_history(cuts), CUSTOMER)[-1]
    ways = deliveries(content, rng)
    for day in rng.sample(sorted(content), min(1, len(content))):
        ways["with one day replaced by itself"] = [*day_by_day(content), Cut({day: content[day]}, replaces=True)]
    for name, delivery in ways.items():
        with open_pipeline(tmp_path / name, HISTORIES) as pipeline:
            for cut in delivery:
                run_cut(pipeline, cut)
            pipeline.run()
            delivered = [*to_history(delivery), *to_history([Cut({})])]
            check_equal(published(pipeline, CUSTOMER), expected(simulate(delivered, CUSTOMER)[-1]), f"{where}, {name}")
            assert facts_by_group(pipeline, CUSTOMER) == wanted.facts_by_group, f"{where}, {name}"
            assert pipeline.column("select e.event_id from cdp.customer_events as e order by 1") == sorted(
                wanted.events
            )


@pytest.mark.parametrize("number", range(FEW))
def test_rows_that_say_their_day_give_what_files_of_a_day_give(tmp_path: Path, seed: int, number: int) -> None:
    _, cuts, where = some_history(seed, 30_000 + number)
    content: Content = {}
    with open_pipeline(tmp_path, HISTORIES_BY_ROW) as pipeline:
        for place, (cut, state) in enumerate(zip(cuts, simulate(to_history(cuts), CUSTOMER), strict=True)):
            content = content_after(content, cut)
            for source in ("shop", "web", "contacts"):
                rows = [{**row, "got": day.isoformat()} for day in content for row in content[day].get(source, [])]
                pipeline.write(f"landing/{source}/all.ndjson", lines(*rows))
            pipeline.run(Days(*cut.interval) if cut.replaces else None)
            found, wanted = published(pipeline, CUSTOMER), expected(state)
            assert found.events.keys() == wanted.events.keys(), f"{where}, cut {place}"
            assert reasons(found) == reasons(wanted), f"{where}, cut {place}"
            # Places are others.
            found = changed(found, events=wanted.events, rejected=wanted.rejected)
            check_equal(found, wanted, f"{where}, cut {place}")
            assert facts_by_group(pipeline, CUSTOMER) == state.facts_by_group, f"{where}, cut {place}"


@pytest.mark.parametrize("number", range(FEW))
def test_run_that_stops_between_stages_loses_and_repeats_nothing(
    tmp_path: Path, seed: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other history is landed in as many transactions as it has days."""
    if number % 2:
        monkeypatch.setattr(customer_events, "GROUP_BYTES", 1)
    rng, cuts, where = some_history(seed, 20_000 + number)
    stops = [*rng.choices((*STAGES, None), k=len(cuts) - 1), None]
    with open_pipeline(tmp_path, HISTORIES) as pipeline:
        for cut, stop in zip(cuts, stops, strict=True):
            run_cut(pipeline, cut, until=stop)
        reached = [ALL if stop is None else STAGES[stop] for stop in stops]
        *_, wanted = simulate(to_history(cuts), CUSTOMER, reached=reached)
        check_equal(published(pipeline, CUSTOMER), expected(wanted), f"{where}, stops {stops}")

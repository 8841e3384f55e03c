"""Two runs at once and a reader who looks all the time: nobody gets an error, and nobody sees half of a state."""

import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.events import customer_events
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import Session, open_session
from cdp_pipeline.operations.verify import verify
from cdp_pipeline.operations.verify_rows import Comparison
from cdp_pipeline.operations.verify_slice import Slice, verify_slice
from cdp_pipeline.warehouse.lock import Holder
from cdp_pipeline_tests.automation.tiny import DAYS, FIRST, SECOND, THIRD, land, row, write_tiny
from cdp_pipeline_tests.engines import Engine

# One statement sees one state: of each table how many rows, and what must add up within it.
LOOK = b"""
select
    (select count(*) from cdp.customer_events) as events,
    (select count(*) from customer.event_identifiers) as identified,
    (select count(*) from customer.entity_map) as identifiers,
    (select count(*) from customer.stitched_events) as stitched,
    (select coalesce(sum(n_events), 0)::bigint from customer.profiles) as counted,
    (select coalesce(sum(landed_rows), 0)::bigint from cdp.landed_rows)
        - (select count(*) from cdp.customer_events) - (select count(*) from cdp.rejected_events) as lost,
    (select count(*) - count(distinct event_id) from customer.stitched_events) as twice,
    (select count(*) from customer.events) - (select count(*) from customer.stitched_events) as unmatched
"""
DAILY = 40


class Reader(threading.Thread):
    """Looks at the tables again and again, until it is told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.stopped = threading.Event()
        self.seen: list[tuple[int, ...]] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while not self.stopped.is_set():
                    self.seen.append(connection.execute(LOOK).fetchall()[0])
        except psycopg.Error as error:
            self.errors.append(error)


@pytest.fixture
def project(postgresql: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of three days, the first of which was worked out; each is landed in a transaction of its own."""
    monkeypatch.setattr(customer_events, "GROUP_BYTES", 1)
    folder = tmp_path / "tiny"
    project = write_tiny(folder, days={FIRST: DAYS[FIRST]})
    work(project, "first", [])
    for day in (SECOND, THIRD):
        more = [row(100 * day.day + n, day, cookie=f"c{n % 9}", email=f"p{n % 4}", total=1) for n in range(DAILY)]
        land(folder, day, [*DAYS[day], *more])
    return project


def work(project: Project, name: str, states: list[tuple[Any, ...]]) -> list[Holder | None]:
    """Run all stages, and note what can be seen after each commit; returns for whom it had to wait."""
    waited: list[Holder | None] = []
    with (
        open_session(project, name, waited.append) as session,
        psycopg.connect(project.warehouse, autocommit=True) as eyes,
    ):
        look = [] if name == "first" else [eyes.execute(LOOK).fetchall()[0]]
        land_group = customer_events._land_group

        def noted(*arguments: Any) -> Any:
            facts = land_group(*arguments)
            states.append(eyes.execute(LOOK).fetchall()[0]) if name != "first" else None
            return facts

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(customer_events, "_land_group", noted)
            for _ in run_stages(session.connection, project, session.run):
                look += [] if name == "first" else [eyes.execute(LOOK).fetchall()[0]]
        states += look
    return waited


def test_two_runs_take_turns_and_a_reader_sees_whole_states(project: Project) -> None:
    reader = Reader(project.warehouse)
    reader.start()
    while not reader.seen:
        assert not reader.errors
        time.sleep(0.01)
    states: list[tuple[Any, ...]] = []
    waited: dict[str, list[Holder | None]] = {}
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            waited[name] = work(project, name, states)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to show it
            errors.append(error)

    both = [threading.Thread(target=run, args=(name,)) for name in ("one", "other")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    reader.stopped.set()
    reader.join()
    assert errors == reader.errors == []
    assert sorted(len(each) for each in waited.values()) == [0, 1], "one of them waits, and is told for whom"
    assert set(reader.seen) <= set(states)
    assert {(lost, twice, unmatched) for *_, lost, twice, unmatched in reader.seen} <= {(0, 0, 0)}
    assert len(set(reader.seen)) > 2, "it looked at nothing"
    assert reader.seen[-1][0] == reader.seen[-1][3]


@pytest.mark.parametrize("proof", ["of all", "of a slice"])
def test_nobody_waits_for_the_proof_and_nobody_sees_it(project: Project, proof: str) -> None:
    """Looked at when all is worked out afresh, and not yet taken back."""
    with (
        psycopg.connect(project.warehouse, autocommit=True, options="-c lock_timeout=100") as reader,
        open_session(project, "the proof", lambda holder: None) as session,
    ):
        before = reader.execute(LOOK).fetchall()
        with pytest.MonkeyPatch.context() as patch:
            seen: list[Any] = []
            verdicts = Comparison.verdicts

            def look(comparison: Comparison) -> Any:
                seen.append(reader.execute(LOOK).fetchall())
                return verdicts(comparison)

            patch.setattr(Comparison, "verdicts", look)
            if proof == "of all":
                with session.connection.rehearsal():
                    assert verify(Session(session.connection, project, "the proof", rehearsal=True)).same
            else:
                assert verify_slice(session.connection, project, "customer", session.run, Slice(0, 1)).same
        assert seen == [before]
        assert reader.execute(LOOK).fetchall() == before

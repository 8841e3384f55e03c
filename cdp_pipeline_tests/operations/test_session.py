"""What a session leaves in `cdp.runs`, and what now() means in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.operations.pipeline import landing_due, stages_due
from cdp_pipeline.operations.session import Session, open_session
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    FIRST,
    THIRD,
    TINY,
    open_tables,
    read,
    run_without_dagster,
    runs,
    write_tiny,
)


def moments(project: Project, schema: str, table: str, *columns: str) -> list[tuple[datetime, ...]]:
    """Return moments of a table, in UTC."""
    with open_tables(project) as connection:
        rows = read(connection, schema, table, columns)
    return sorted(tuple(moment.astimezone(UTC) for moment in row) for row in rows)


pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def never(folder: Path) -> Project:
    """Return a project that never ran."""
    return write_tiny(folder / "never")


def test_a_run_that_did_not_say_how_it_ended_is_failed_by_the_next(never: Project) -> None:
    def visit(run: str, *, end: str | None) -> bool:
        with open_session(never, run, lambda holder: None) as session:
            unfinished = session.is_unfinished()
            session.start("")
            if end is not None:
                session.end(end)
        return unfinished

    assert visit("dies", end=None) is False
    assert visit("fails", end="failed") is True
    assert visit("works", end="done") is True
    assert visit("works again", end="done") is False
    assert runs(never) == [
        ("dies", "", "failed"),
        ("fails", "", "failed"),
        ("works", "", "done"),
        ("works again", "", "done"),
    ]


def test_by_the_clock_now_is_when_the_run_began(never: Project) -> None:
    before = datetime.now(UTC)
    run_without_dagster(never)
    ((as_of, started_at),) = moments(never, "cdp", "runs", "as_of", "started_at")
    assert before <= as_of == started_at <= datetime.now(UTC)
    assert set(moments(never, "customer", "profiles", "valid_at")) == {(as_of,)}


def test_by_arrival_now_is_the_end_of_the_last_landed_day(folder: Path) -> None:
    project = write_tiny(folder / "arrival", TINY.replace("end:", "as_of: arrival\nend:"), {FIRST: DAYS[FIRST]})
    run_without_dagster(project, "first")
    project = write_tiny(folder / "arrival", TINY.replace("end:", "as_of: arrival\nend:"), {THIRD: DAYS[THIRD]})
    run_without_dagster(project, "second")
    assert moments(project, "cdp", "runs", "as_of") == [
        (datetime(2026, 1, 2, tzinfo=UTC),), (datetime(2026, 1, 4, tzinfo=UTC),)
    ]  # fmt: skip


def test_what_is_due_is_known_without_doing_it(project: Project) -> None:
    def due(session: Session) -> tuple[list[str], list[str]]:
        plan = landing_due(session.connection, project, session.run)
        return [reading.place for reading in plan.readings], stages_due(session.connection, project)

    with open_session(project, "looks", lambda holder: None) as session:
        assert due(session) == (
            ["landing/web/2026-01-02/events.ndjson", "landing/web/2026-01-03/events.ndjson"],
            [],
        )
        session.start("")
        first = due(session)
    run_without_dagster(project)
    with open_session(project, "looks again", lambda holder: None) as session:
        assert (first[1], due(session)) == ([], ([], []))

"""Where a run cannot begin, a sentence says why."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cdp_pipeline.automation.launch import open_instance
from cdp_pipeline.automation.main_run import run_main
from cdp_pipeline.errors import UsageError
from cdp_pipeline_tests.automation.tiny import TINY, write_tiny


@pytest.mark.parametrize("home", ["relative/home", "/nowhere/at/all"])
def test_a_dagster_home_that_is_none_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home)
    with pytest.raises(UsageError, match=rf"DAGSTER_HOME.*{home}"):
        open_instance(write_tiny(folder))


def test_a_project_that_starts_later_has_nothing_to_run(folder: Path) -> None:
    start = date(datetime.now(UTC).year + 2, 1, 1)
    text = TINY.replace("start: 2026-01-01\nend: 2026-01-03", f"start: {start}")
    report = run_main(
        write_tiny(folder, text, {}), None, None, full=False, listener=lambda *_: None, tell=lambda _: None
    )
    assert (report.run, report.success) == (None, True)
    assert any(f"starts on {start}" in note for note in report.notes)

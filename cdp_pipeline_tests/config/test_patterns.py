"""Patterns of landing files that could match nothing, or break, are refused where they are written."""

from pathlib import Path

import pytest

from cdp_pipeline_tests.config.projects import mistakes, replaced

PATTERN = "files: landing/web/{day}/*"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("../x/{day}/*", "leaves the project"),
        ("x/../{day}/*", "leaves the project"),
        ("/abs/{day}/*", "absolute"),
        ("landing/**.ndjson/{day}/x", "`**`"),
        ("landing/{day}**/x", "`**`"),
        ("landing/{day}/**", "`**`"),
        (".hidden/{day}/*", "hidden"),
    ],
)
def test_a_pattern_that_finds_nothing_is_a_mistake(tmp_path: Path, pattern: str, says: str) -> None:
    [message] = mistakes(tmp_path, replaced(PATTERN, f"files: '{pattern}'"))
    assert "sources.web.files: " in message
    assert says in message
    assert "landing/web/{day}/*" in message


@pytest.mark.parametrize("pattern", ["landing/**/{day}/*", "./landing/{day}*.ndjson", "{day}_*", "a..b/{day}/**/*"])
def test_other_patterns_are_not(tmp_path: Path, pattern: str) -> None:
    assert mistakes(tmp_path, replaced(PATTERN, f"files: '{pattern}'")) == []

"""The judgement on figures: at its limit, beyond it, without a number; and what is no judgement at all."""

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError, HealthError
from cdp_pipeline.quality import expectations
from cdp_pipeline.quality.expectations import expectations_available, judge
from cdp_pipeline.quality.health import HealthFigure, expected_checks, gather_health
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline_tests.quality.warehouses import RUN, fill_landed, fill_map, fill_profiles, fill_stitched

CHECKS = ["rejected_share", "duplicate_share", "identified_share", "largest_entity", "null_share"]


def figure(
    value: float, *, minimum: float | None = None, maximum: float | None = None, name: str = "x"
) -> HealthFigure:
    return HealthFigure(
        asset=f"customer/{name}",
        kind="customer",
        check="some_share",
        value=value,
        minimum=minimum,
        maximum=maximum,
        meaning="A share.",
    )


def passed(*figures: HealthFigure) -> list[bool]:
    return [verdict.passed for verdict in judge(figures)]


# From tables to verdicts


@pytest.mark.parametrize("good", [True, False])
def test_every_check_passes_on_its_limit_and_fails_beyond(warehouse: Connection, project: Project, good: bool) -> None:
    """The limits are 0.25, 0.125, 0.5, 3 identifiers and 0.5; the bad tables are one row worse."""
    fill_landed(warehouse, events=5 if good else 3, invalid=2, duplicates=1)
    fill_stitched(warehouse, "people", [1, None] if good else [1, None, None])
    fill_map(warehouse, "people", [(number, 1, None, None) for number in range(3 if good else 4)])
    empty = [] if good else [(None, None)]
    fill_profiles(warehouse, "people", ["revenue", "order"], ("1", "x"), (None, None), *empty)
    verdicts = judge(gather_health(warehouse, project, RUN))
    of_events_and_customers = [verdict for verdict in verdicts if verdict.figure.kind != "account"]
    assert {verdict.figure.check for verdict in of_events_and_customers} == set(CHECKS)
    assert {verdict.passed for verdict in of_events_and_customers} == {good}
    assert {verdict.passed for verdict in verdicts if verdict.figure.kind == "account"} == {True}


@pytest.mark.parametrize("name", CHECKS)
def test_the_next_number_beyond_a_limit_fails(project: Project, name: str) -> None:
    check = next(check for check in expected_checks(project) if check.check == name)
    if check.maximum is not None:
        limit, beyond = check.maximum, math.inf
    else:
        assert check.minimum is not None
        limit, beyond = check.minimum, -math.inf
    values = [math.nextafter(limit, -beyond), limit, math.nextafter(limit, beyond)]
    verdicts = judge([check.measured(value) for value in values])
    assert [verdict.passed for verdict in verdicts] == [True, True, False]
    assert [verdict.observed for verdict in verdicts] == values


# One figure


def test_both_limits_hold_at_once() -> None:
    assert passed(*(figure(value, minimum=0.2, maximum=0.4) for value in (0.1, 0.2, 0.3, 0.4, 0.5))) == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_figure_without_limits_needs_only_be_a_number() -> None:
    assert passed(figure(7.0), figure(math.nan)) == [True, False]


@pytest.mark.parametrize(("minimum", "maximum"), [(0.5, None), (None, 0.5), (0.0, 1.0)])
def test_what_is_no_number_fails_and_does_not_hide_the_others(minimum: float | None, maximum: float | None) -> None:
    verdicts = judge([figure(value, minimum=minimum, maximum=maximum) for value in (0.5, math.nan, 0.5)])
    assert [verdict.passed for verdict in verdicts] == [True, False, True]
    assert [math.isnan(verdict.observed) for verdict in verdicts] == [False, True, False]


def test_an_infinite_figure_is_beyond_every_limit() -> None:
    assert passed(figure(math.inf, maximum=1e300), figure(-math.inf, minimum=-1e300)) == [False, False]


def test_verdicts_come_in_the_order_of_the_figures() -> None:
    figures = [figure(number, maximum=20, minimum=3, name=f"n{number * 7 % 30}") for number in range(25)]
    verdicts = judge(figures)
    assert [verdict.figure for verdict in verdicts] == figures
    assert [verdict.observed for verdict in verdicts] == [float(number) for number in range(25)]
    assert [verdict.passed for verdict in verdicts] == [3 <= number <= 20 for number in range(25)]


def test_two_figures_of_one_name_are_judged_apart() -> None:
    assert passed(figure(0.1, maximum=0.5), figure(0.9, maximum=0.5)) == [True, False]


def test_what_was_expected_is_told_in_words() -> None:
    figures = [
        figure(0.0, maximum=0.05),
        figure(0.0, minimum=0.5),
        figure(0.0, minimum=0, maximum=1_000_000),
        figure(0.0),
    ]
    assert [verdict.expectation for verdict in judge(figures)] == [
        "at most 0.05",
        "at least 0.5",
        "at least 0 and at most 1,000,000",
        "a number",
    ]


# No judgement


def _without_the_second(columns: dict[str, HealthFigure]) -> pd.DataFrame:
    return pd.DataFrame({"figure_0": [0.5]})


def _with_text(columns: dict[str, HealthFigure]) -> pd.DataFrame:
    return pd.DataFrame({"figure_0": [0.5], "figure_1": ["much"]})


@pytest.mark.parametrize("frame", [_without_the_second, _with_text])
def test_a_check_that_great_expectations_chokes_on_is_no_failed_check(
    monkeypatch: pytest.MonkeyPatch, frame: Callable[[dict[str, HealthFigure]], pd.DataFrame]
) -> None:
    """One crashes in a metric, the other in the expectation: they are told in two ways, both as `success: false`."""
    monkeypatch.setattr(expectations, "_frame", frame)
    with pytest.raises(
        HealthError, match=r"The health check some_share of customer/second could not run: .*(exist|<=)"
    ):
        judge([figure(0.5, maximum=1, name="first"), figure(0.5, maximum=1, name="second")])


def test_a_crash_before_any_check_is_no_failed_check() -> None:
    value: Any = "much"
    with pytest.raises(HealthError, match=r"The health checks could not run: ValueError: .*much") as caught:
        judge([figure(value, maximum=1)])
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, CdpError)
    assert not caught.value.transient


def test_a_check_without_a_result_is_no_passed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "_validate", lambda columns: {})
    with pytest.raises(HealthError, match="could not run: there is no result"):
        judge([figure(0.5, maximum=1)])


def test_without_the_extra_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "find_spec", lambda name: None if name == "great_expectations" else object())
    assert not expectations_available()
    with pytest.raises(HealthError, match=r"pip install 'cdp-pipeline\[quality\]'"):
        judge([figure(0.5, maximum=1)])


# Manners


def test_it_is_imported_only_when_there_is_something_to_judge() -> None:
    program = (
        "import sys; from cdp_pipeline.quality.expectations import expectations_available, judge; "
        "print(expectations_available(), judge([]), *sorted({'great_expectations', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "[]"]


@contextmanager
def _overheard() -> Iterator[list[tuple[str, str]]]:
    """What reaches outside the process: names looked up, connections, files opened to be written, folders made."""
    heard: list[tuple[str, str]] = []
    listening = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if not listening:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        reaches = event.startswith("socket.") or event in {"os.mkdir", "os.rename", "subprocess.Popen", "os.system"}
        if writes or reaches:
            heard.append((event, str(arguments)))

    sys.addaudithook(hear)
    try:
        yield heard
    finally:
        listening = False


def test_nothing_is_sent_written_or_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    judge([figure(0.5, maximum=1)])  # the import, which writes compiled files and asks whether the machine has IPv6
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    capfd.readouterr()
    with _overheard() as heard:
        judge([figure(number, maximum=20) for number in range(25)])
    assert heard == []
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_what_listens_does_hear(tmp_path: Path) -> None:
    with _overheard() as heard:
        (tmp_path / "file").write_text("x")
    assert [event for event, _ in heard] == ["open"]

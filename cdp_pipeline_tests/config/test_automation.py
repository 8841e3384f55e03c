"""The key `automation`: cron expressions, intervals, and what is accepted instead of a mistake."""

from datetime import timedelta
from pathlib import Path

import pytest

from cdp_pipeline.config.automation import Automation
from cdp_pipeline.config.cron import longest_gap
from cdp_pipeline.config.loader import load_project
from cdp_pipeline_tests.config.projects import SHOP, mistakes, replaced, write_project


def with_automation(text: str) -> str:
    """Return the small project with this under `automation`."""
    return replaced("name: shop\n", f"name: shop\nautomation: {text}\n")


def automation(folder: Path, text: str = SHOP) -> Automation:
    return load_project(write_project(folder, text), {}).automation


def test_it_may_be_left_out_whole_or_in_part(tmp_path: Path) -> None:
    found = automation(tmp_path)
    assert found == automation(tmp_path, with_automation("{}"))
    assert found == automation(tmp_path, with_automation("{run: '0 3 * * *', replay: on_change}"))
    assert (found.run, found.replay.on, found.replay.every) == ("0 3 * * *", True, 30)


@pytest.mark.parametrize("off", ["off", "'off'", "false"])
def test_off_is_off_however_yaml_reads_it(tmp_path: Path, off: str) -> None:
    found = automation(tmp_path, with_automation(f"{{run: {off}, replay: {off}}}"))
    assert (found.run, found.replay.on) == (None, False)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("15m", 900), ("2h", 7200), ("1d", 86400)])
def test_intervals(tmp_path: Path, text: str, seconds: int) -> None:
    found = automation(tmp_path, with_automation(f"{{replay: {{every: {text}}}}}"))
    assert (found.replay.on, found.replay.every) == (True, seconds)


GAPS = {
    "0 3 * * *": timedelta(days=1),
    "*/5 * * * *": timedelta(minutes=5),
    "0,30 0 * * *": timedelta(hours=23, minutes=30),
    "0 9-17/4 * * mon-FRI": timedelta(days=2, hours=16),
    "0 3 * * 5-7": timedelta(days=5),
    "0 0 1 * *": timedelta(days=31),
    "0 3 1,15 jan,jul *": timedelta(days=170),
    "0 3 1 * sun": timedelta(days=7),
    "0 0 29 2 *": timedelta(days=2921),
}


@pytest.mark.parametrize(("expression", "gap"), GAPS.items())
def test_the_longest_time_between_two_moments(expression: str, gap: timedelta) -> None:
    assert longest_gap(expression) == gap


CRON = "automation.run: {} is no cron expression: {}. Write minute, hour, day of the month, month and weekday (UTC)"
WRONG = {
    "{run: nightly}": CRON.format("'nightly'", "it has not 5 fields but 1"),
    "{run: '0 24 * * *'}": CRON.format("'0 24 * * *'", "`24` is no hour (0 to 23)"),
    "{run: '0 3 31 2 *'}": CRON.format("'0 3 31 2 *'", "there is no such day"),
    "{run: '0 3 * * fri-mon'}": CRON.format("'0 3 * * fri-mon'", "`fri-mon` runs backwards"),
    "{run: '5/15 * * * *'}": CRON.format("'5/15 * * * *'", "`5/15` is no step such as */5 or 0-59/5"),
    "{run: '*/0 * * * *'}": CRON.format("'*/0 * * * *'", "`*/0` is no step such as */5 or 0-59/5"),
    "{run: '-5 * * * *'}": CRON.format("'-5 * * * *'", "`` is no minute (0 to 59)"),
    "{run: 0}": "automation.run: 0 is no cron expression. Write minute,",
    "{replay: always}": "automation.replay: 'always' is not accepted here. Write on_change, off, or an interval: {",
    "{replay: {every: 10s}}": "automation.replay.every: '10s' is too short an interval. Write a whole number and s,",
    "{replay: {every: 15}}": "automation.replay.every: 15 is no interval. Write a whole number and s, m, h or d, such",
    "{replay: {}}": "automation.replay.every: is missing. It is needed: How often changes are looked for",
    "{replay: {evry: 15m}}": "automation.replay.evry: 'evry' is not a key that is known here. Did you mean every?",
    "{replay: {on: true, every: 15m}}": "automation.replay.on: 'on' is not a key that is known here.",
    "{land: on_arrival}": "automation.land: 'land' is not a key that is known here.",
    "off": "automation: must be a mapping of keys, and YAML reads off as false.",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=WRONG.keys())
def test_a_mistake_has_its_place_and_says_what_is_accepted(tmp_path: Path, text: str, message: str) -> None:
    (found,) = mistakes(tmp_path, with_automation(text))
    assert found.startswith(f"project.yaml:2: {message}")


def test_both_mistakes_are_found_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, with_automation("\n  run: often\n  replay:\n    every: 1w"))
    assert [each.partition(": ")[0] for each in found] == ["project.yaml:3", "project.yaml:5"]

"""What somebody who sits at a terminal sees: bars, ruled tables, colours; and elsewhere none of them."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from cdp_pipeline import terminal
from cdp_pipeline.automation.main_run import RunReport
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.profile import find_profile
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.operations.summary import LandedDay


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


@contextmanager
def at(screen: io.StringIO) -> Iterator[io.StringIO]:
    """Sit before a screen for the block; pytest puts its own in its place between a fixture and its test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", "100")
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        yield screen


def test_bars_show_the_step_and_the_work_within() -> None:
    with at(Screen()) as screen, terminal.progress(quiet=False) as listener:
        listener("customer_events", 0, 8)
        listener("landing", 0, 2)
        listener("landing", 2, 2)
        listener("customer__entity_map", 3, 8)
    seen = screen.getvalue()
    assert "landing" in seen
    assert "2/2" in seen
    assert "3/8" in seen
    assert "step customer entity map" in seen


def test_elsewhere_each_end_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress(quiet=False) as listener:
        listener("customer_events", 0, 8)
        listener("landing", 0, 2)
        listener("landing", 2, 2)
        listener("customer_events", 1, 8)
        listener("customer__entity_map", 1, 8)
        listener("customer__entity_map", 2, 8)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "landing: 2 of 2\ncustomer_events: 1 of 8 steps\ncustomer/entity_map: 2 of 8 steps\n"


def test_quiet_is_quiet() -> None:
    with at(Screen()) as screen, terminal.progress(quiet=True) as listener:
        listener("landing", 2, 2)
    assert screen.getvalue() == ""


def test_tables_are_ruled_on_a_terminal_only(ran: Project) -> None:
    with open_session(ran, "test", lambda holder: None) as session:
        found = find_profile(session.connection, ran, "email:ann")
    with at(Screen()) as screen:
        terminal.show_profile(found, as_json=False)
    assert "│" in screen.getvalue()
    with at(io.StringIO()) as pipe:
        terminal.show_profile(found, as_json=False)
    assert "│" not in pipe.getvalue()
    assert "\x1b" not in pipe.getvalue()


def test_rows_that_gave_way_in_a_mirror_have_columns_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    plain = LandedDay("web", date(2026, 1, 1), 3, 2, 1, 1, 0, 0)
    mirror = LandedDay("crm", date(2026, 1, 1), 7, 2, 5, 0, 4, 1)
    told = ""
    for landed, names in (([plain], ""), ([plain, mirror], "superseded deleted ")):
        terminal.show_run(RunReport("a run", True, landed=landed), as_json=False)
        told = " ".join(capsys.readouterr().out.split())
        assert f"source days landed events rejected of these duplicates {names}adds up" in told
    assert "crm 1 7 2 5 0 4 1 every day" in told


def test_complaints_are_red_and_brackets_in_them_stay() -> None:
    with at(Screen()) as screen:
        terminal.complain(UsageError("write [KIND/]TYPE:VALUE"))
    assert "\x1b[31m" in screen.getvalue()
    assert "write [KIND/]TYPE:VALUE" in screen.getvalue()


def test_values_are_shown_as_they_are_whatever_picture_their_letters_stand_for() -> None:
    with at(Screen()) as screen:
        terminal.complain(UsageError("cookie:b: and cookie:smile:"))
        terminal.show_made(Path(":b:"), [], as_json=False)
    assert "cookie:b: and cookie:smile:" in screen.getvalue()
    assert "Made :b: with" in screen.getvalue()


def test_long_lines_are_not_broken_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    message = "word " * 200
    terminal.complain(UsageError(message.strip()))
    terminal.tell(message.strip())
    assert capsys.readouterr().err.splitlines() == [message.strip()] * 2

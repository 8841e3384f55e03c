"""`cdp explain` and `cdp profile --as-of`: in words, in JSON, and as a page of its own."""

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline_tests.automation.tiny import (
    DAYS,
    THIRD,
    change,
    copy_of,
    quick_folder,
    row,
    run_without_dagster,
    write_tiny,
)
from cdp_pipeline_tests.cli.conftest import Answer, Command
from cdp_pipeline_tests.cli.test_verbs import lines

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORMULA = "$x$"  # matplotlib would typeset it
NASTY = "<img src=x onerror=alert(1)>$\\frac{1}{2}$\x07"
GROUPS = """
insert into kind.identifier_groups (identifier_id, component_id, entity_id)
select m.identifier_id, m.entity_id, m.entity_id from kind.entity_map as m
where m.identifier_id not in (select g.identifier_id from kind.identifier_groups as g)
"""


@pytest.fixture(scope="module")
def told_once() -> Iterator[Path]:
    """Return the folder of a project that has run, with cookies of Ann's that no page should believe."""
    with quick_folder() as folder:
        days = {**DAYS, THIRD: [*DAYS[THIRD], row(20, THIRD, cookie=NASTY, email="ann"),
                               row(21, THIRD, cookie=FORMULA, email="ann"), row(22, THIRD, cookie="z")]}  # fmt: skip
        project = write_tiny(folder / "tiny", days=days)
        run_without_dagster(project)
        change(project, GROUPS)
        yield project.folder


@pytest.fixture
def told(told_once: Path, folder: Path) -> Project:
    return copy_of(told_once, folder / "tiny")


def document(answer: Answer, code: int = 0) -> Any:
    assert answer.code == code, answer
    return json.loads(answer.out)


def test_one_is_explained_in_plain_lines(cdp: Command, told: Project) -> None:
    answer = cdp("explain", "cookie:a", "--project", told.folder)
    assert (answer.code, answer.err) == (0, "")
    said = lines(answer.out)
    assert said[:3] == [
        "customer cookie:a",
        "In use from 2026-01-01 10:00:00 to 2026-01-02 10:00:00, in 3 events, 2 of which it anchors.",
        "Whose it is",
    ]
    assert re.fullmatch(
        rf"Its group is entity {UUID}, with 4 other identifiers\. The entity's key is email:ann\.", said[3]
    )
    assert "email:ann in use" in said
    assert "found by: web view: stitching[0] (* * -> cookie) and stitching[1] (* * -> email)" in said


def test_two_together_are_explained_in_plain_lines(cdp: Command, told: Project) -> None:
    said = lines(cdp("explain", "cookie:a", "cookie:b", "--project", told.folder).out)
    assert said[0] == "cookie:a and cookie:b are together"
    assert "The shortest chain of evidence" in said
    assert "1 cookie:a — email:ann in use" in said
    assert "2 email:ann — cookie:b in use" in said
    assert "The bridge is email:ann — cookie:b: without its 1 event they part." in said
    assert any(line.startswith("1 other link would do as well") and "cookie:a — email:ann." in line for line in said)
    (side,) = [line for line in said if line.startswith("cookie:b ")]
    assert side == "cookie:b 1 1 cookie:b a new id"


def test_values_stay_as_they_are_and_do_nothing_to_the_terminal(cdp: Command, told: Project) -> None:
    """Rich would take `:b:` for a picture and `[red]` for a colour; a terminal would ring at a bell."""
    assert "□" in cdp("explain", f"cookie:{NASTY}", "--project", told.folder).out
    assert "\x07" not in cdp("explain", f"cookie:{NASTY}", "--project", told.folder).out
    said = lines(cdp("explain", "cookie:b", "--project", told.folder).out)
    assert said[0] == "customer cookie:b"
    nobody = cdp("explain", "cookie:b:[red]:smile:", "--project", told.folder)
    assert "cookie b:[red]:smile:." in nobody.err


def test_two_apart_are_explained_in_plain_lines(cdp: Command, told: Project) -> None:
    said = lines(cdp("explain", "cookie:a", "cookie:z", "--project", told.folder).out)
    assert said[0] == "cookie:a and cookie:z are apart"
    assert any(line.startswith("No path: ") for line in said)


def test_explanations_are_data_for_scripts(cdp: Command, told: Project) -> None:
    one = document(cdp("explain", "cookie:a", "--json", "--project", told.folder))
    assert (one["identifier"]["type"], one["identifier"]["value"], one["ownership"]["why"]) == ("cookie", "a", "group")
    assert [(link["other"]["value"], link["use"]) for link in one["links"]] == [("ann", "in use")]
    assert one["links"][0]["examples"][0]["rules"][0][0]["path"] == "stitching[0]"
    two = document(cdp("explain", "cookie:a", "cookie:b", "--json", "--project", told.folder))
    assert (two["together"], two["steps"], len(two["chain"]), len(two["parting"]["links"])) == (True, 2, 2, 1)
    assert two["chain"][0]["first_seen"] == "2026-01-02T10:00:00+00:00"
    apart = document(cdp("explain", "cookie:a", "cookie:z", "--json", "--project", told.folder))
    assert (apart["together"], [each["reason"] for each in apart["obstacles"]]) == (False, ["no path"])


class Page(HTMLParser):
    """What of a page matters: its tags, its texts, and all that leads elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.leads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.leads += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_needs_nothing_else_and_believes_no_value(cdp: Command, told: Project, folder: Path) -> None:
    file = folder / "why.html"
    answer = cdp("explain", "cookie:a", f"cookie:{NASTY}", "--html", file, "--project", told.folder)
    assert answer.code == 0, answer
    assert lines(answer.out)[-1] == f"Wrote {file}."
    text = file.read_text(encoding="utf-8")
    assert "//" not in text.replace("</", "")
    page = Page(text)
    assert not {"script", "img", "link", "iframe", "object", "image"} & set(page.tags)
    assert all(lead.startswith("#") for lead in page.leads)
    assert page.tags.count("svg") == 1
    assert "default-src 'none'" in text
    shown = NASTY.replace("\x07", "\N{WHITE SQUARE}")
    assert any(shown in words for words in page.texts)
    assert any("personal data" in words for words in page.texts)
    for name in ("email:ann", "cookie:a", f"cookie:{FORMULA}"):
        assert name in page.texts, name
    assert "would part them" in page.texts
    assert "\x07" not in text


def test_the_same_explanation_gives_the_same_page(cdp: Command, told: Project, folder: Path) -> None:
    texts = []
    for name in ("first.html", "second.html"):
        cdp("explain", "cookie:a", "--html", folder / name, "--project", told.folder)
        texts.append((folder / name).read_text(encoding="utf-8"))
    first, second = (re.sub("<footer>.*", "", text) for text in texts)
    assert first == second


def test_a_page_can_be_written_beside_json(cdp: Command, told: Project, folder: Path) -> None:
    found = document(cdp("explain", "email:ann", "--json", "--html", folder / "ann.html", "--project", told.folder))
    assert found["identifier"]["value"] == "ann"
    assert "<svg" in (folder / "ann.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_drawn_or_written_is_refused(
    cdp: Command, told: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = cdp("explain", "email:ann", "--html", folder / "no" / "ann.html", "--project", told.folder)
    assert lost.code == 2
    assert "ann.html cannot be written: No such file or directory." in lost.err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    bare = cdp("explain", "email:ann", "--html", folder / "ann.html", "--project", told.folder)
    assert (bare.code, bare.out) == (2, "")
    assert "pip install 'cdp-pipeline[drawing]'" in bare.err
    assert not (folder / "ann.html").exists()


@pytest.mark.parametrize("names", [("email:eve",), ("email:ann", "email:eve"), ("email:eve", "email:ann")])
def test_what_was_never_seen_is_said(cdp: Command, told: Project, names: tuple[str, ...]) -> None:
    answer = cdp("explain", *names, "--project", told.folder)
    assert (answer.code, answer.out) == (2, "")
    assert "Never seen: no event and no identity map holds email eve." in answer.err
    errors = document(cdp("explain", *names, "--json", "--project", told.folder), 2)["errors"]
    assert errors[0]["message"].startswith("Never seen")


def test_an_owner_of_then_is_told_in_plain_lines_and_in_json(cdp: Command, told: Project) -> None:
    words = ("profile", "cookie:a", "--as-of", "2026-01-02T12:00:00", "--project", told.folder)
    said = lines(cdp(*words).out)
    assert said[:3] == [
        "customer cookie:a at 2026-01-02 12:00:00 UTC",
        "It was seen from 2026-01-01 10:00:00 to 2026-01-02 10:00:00.",
        "By what is known today, at 2026-01-02 12:00:00",
    ]
    assert re.fullmatch(rf"Entity {UUID}\.", said[3])
    assert "email ann 2026-01-02 10:00:00 2026-01-03 10:00:00" in said
    found = document(cdp(*words, "--json"))
    assert (found["moment"], found["identifier"]["value"]) == ("2026-01-02T12:00:00+00:00", "a")
    assert {each["value"] for each in found["known_today"]["identifiers"]} == {"a", "b", "ann", NASTY, FORMULA}
    wrong = cdp("profile", "cookie:a", "--as-of", "noon", "--project", told.folder)
    assert (wrong.code, "`noon` is no time" in wrong.err) == (2, True)

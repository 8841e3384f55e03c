"""What follows from a mistake is not told as another one, and what is left keeps its places."""

from pathlib import Path

import pytest

from cdp_pipeline.config.loader import read_project
from cdp_pipeline_tests.config.projects import MAP_OF, SHOP, mistakes, replaced, write_project

# What is replaced in the small project, by what, and the paths of all errors: the cause and nothing that follows.
FOLLOWED = {
    "a source that a rule names": ("    table: raw.contacts\n", "    table: 5\n", ["sources.crm.table"]),
    "a type of identifier that a rule names": ("{type: web_id}", "{type: web_id, pii: 1}", ["identifiers[2].pii"]),
    "a type of identifier without its name": ("{type: web_id}", "{tpe: web_id}", ["identifiers[2].tpe"]),
    "a type of identifier that an identity map names": (
        "{type: web_id}\n",
        f"{{type: web_id, pii: 1}}\n{MAP_OF}web_id, column: id}}, persons: {{email: mail}}}}\n",
        ["identifiers[2].pii"],
    ),
    "all identifiers": ("    identifiers:\n", "    identifers:\n", ["entities.customer.identifers"]),
    "the only type of identifier": (
        SHOP[SHOP.index("    identifiers:") : SHOP.index("    attributes:")],
        "    identifiers: [{type: email, pii: 1}]\n",
        ["identifiers[0].pii"],
    ),
    "all sources": ("sources:\n", "surces:\n", ["surces"]),
    "files of a source": ("    table: raw.contacts\n", "    tabel: raw.contacts\n", ["sources.crm.tabel"]),
    "the start": ("start: 2026-01-01", "start: first\nend: 1960-01-01", ["start"]),
    "the kind's name": ("  customer:\n", "  Customer:\n", ["entities.Customer"]),
}


@pytest.mark.parametrize(("old", "new", "paths"), FOLLOWED.values(), ids=FOLLOWED.keys())
def test_what_follows_from_a_mistake_is_no_mistake(tmp_path: Path, old: str, new: str, paths: list[str]) -> None:
    _, errors = read_project(write_project(tmp_path, replaced(old, new)), {})
    assert [error.path.removeprefix("entities.customer.") for error in errors] == [
        path.removeprefix("entities.customer.") for path in paths
    ]


def test_what_is_left_keeps_the_places_that_the_user_counts(tmp_path: Path) -> None:
    """Later rooms look for mistakes in what was understood; they must not name another line than the user's."""
    text = replaced("- {source: web, events: '*',", "- {source: web, events: 5,")
    project, errors = read_project(write_project(tmp_path, text), {})
    assert project is not None
    assert [rule.identifier for rule in project.entities["customer"].stitching] == ["email"]
    later = project.error("entities.customer.stitching[0].value", "does not hold.")
    assert [str(error.path) for error in [*errors, later]] == [
        "entities.customer.stitching[0].events",
        "entities.customer.stitching[1].value",
    ]
    assert later.line == 25


def test_a_rule_about_a_source_that_is_gone_is_gone_too(tmp_path: Path) -> None:
    project, _ = read_project(write_project(tmp_path, replaced("    table: raw.contacts\n", "    table: 5\n")), {})
    assert project is not None
    assert list(project.sources) == ["web"]
    assert [rule.source for rule in project.entities["customer"].stitching] == [["web"]]


def test_an_attribute_may_read_any_source_once_events_name_theirs(tmp_path: Path) -> None:
    text = replaced("sources: web", "sources: app").replace(
        "id: message_id\n", "id: message_id\n      source: app_name\n"
    )
    assert mistakes(tmp_path, text) == []

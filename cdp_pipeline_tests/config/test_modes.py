"""Which of several rows of one id is the event: what may be written, and what is refused with its place."""

from pathlib import Path

import pytest

from cdp_pipeline.config.loader import load_project
from cdp_pipeline_tests.config.projects import mistakes, replaced, write_project

AT = "    arrived_at: updated_at\n"
AUTO = "event: {id: contact_id, type: \"'contact'\", time: updated_at}"
CRM = "project.yaml:{}: sources.crm."


def crm(*keys: str, event: str = AUTO) -> str:
    """Return the small project with more keys for its table, and another event."""
    return replaced(AT, AT + "".join(f"    {key}\n" for key in keys)).replace(AUTO, event)


def test_a_source_appends_unless_it_says_that_it_is_a_mirror(tmp_path: Path) -> None:
    plain = load_project(write_project(tmp_path), {}).sources
    mirror = load_project(write_project(tmp_path, crm("mode: mirror", "deleted: is_deleted")), {}).sources
    assert {source.mode for source in plain.values()} == {"append"}
    assert (mirror["crm"].mode, mirror["crm"].deleted, mirror["web"].mode) == ("mirror", "is_deleted", "append")


WRONG = {
    "deleted without a mode": (
        crm("deleted: is_deleted"),
        CRM.format(16) + "deleted: is for mirrors, and this source appends: an event that has landed stays. Write "
        "`mode: mirror` beside it, by which a later row of an id replaces the earlier one, or remove it.",
    ),
    "deleted where rows are appended": (
        crm("mode: append", "deleted: is_deleted"),
        CRM.format(17) + "deleted: is for mirrors, and this source appends",
    ),
    "an unknown mode, and nothing more about deleted": (
        crm("mode: miror", "deleted: is_deleted"),
        CRM.format(16) + "mode: 'miror' is not accepted here. Did you mean mirror? Accepted: append, mirror.",
    ),
    "a mirror without ids": (
        crm("mode: mirror", event="event: {type: \"'contact'\", time: updated_at}"),
        CRM.format(17) + "event: gives rows no id by which a later one could replace an earlier one. Write the "
        "expression for it under `event.id`, or remove `mode: mirror`.",
    ),
    "a mirror of which every line is an event": (
        crm("mode: mirror", event="event: {id: none, type: \"'contact'\", time: updated_at}"),
        CRM.format(17) + "event.id: gives rows no id",
    ),
    "a mirror whose id is no text, and nothing more about it": (
        crm("mode: mirror", event="event: {id: 5, type: \"'contact'\", time: updated_at}"),
        CRM.format(17) + "event.id: must be a text",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_mode_that_cannot_be_is_refused_once(tmp_path: Path, text: str, message: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(message)

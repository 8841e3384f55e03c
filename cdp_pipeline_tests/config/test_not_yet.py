"""Keys of the contract that a later release brings are refused by name: never accepted, never called unknown."""

from pathlib import Path

import pytest

from cdp_pipeline_tests.config.projects import mistakes, replaced

IDENTIFIER = "- {type: crm_id"

LATER = {
    "entities.customer.identifiers[0].store": (IDENTIFIER, f"{IDENTIFIER}, store: hashed"),
}


@pytest.mark.parametrize(("path", "replacement"), LATER.items(), ids=LATER.keys())
def test_what_a_later_release_brings_is_refused_by_name(
    tmp_path: Path, path: str, replacement: tuple[str, str]
) -> None:
    (found,) = mistakes(tmp_path, replaced(*replacement))
    place, _, message = found.partition(f": {path}: ")
    assert place.startswith("project.yaml:")
    assert "is part of a later release; this one does not have it yet. " in message
    assert message.partition("yet. ")[2].startswith("Remove ")

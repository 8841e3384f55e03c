"""Keys of the contract that a later release brings are refused by name: never accepted, never called unknown."""

from pathlib import Path

import pytest

from cdp_pipeline_tests.config.projects import SHOP, mistakes, replaced

IDENTIFIER = "- {type: crm_id"
ENTITY = "  customer:\n"
ATTRIBUTE = "- {id: revenue, "

LATER = {
    "entities.customer.identifiers[0].store": (IDENTIFIER, f"{IDENTIFIER}, store: hashed"),
    "entities.customer.row_helpers": (ENTITY, f"{ENTITY}    row_helpers:\n"),
    "entities.customer.context": (ENTITY, f"{ENTITY}    context: [{{key: a}}]\n"),
    "entities.customer.meta_attributes": (ENTITY, f"{ENTITY}    meta_attributes: []\n"),
    "entities.customer.attributes[0].identifier": (ATTRIBUTE, f"{ATTRIBUTE}identifier: email, "),
    "automation.context": ("name: shop\n", "name: shop\nautomation: {context: '0 2 * * *'}\n"),
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


@pytest.mark.parametrize("kind", ["identifiers", "derived", "custom"])
def test_types_of_attribute_that_come_later_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    (found,) = mistakes(tmp_path, replaced("type: sum", f"type: {kind}"))
    assert found.startswith(
        "project.yaml:27: entities.customer.attributes[0].type: An attribute of type identifiers, derived or custom is"
    )


def test_a_type_that_comes_later_needs_no_value(tmp_path: Path) -> None:
    """Its other mistakes would be judged by rules that do not hold for it."""
    attribute = SHOP[SHOP.index("- {id: revenue") :]
    (found,) = mistakes(tmp_path, SHOP.replace(attribute, "- {id: emails, type: identifiers, identifier: email}\n"))
    assert "attributes[0].type" in found

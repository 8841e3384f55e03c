"""The verb `cdp explain attribute TYPE:VALUE ATTRIBUTE`."""

from typing import TYPE_CHECKING

from cdp_pipeline import terminal
from cdp_pipeline.errors import UsageError

if TYPE_CHECKING:
    from cdp_pipeline.config.model import Project


def explain_value(project: "Project", word: str, identifier: str | None, attribute: str | None, as_json: bool) -> None:
    """Shows what made an attribute's value.

    Raises:
        UsageError: the words are not these three.
    """
    from cdp_pipeline.operations.explain_attribute import explain_attribute
    from cdp_pipeline.operations.session import open_for_reading
    from cdp_pipeline.terminal.explain_attribute import show_attribute

    if word != "attribute" or identifier is None or attribute is None:
        raise UsageError("Write: cdp explain attribute TYPE:VALUE ATTRIBUTE, or cdp explain A [B].")
    with open_for_reading(project, "cdp explain", terminal.tell_waiting) as connection:
        found = explain_attribute(connection, project, identifier, attribute)
    show_attribute(found, as_json)

"""Which keys of a project make the identifiers of all events be found again, and which do not."""

from pathlib import Path

import pytest

from cdp_pipeline.config.loader import load_project
from cdp_pipeline.events.event_identifiers import event_identifiers_spec
from cdp_pipeline_tests.pipeline.projects import project

TYPE = "{type: email}"


def definition(folder: Path, keys: str = "") -> str:
    """Return the definition of the stage, the type email having these keys."""
    text = project()
    assert text.count(TYPE) == 1
    (folder / "project.yaml").write_text(text.replace(TYPE, f"{{type: email, {keys}}}" if keys else TYPE))
    return event_identifiers_spec(load_project(folder, {}), "customer").definition


@pytest.mark.parametrize("keys", ["max_per_entity: 1", "max_links: 8", "bridge: false", "when_shared: nobody"])
def test_what_links_may_do_does_not_change_which_identifiers_an_event_carries(tmp_path: Path, keys: str) -> None:
    assert definition(tmp_path, keys) == definition(tmp_path)


@pytest.mark.parametrize(
    "keys", ["normalize: [lower]", "valid: '@'", "blocked: [x]", "blocked_defaults: false"], ids=lambda keys: keys
)
def test_what_counts_as_a_value_does(tmp_path: Path, keys: str) -> None:
    assert definition(tmp_path, keys) != definition(tmp_path)

"""The examples of docs/attributes.md are what they say: all of them together are one valid project."""

import re
from pathlib import Path
from typing import Any

import yaml

from cdp_pipeline.validation import load_valid_project

REFERENCE = Path(__file__).parents[1] / "docs" / "attributes.md"
PROJECT: dict[str, Any] = {
    "name": "reference",
    "warehouse": "duckdb:///warehouse.duckdb",
    "start": "2026-01-01",
    "sources": {
        name: {"files": name + "/{day}/*", "event": {"id": "id", "type": "type", "time": "time"}}
        for name in ("web", "app")
    },
}
CUSTOMER: dict[str, Any] = {
    "identifiers": [{"type": "email"}],
    "stitching": [{"source": "web", "identifier": "email", "value": "payload->>'email'"}],
}


def test_the_examples_of_the_reference_are_one_valid_project(tmp_path: Path) -> None:
    written: dict[str, list[Any]] = {}
    for block in re.findall(r"^```yaml\n(.*?)^```", REFERENCE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for key, definitions in yaml.safe_load(block).items():
            written.setdefault(key, []).extend(definitions)
    assert written.keys() == {"attributes", "row_helpers", "meta_attributes", "context"}
    text = yaml.safe_dump(PROJECT | {"entities": {"customer": CUSTOMER | written}}, sort_keys=False)
    (tmp_path / "project.yaml").write_text(text, encoding="utf-8")
    assert len(load_valid_project(tmp_path, {}).entities["customer"].attributes) > 20

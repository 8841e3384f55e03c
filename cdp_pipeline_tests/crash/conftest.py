"""A folder for what is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp_pipeline.events import customer_events
from cdp_pipeline_tests.automation.tiny import quick_folder


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(customer_events, "GROUP_BYTES", customer_events.GROUP_BYTES)
    with quick_folder() as made:
        yield made

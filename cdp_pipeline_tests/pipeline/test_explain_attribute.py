"""`cdp explain attribute`: the events that made a value, on each engine."""

import pytest

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.explain_attribute import AttributeExplanation, explain_attribute
from cdp_pipeline_tests.automation.tiny import FIRST, TINY, land, row
from cdp_pipeline_tests.pipeline.conftest import Start

NUMBER = "(payload->>'n')::bigint"
PROJECT = (
    TINY
    + f"""\
      - {{id: first_n, type: first, value: "payload->'n'", filter: "(payload->>'n')::numeric(9,2) > 1", events: view}}
      - {{id: last_n, type: last, value: "{NUMBER}"}}
      - {{id: least, type: min, value: "{NUMBER}"}}
      - {{id: greatest, type: max, value: "{NUMBER}"}}
      - {{id: usual, type: most_frequent, value: "payload->>'n'"}}
      - {{id: late, type: last, value: "payload->>'n'", events: nothing}}
"""
)
NUMBERS = (2, 1, 3, 3, None)


def marked(found: AttributeExplanation) -> list[tuple[str, str | None]]:
    return [(event.id, event.value) for event in found.events if event.wins]


def test_the_events_that_made_a_value_are_marked(start: Start) -> None:
    pipeline = start(PROJECT)
    rows = [row(n, FIRST, cookie="a", n=value, at=f"{FIRST}T1{n}:00:00Z") for n, value in enumerate(NUMBERS)]
    land(pipeline.folder, FIRST, [*rows, row(10, FIRST, cookie="z", n=7)])
    pipeline.run()

    def explained(name: str) -> AttributeExplanation:
        return explain_attribute(pipeline.connection, pipeline.project, "cookie:a", name)

    first = explained("first_n")
    assert (first.value, first.counted, marked(first)) == ("2", 3, [("e0", "2")])
    assert [event.id for event in first.events] == ["e0", "e2", "e3"]
    assert first.definition["filter"] == "(payload->>'n')::numeric(9,2) > 1"
    assert marked(explained("last_n")) == [("e3", "3")]
    assert marked(explained("least")) == [("e1", "1")]
    assert marked(explained("greatest")) == marked(explained("usual")) == [("e3", "3"), ("e2", "3")]
    count = explained("n_events")
    assert (count.value, count.counted, len(count.events), marked(count)) == ("5", 5, 5, [])
    none = explained("late")
    assert (none.value, none.counted, none.events) == (None, 0, [])
    assert len({explained(name).version for name in ("least", "greatest", "usual")}) == 3
    with pytest.raises(UsageError, match="There is no attribute `nothing` of customer"):
        explained("nothing")

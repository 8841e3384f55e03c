"""When a rule cannot be worked out, the error names it and one event; a condition before the cast mends it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdp_pipeline.errors import WarehouseError
from cdp_pipeline_tests.pipeline.driver import Pipeline, open_pipeline
from cdp_pipeline_tests.pipeline.projects import WEB, day, lines, project, row

NUMBER = "(payload->>'n')::int > 1"
ENTITIES = """\
  customer:
    identifiers: [{type: email}]
    stitching:
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: email, events: nothing, value: "(payload->>'n')::int"}
      - {identifier: email, %s}
"""


@contextmanager
def pipeline(folder: Path, rule: str) -> Iterator[Pipeline]:
    with open_pipeline(folder, project(WEB, ENTITIES % rule)) as made:
        rows = [row(1, n="2", email="a"), row(2, n="abc", email="b", kind="odd"), row(3, email="c")]
        made.write(f"landing/{day(1)}/web.ndjson", lines(*rows))
        yield made


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (f"""value: "payload->>'other'", where: "{NUMBER}" """, "where"),
        ("""value: "(payload->>'n')::int" """, "value"),
        ("""value: "(payload->>'n')::int", where: "payload->>'email' <> 'c'" """, "value"),
    ],
)
def test_the_rule_and_an_event_are_named(tmp_path: Path, rule: str, field: str) -> None:
    with pipeline(tmp_path, rule) as made:
        with pytest.raises(WarehouseError) as raised:
            made.run()
        [event] = made.column("select e.event_id from cdp.customer_events as e where e.source_event_id = '2'")
    message = str(raised.value)
    assert message.startswith(
        f"entities.customer.stitching[2].{field} cannot be worked out for event {event} (web, 2): "
    )
    assert "abc" in message
    assert "Guard it with a condition" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "rule",
    [
        f"""value: "payload->>'other'", where: "payload->>'n' ~ '^[0-9]+$' and {NUMBER}" """,
        f"""value: "payload->>'other'", events: login, where: "{NUMBER}" """,
        """value: "(payload->>'n')::int", where: "payload->>'kind' is null" """,
    ],
)
def test_a_condition_before_it_spares_what_it_leaves_out(tmp_path: Path, rule: str) -> None:
    with pipeline(tmp_path, rule) as made:
        made.run()
        assert made.column("select count(*) from kind.event_identifiers as i") == [3]

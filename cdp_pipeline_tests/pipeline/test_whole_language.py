"""Definitions in a whole project: identifiers as they move, context values on demand, and nothing due by itself."""

import json
from typing import Any

from cdp_pipeline.operations.again import refresh_context
from cdp_pipeline.operations.session import Session
from cdp_pipeline_tests.automation.tiny import FIRST, SECOND, TINY, land, row
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline

MORE = """\
      - {id: cookies, type: identifiers, identifier: cookie}
      - {id: emails, type: identifiers, identifier: email}
      - {id: is_busy, type: derived, value: "n_events > (select value from context where key = 'usual')::numeric(38,9)"}
    context:
      - {key: usual, query: "select avg(p.n_events) from profiles as p", max_age: 30d}
"""
PROJECT = TINY + MORE


def profiles(pipeline: Pipeline) -> dict[str, list[Any]]:
    rows = pipeline.query("select p.person_key, p.cookies, p.emails, p.is_busy from kind.profiles as p")
    return {key: [json.loads(cookies), emails and json.loads(emails), busy] for key, cookies, emails, busy in rows}


def test_identifiers_and_context_values_in_a_whole_run(start: Start) -> None:
    pipeline = start(PROJECT)
    land(pipeline.folder, FIRST, [row(1, FIRST, cookie="a"), row(2, FIRST, cookie="b"), row(3, FIRST, cookie="b")])
    pipeline.run()
    assert profiles(pipeline) == {"a": [["a"], None, False], "b": [["b"], None, True]}
    land(pipeline.folder, SECOND, [row(4, SECOND, cookie="a", email="ann"), row(5, SECOND, cookie="b", email="ann")])
    pipeline.run()
    # All are one person now, and the context value is the one of the day before.
    assert profiles(pipeline) == {"ann": [["a", "b"], ["ann"], True]}
    session = Session(pipeline.connection, pipeline.project, pipeline.new_run().run)
    report = refresh_context(session, [], dry_run=False)
    assert [(each.context_values, each.context_changed, each.profiles_changed) for each in report.kinds] == [(1, 1, 1)]
    assert profiles(pipeline) == {"ann": [["a", "b"], ["ann"], False]}
    assert pipeline.column("select c.value from kind.context_values as c order by c.number") == [
        "1.500000000",
        "5.000000000",
    ]

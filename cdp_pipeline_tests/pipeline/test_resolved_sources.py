"""The views `<kind>.resolved_<source>`: the events of one source with whose they are now."""

from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline_tests.automation.tiny import DAYS, TINY, land
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline

EVENT = "event: {id: id, type: type, time: at"
TWO = TINY.replace(
    "entities:\n", f"  app: {{files: 'landing/app/{{day}}/*', {EVENT}, source: \"'phone'\"}}}}\nentities:\n"
)


def keys(pipeline: Pipeline, source: str) -> list[tuple[str, str]]:
    query = f"select r.source_event_id, r.person_key from kind.resolved_{source} as r"  # noqa: S608 - a test's own name
    return sorted(pipeline.query(query))


def test_each_source_has_a_view_for_as_long_as_it_is_declared(start: Start) -> None:
    pipeline = start(TWO)
    for day, rows in DAYS.items():
        land(pipeline.folder, day, rows)
    pipeline.write("landing/app/2026-01-01/a.ndjson", '{"id": "x", "type": "tap", "at": "2026-01-01", "cookie": "b"}\n')
    pipeline.run()
    assert keys(pipeline, "app") == [("x", "ann")], "one that calls itself something else, of Ann's phone"
    web = dict(keys(pipeline, "web"))
    assert (web["e1"], web["e2"], web["e5"]) == ("ann", "ann", "bob")
    assert len(web) == 7
    payload, owner = pipeline.query("select r.payload ->> 'total', r.entity_id from kind.resolved_web as r "
                                    "where r.source_event_id = 'e3'")[0]  # fmt: skip
    assert payload == "5"
    assert pipeline.query("select p.person_key from kind.profiles as p where p.entity_id = cast(:id as uuid)", id=owner)
    assert stages_due(pipeline.connection, pipeline.project) == []

    schema = pipeline.schemas()["kind"]
    pipeline.rewrite(TINY)
    assert "customer/resolved_sources" in stages_due(pipeline.connection, pipeline.project)
    pipeline.run()
    assert pipeline.connection.columns_of(schema, "resolved_app") is None
    assert len(keys(pipeline, "web")) == 7
    pipeline.rewrite(TWO)
    pipeline.run()
    assert keys(pipeline, "app") == [("x", "ann")]

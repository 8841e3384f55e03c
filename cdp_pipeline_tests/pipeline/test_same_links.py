"""Decisions that identifiers are the same, as links."""

from cdp_pipeline.operations.pipeline import stages_due
from cdp_pipeline.warehouse.stage import Due, StageSpec, stage
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.maps import (
    FIRST,
    GRAPH,
    MAP,
    february,
    groups,
    land,
    links,
    make_people,
    state,
    with_maps,
)
from cdp_pipeline_tests.pipeline.projects import row


def decide(pipeline: Pipeline, verdict: str, a: str, b: str, number: float, *, withdrawn: bool = False) -> None:
    """Write a decision as `cdp decide` does, or take it back; the next run is told of it."""
    with stage(
        pipeline.connection, StageSpec("customer/decisions", "customer", pipeline.schemas()), pipeline.new_run()
    ) as work:
        work.facts.due = Due.CHANGES
        ids = "(select v.identifier_id from kind.identifier_values as v where v.value = :{})"
        if withdrawn:
            pipeline.execute(
                "update kind.decisions set withdrawn_at = at where decision_id = :number",
                number=int(number * 100),
            )
        else:
            pipeline.execute(
                "insert into kind.decisions (identifier_id, other_id, verdict, at, decision_id) values "  # noqa: S608
                f"({ids.format('a')}, {ids.format('b')}, :verdict, :at, :number)",
                a=a,
                b=b,
                verdict=verdict,
                at=february(number),
                number=int(number * 100),
            )
        _ = work.number


def test_members_of_a_class_of_decisions_are_linked_in_a_row(start: Start) -> None:
    pipeline = start(with_maps(FIRST))
    make_people(pipeline, ("w4", "dora@x", None, 3))
    land(pipeline, *(row(n, web=f"w{n}") for n in (1, 2, 3)), row(9, email="ann@x"))
    pipeline.run(until=MAP)
    decide(pipeline, "same", "w1", "w2", 10)
    decide(pipeline, "same", "w3", "ann@x", 11)
    decide(pipeline, "different", "w1", "w3", 12)
    decide(pipeline, "same", "dora@x", "w3", 13)
    assert stages_due(pipeline.connection, pipeline.project)[0] == GRAPH
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w3 w4", "w1 w2"]
    assert sorted(each[2:] for each in links(pipeline, "same")) == [("02-10", 0), ("02-13", 0), ("02-13", 0)]
    ends = pipeline.query(
        "select i.priority, j.priority, i.identifier_id, j.identifier_id from kind.identity_graph as g "
        "join kind.identifiers as i on i.identifier_id = g.identifier_id "
        "join kind.identifiers as j on j.identifier_id = g.other_id where g.kind = 'same'"
    )
    assert all((a, first) < (b, second) for a, b, first, second in ends)
    decide(pipeline, "same", "w2", "w1", 10.25)
    pipeline.run(until=MAP)
    assert pipeline.column("select g.last_seen from kind.identity_graph as g where g.kind = 'same' order by 1") == [
        february(10.25),
        february(13),
        february(13),
    ]
    before = state(pipeline)
    pipeline.run(full=True, until=MAP)
    assert state(pipeline) == before
    # A member that goes out of use is passed over, and comes back.
    pipeline.execute("delete from raw.people")
    land(pipeline, row(1, web="w1"), row(2, web="w2"), row(9, email="ann@x"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w4", "w1 w2"]
    for number in (10, 10.25):
        decide(pipeline, "same", "w1", "w2", number, withdrawn=True)
    facts = pipeline.run(until=MAP)
    assert groups(pipeline) == ["ann@x dora@x w4", "w1", "w2"]
    assert facts[MAP].metrics["components_solved"] == 2

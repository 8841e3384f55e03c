"""Corners of the map that a review found: what a small change must not miss, what a gate and an upgrade must see."""

from datetime import date

import pytest

from cdp_pipeline.errors import PublicationHeld, WarehouseError
from cdp_pipeline.identity.entity_map import map_entities
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import day, lines, project, row
from cdp_pipeline_tests.pipeline.rebuild import check_full_run
from cdp_pipeline_tests.pipeline.test_same_links import decide

PLAIN = """\
  customer:
    identifiers: [{type: email}, {type: web}]
    stitching:
      - {identifier: web, value: "payload->'web'"}
      - {identifier: email, value: "payload->'email'"}
    guards: {publish: {min_entities: 5, max_share_merged: 0.01, max_growth: 100}}
"""
OPEN = PLAIN.replace("0.01", "1.0")
FEW_LINKS = OPEN.replace("{type: email}", "{type: email, max_links: 2}")


def land(pipeline: Pipeline, number: int, *rows: dict[str, object]) -> None:
    pipeline.write(f"landing/{day(number)}/web.ndjson", lines(*rows))


def owners(pipeline: Pipeline) -> dict[str, str]:
    return dict(
        pipeline.query(
            "select i.value, m.entity_id from kind.entity_map as m "
            "join kind.identifiers as i on i.identifier_id = m.identifier_id"
        )
    )


def test_evidence_between_two_who_were_decided_to_be_one_counts_towards_a_crowd(start: Start) -> None:
    pipeline = start(project(entities=FEW_LINKS))
    land(pipeline, 1, row(1, email="e", web="w1"), row(2, email="e", web="w2"), row(3, web="w3"))
    pipeline.run()
    decide(pipeline, "same", "e", "w3", 10)
    pipeline.run()
    land(pipeline, 2, row(4, email="e", web="w3"))
    pipeline.run()
    assert pipeline.query("select q.links, q.threshold from kind.quarantined_identifiers as q") == [(3, 2)]
    check_full_run(pipeline, "a crowd")


def test_who_is_the_same_as_one_of_two_stays_apart_from_the_other(start: Start) -> None:
    pipeline = start(project(entities=OPEN))
    land(pipeline, 1, row(1, email="a"), row(2, email="a2"), row(3, email="b"))
    pipeline.run()
    decide(pipeline, "same", "a", "a2", 10)
    decide(pipeline, "different", "a", "b", 11)
    land(pipeline, 1, row(2, email="a2"), row(3, email="b"))
    pipeline.replace(date(2026, 2, 1))
    land(pipeline, 2, row(4, email="a2", web="w"), row(5, email="b", web="w"))
    pipeline.run()
    assert owners(pipeline)["a2"] != owners(pipeline)["b"]
    check_full_run(pipeline, "apart")


def test_the_gate_sees_people_fused_under_an_id_that_was_only_redirected(start: Start) -> None:
    pipeline = start(project(entities=OPEN))
    land(
        pipeline, 1, *(row(f"e{n}", email=f"e{n}") for n in range(10)), *(row(f"w{n}", web=f"w{n}") for n in range(10))
    )
    pipeline.run()
    land(pipeline, 2, *(row(f"l{n}", email=f"e{n}", web=f"w{n}") for n in range(10)))
    pipeline.run()
    fusing = PLAIN.replace("[{type: email}, {type: web}]", "[{type: web}, {type: email}]")
    fusing = fusing.replace("    guards", "      - {identifier: email, value: \"payload->'type'\"}\n    guards")
    pipeline.rewrite(project(entities=fusing))
    with pytest.raises(PublicationHeld) as held:
        pipeline.run()
    assert (held.value.entities, held.value.merged) == (10, 9)


def test_readers_know_people_by_the_same_keys_while_the_gate_holds(start: Start) -> None:
    pipeline = start(project(entities=OPEN))
    land(pipeline, 1, *(row(n, email=f"E{n}", web=f"w{n}") for n in range(8)))
    pipeline.run()
    keys = "select v.source_event_id, v.person_key from kind.events as v order by 1"
    before = pipeline.query(keys)
    assert before[0] == ("0", "E0")
    fusing = PLAIN.replace("{type: email}", "{type: email, normalize: [lower]}")
    fusing = fusing.replace("    guards", "      - {identifier: web, value: \"payload->'type'\"}\n    guards")
    pipeline.rewrite(project(entities=fusing))
    with pytest.raises(PublicationHeld):
        pipeline.run()
    assert pipeline.query(keys) == before


def test_a_warehouse_that_kept_no_groups_keeps_its_ids(start: Start) -> None:
    pipeline = start(project(entities=OPEN))
    land(pipeline, 1, row(1, web="w1"))
    pipeline.run()
    land(pipeline, 2, row(2, email="e"))
    pipeline.run()
    land(pipeline, 3, row(3, email="e", web="w1"))
    pipeline.run()
    land(pipeline, 1)
    land(pipeline, 3)
    pipeline.replace(date(2026, 2, 1), date(2026, 2, 3))
    before = owners(pipeline)
    pipeline.execute("delete from kind.identifier_groups as g")
    pipeline.execute("update cdp.stages set definition = 'of an earlier release' where stage = 'customer/entity_map'")
    facts = pipeline.run()
    assert owners(pipeline) == before
    assert facts["customer/entity_map"].metrics["changes"] == 0


@pytest.mark.parametrize("full", [False, True])
def test_a_map_that_is_run_before_the_links_of_an_earlier_release_are_renewed_parts_nobody(
    start: Start, full: bool
) -> None:
    pipeline = start(project(entities=OPEN))
    land(pipeline, 1, row(1, email="e", web="w"), row(2, email="f"))
    pipeline.run()
    before = owners(pipeline)
    pipeline.execute("delete from kind.linked_pairs as p")
    pipeline.execute("update cdp.stages set definition = 'earlier' where stage = 'customer/identity_graph'")
    decide(pipeline, "same", "e", "f", 10)
    with pytest.raises(WarehouseError, match="customer/identity_graph first"):
        map_entities(pipeline.connection, pipeline.project, "customer", pipeline.new_run(), full=full)
    assert owners(pipeline) == before
    pipeline.run()
    assert len(set(owners(pipeline).values())) == 1
    check_full_run(pipeline, "upgraded")

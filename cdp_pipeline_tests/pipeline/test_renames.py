"""Old ids and new ones: chains, circles, and the direction of a link."""

from cdp_pipeline.identity.renames import count_steps
from cdp_pipeline.warehouse.stage import Due
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.maps import (
    GRAPH,
    MAP,
    RENAMES,
    groups,
    in_use,
    land,
    links,
    make_renames,
    superseded,
    with_maps,
)
from cdp_pipeline_tests.pipeline.projects import row


def test_chain_of_renames_is_followed_to_its_end(start: Start) -> None:
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline, ("a", "b"), ("b", "c"))
    land(pipeline, row(1, web=["a", "z"]), row(2, web="c"))
    pipeline.run(until=MAP)
    assert groups(pipeline) == ["a b c z"]
    assert superseded(pipeline) == {"a": 2, "b": 1}
    assert [link[:2] for link in links(pipeline)] == [("b", "a"), ("c", "b")]
    make_renames(pipeline, ("a", "b"), ("b", "c"), ("c", "d"))
    land(pipeline, row(3, web="b"), number=3)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 3, "b": 2, "c": 1}
    land(pipeline, row(4, web="a"), row(5, web="c"), number=4)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 3, "b": 2, "c": 1}, "to be seen again changes nothing"
    make_renames(pipeline, ("a", "b"), ("c", "d"))
    pipeline.run(until=MAP)
    assert superseded(pipeline) == {"a": 1, "c": 1}
    assert groups(pipeline) == ["a b z", "c d"]


def test_circle_ends_and_what_leads_into_it_does_too(start: Start) -> None:
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline, ("a", "b"), ("b", "a"), ("c", "a"), ("d", "c"), ("e", "e"))
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"c": 1, "d": 2}
    assert "e" in in_use(pipeline)
    assert len(links(pipeline)) == 3
    make_renames(pipeline, ("a", "b"), ("c", "a"), ("d", "c"))
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 1, "c": 2, "d": 3}


def test_an_id_follows_the_first_map_that_renames_it(start: Start) -> None:
    pipeline = start(with_maps(RENAMES, RENAMES.replace("renames", "more")))
    make_renames(pipeline, ("a", "b"))
    make_renames(pipeline, ("a", "c"), ("c", "d"), table="more")
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 1, "c": 1}
    make_renames(pipeline)
    pipeline.run(until=GRAPH)
    assert superseded(pipeline) == {"a": 2, "c": 1}


def test_link_has_one_direction_whatever_says_it(start: Start) -> None:
    """An event with both ids, on two days: its links turn when a map says which of them is the new one."""
    pipeline = start(with_maps(RENAMES))
    make_renames(pipeline)
    for number in (2, 3):
        land(pipeline, row(number, web=["a", "b"]), number=number)
    pipeline.run(until=GRAPH)
    ((first, second),) = {link[:2] for link in links(pipeline, "anchor", "next")}
    for pairs, wanted in (
        ([(first, second)], (second, first)),
        ([(first, second), (second, first)], (first, second)),
        ([(second, first)], (first, second)),
        ([(first, second)], (second, first)),
    ):
        make_renames(pipeline, *pairs)
        pipeline.run(until=GRAPH)
        assert {link[:2] for link in links(pipeline, "anchor", "next", "map")} == {wanted}
        assert len(links(pipeline, "anchor", "next")) == 4
    # Events that come later find the direction that the map gives.
    land(pipeline, row(4, web=["a", "b"]), number=4)
    pipeline.run(until=GRAPH)
    assert {link[:2] for link in links(pipeline, "anchor", "next", "map")} == {(second, first)}
    assert pipeline.run(until=GRAPH)[GRAPH].due is Due.NOTHING


def test_steps_are_counted_on_chains_circles_and_trees() -> None:
    targets = {"a": "b", "b": "c", "d": "b", "x": "y", "y": "z", "z": "x", "t": "y", "u": "k"}
    assert count_steps(targets, {"k": 5}) == {"a": 2, "b": 1, "d": 2, "x": 0, "y": 0, "z": 0, "t": 1, "u": 6}

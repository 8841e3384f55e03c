"""Identifiers of events: which values the rules give, what becomes of them, and in which order they stand."""

from datetime import date
from typing import Any

import pytest

from cdp_pipeline.events import event_identifiers
from cdp_pipeline.events.event_identifiers import identify_events
from cdp_pipeline.events.identifier_values import BLOCKED_DEFAULTS
from cdp_pipeline.events.landing import Days
from cdp_pipeline.identity.identity_graph import link_identifiers
from cdp_pipeline.warehouse.stage import Due
from cdp_pipeline_tests.oracle.events import h
from cdp_pipeline_tests.pipeline.conftest import Start
from cdp_pipeline_tests.pipeline.driver import Pipeline
from cdp_pipeline_tests.pipeline.projects import WEB, day, lines, project, row

STAGE = "customer/event_identifiers"


def kind(*rules: str, identifiers: str = "{type: a}", name: str = "customer") -> str:
    """Return a kind of entity; a rule is what stands between its braces."""
    stitching = "".join(f"      - {{{rule}}}\n" for rule in rules)
    return f"  {name}:\n    identifiers: [{identifiers}]\n    stitching:\n{stitching}"


def found(pipeline: Pipeline, of: str | None = None) -> dict[str, list[str]]:
    """Return the identifiers of each event, by the event's id, in their order: `type:value`."""
    values = {
        identifier_id: f"{identifier_type}:{value}"
        for identifier_id, identifier_type, value in pipeline.query(
            "select v.identifier_id, v.identifier_type, v.value from kind.identifier_values as v", of
        )
    }
    rows = pipeline.query(
        "select e.source_event_id, i.anchor_id, i.identifier_ids from kind.event_identifiers as i "
        "join cdp.customer_events as e on e.event_id = i.event_id",
        of,
    )
    assert all(anchor_id == identifier_ids[0] for _, anchor_id, identifier_ids in rows)
    return {event: [values[identifier_id] for identifier_id in ids] for event, _, ids in rows}


def identify(start: Start, entity: str, *rows: dict[str, Any]) -> Pipeline:
    """Land rows on one day and work out their identifiers; each row is an event with its number as its id."""
    pipeline = start(project(WEB, entity))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*(row(n, **more) for n, more in enumerate(rows, start=1))))
    pipeline.run(until=STAGE)
    return pipeline


def of_values(start: Start, entity: str, *values: Any) -> list[list[str]]:
    """Return what each value, as `payload.v`, gives."""
    pipeline = identify(start, entity, *({"v": value} for value in values))
    by_event = found(pipeline)
    return [[text.removeprefix("a:") for text in by_event.get(str(n), [])] for n in range(1, len(values) + 1)]


VALUES: list[tuple[Any, list[str]]] = [
    ("text", ["text"]),
    (42, ["42"]),
    (12345678901234567890, ["12345678901234567890"]),
    (-123456789012345678901234567890, ["-123456789012345678901234567890"]),
    (True, ["true"]),
    (1.5, []),
    (1.0, []),
    (None, []),
    ({"b": 1}, []),
    ([], []),
    (["x", "y"], ["x", "y"]),
    (["y", "x", "y"], ["y", "x"]),
    (["x", None, 7, 1.5, {"b": 1}, ["z"], "", "null"], ["x", "7"]),
    ("", []),
    ("  ", []),
    (" x ", [" x "]),
    ("ž", ["ž"]),
]


def test_json_gives_scalars_as_text_and_arrays_element_by_element(start: Start) -> None:
    entity = kind("""identifier: a, value: "payload->'v'" """)
    assert of_values(start, entity, *(value for value, _ in VALUES)) == [wanted for _, wanted in VALUES]


def test_text_of_json_gives_scalars_and_no_array(start: Start) -> None:
    entity = kind("""identifier: a, value: "payload->>'v'" """)
    wanted = [[] if isinstance(value, list) else values for value, values in VALUES]
    assert of_values(start, entity, *(value for value, _ in VALUES)) == wanted


def test_any_expression_may_give_a_value(start: Start) -> None:
    pipeline = identify(
        start,
        kind(
            """identifier: a, value: "lower(payload->>'v') || '/' || type" """, """identifier: a, value: event_time"""
        ),
        {"v": "ANNA"},
        {},
    )
    assert found(pipeline) == {"1": ["a:anna/view", "a:2026-02-01 10:00:00+00"], "2": ["a:2026-02-01 10:00:00+00"]}


def test_figures_tell_what_was_left_out(start: Start) -> None:
    pipeline = start(
        project(WEB, kind("""identifier: a, value: "payload->'v'" """, identifiers="{type: a, valid: '^x'}"))
    )
    values = ["x", ["x", "y", None, 1.5], {"b": 1}, "null", "", None, ["x"]]
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*(row(n, v=value) for n, value in enumerate(values))))
    metrics = pipeline.run(until=STAGE)[STAGE].metrics
    figures = ("events_identified", "occurrences", "invalid_values", "blocked_values")
    assert [metrics[name] for name in figures] == [3, 8, 3, 2]


def test_usual_placeholders_are_blocked_by_default(start: Start) -> None:
    zero = "00000000-0000-0000-0000-000000000000"
    values = [
        *BLOCKED_DEFAULTS,
        *(f" {text.upper()} " for text in BLOCKED_DEFAULTS),
        zero,
        zero.replace("-", ""),
        0,
        -1,
    ]
    good = ["00", "nobody", "1", "00000000-0000-0000-0000-000000000001", f"{zero}0"]
    rule = """identifier: a, value: "payload->'v'" """
    assert of_values(start, kind(rule), *values, *good) == [[]] * len(values) + [[text] for text in good]
    off = kind(rule, identifiers="{type: a, blocked_defaults: false}")
    assert of_values(start, off, "null", " N/A ", zero, 0, "", "  ") == [["null"], [" N/A "], [zero], ["0"], [], []]


TYPES: dict[str, dict[str, str | None]] = {
    "normalize: [trim, lower]": {" Anna@X.com ": "anna@x.com", "anna@x.com": "anna@x.com"},
    "normalize: [upper]": {"ab": "AB", " a ": " A "},
    "normalize: [digits]": {"+420 777-123": "420777123", "none": None, "0": None},
    "valid: '^[a-z]+@'": {"anna@x": "anna@x", "1 anna@x": None, "ANNA@x": None},
    "valid: '@', normalize: [lower]": {"ANNA@x": "anna@x", "anna": None},
    "valid: '[0-9]{3}'": {"1234": "1234", "12": None},
    "blocked: [Test@Test.com, ' x ']": {"test@test.com": None, " TEST@test.com": None, "X": None, "y": "y"},
    "blocked: [x], blocked_defaults: false": {"x": None, "null": "null"},
}


def test_values_are_normalised_then_judged(start: Start) -> None:
    rules = [f"""identifier: t{n}, value: "payload->>'{n}'" """ for n in range(len(TYPES))]
    identifiers = ", ".join(f"{{type: t{n}, {settings}}}" for n, settings in enumerate(TYPES))
    rows = [{str(n): value} for n, values in enumerate(TYPES.values()) for value in values]
    by_event = found(identify(start, kind(*rules, identifiers=identifiers), *rows))
    wanted = [(f"t{n}", text) for n, values in enumerate(TYPES.values()) for text in values.values()]
    for number, (name, text) in enumerate(wanted, start=1):
        assert by_event.get(str(number), []) == ([] if text is None else [f"{name}:{text}"]), rows[number - 1]


def test_rules_read_only_the_events_that_they_name(start: Start) -> None:
    app = WEB.replace("web", "app").replace("time: at", "time: at, version: v")
    rules = [
        """identifier: a, value: "'all'" """,
        """source: web, identifier: a, value: "'web'" """,
        """source: [web, app], events: '*', identifier: a, value: "'both'" """,
        """events: buy, identifier: a, value: "'buy'" """,
        """events: [buy, login], identifier: a, value: "'buy or login'" """,
        """source: app, events: login, version: 2-0-0, identifier: a, value: "'app login 2'" """,
        """version: 1-0-0, identifier: a, value: "'version 1'" """,
        """where: "payload->>'n' > '5'", identifier: a, value: "'n'" """,
        """where: "source_id = 'app' and version <> '1-0-0'", identifier: a, value: "'app, not 1'" """,
    ]
    pipeline = start(project(WEB + app, kind(*rules)))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row("w1"), row("w2", type="buy", n=6), row("w3", n=5)))
    pipeline.write(f"landing/{day(2)}/app.ndjson", lines(row("a1", v="2-0-0"), row("a2", type="login", v="2-0-0")))
    pipeline.run(until=STAGE)
    assert {event: {text.removeprefix("a:") for text in texts} for event, texts in found(pipeline).items()} == {
        "w1": {"all", "web", "both", "version 1"},
        "w2": {"all", "web", "both", "buy", "buy or login", "version 1", "n"},
        "w3": {"all", "web", "both", "version 1"},
        "a1": {"all", "both", "app, not 1"},
        "a2": {"all", "both", "buy or login", "app login 2", "app, not 1"},
    }


def test_identifiers_stand_once_by_importance_then_rule_then_place(start: Start) -> None:
    rules = [
        """identifier: b, value: "payload->'bs'" """,
        """identifier: a, value: "payload->'late'" """,
        """identifier: a, value: "payload->'early'" """,
        """identifier: b, value: "payload->>'b'" """,
    ]
    pipeline = identify(
        start,
        kind(*rules, identifiers="{type: a, normalize: [lower]}, {type: b}"),
        {"bs": ["2", "1", "2"], "late": ["Z", "y"], "early": ["x", "z"], "b": "1"},
        {"bs": ["2"], "b": "3"},
        {"v": "nothing"},
    )
    assert found(pipeline) == {"1": ["a:z", "a:y", "a:x", "b:2", "b:1"], "2": ["b:2", "b:3"]}
    (identifier_ids,) = pipeline.column(
        "select i.identifier_ids from kind.event_identifiers as i where i.event_id = cast(:event_id as uuid)",
        event_id=h("event", "web", "2"),
    )
    assert identifier_ids == (h("identifier", "b", "2"), h("identifier", "b", "3"))


def test_two_kinds_of_entity_are_worked_out_over_the_same_events(start: Start) -> None:
    domain = """identifier: domain, value: "split_part(payload->>'email', '@', 2)" """
    account = kind(domain, identifiers="{type: domain}", name="account")
    customer = kind("""identifier: email, value: "payload->>'email'" """, identifiers="{type: email}")
    pipeline = start(project(WEB, customer + account))
    emails = ["anna@x.com", "bert@x.com", "carl@y.com", "anna@x.com"]
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*(row(n, email=email) for n, email in enumerate(emails))))
    facts = pipeline.run()
    people = pipeline.query(
        "select s.entity_id, count(*) from kind.stitched_events as s group by s.entity_id", "customer"
    )
    accounts = pipeline.query(
        "select s.entity_id, count(*) from kind.stitched_events as s group by s.entity_id", "account"
    )
    assert sorted(count for _, count in people) == [1, 1, 2]
    assert sorted(count for _, count in accounts) == [1, 3]
    assert {entity_id for entity_id, _ in people}.isdisjoint(entity_id for entity_id, _ in accounts)
    assert {entity_id for entity_id, _ in accounts} == {
        h("entity", "account", h("identifier", "domain", value), "0") for value in ("x.com", "y.com")
    }
    assert all(facts[f"{name}/entity_map"].due is Due.ALL for name in ("customer", "account"))


def test_changed_rule_applies_to_all_history_of_its_kind_alone(start: Start) -> None:
    before = kind("""identifier: a, value: "payload->>'v'" """)
    other = kind("""identifier: a, value: "payload->>'w'" """, name="account")
    pipeline = start(project(WEB, before + other))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1, v="x", w="1"), row(2, v="y", w="1"), row(3, w="x")))
    pipeline.run()
    assert found(pipeline) == {"1": ["a:x"], "2": ["a:y"]}
    after = kind(
        """identifier: a, value: "coalesce(payload->>'v', payload->>'w')" """, """identifier: a, value: "'us'" """
    )
    pipeline.rewrite(project(WEB, after + other))
    facts = pipeline.run()
    assert found(pipeline) == {"1": ["a:x", "a:us"], "2": ["a:y", "a:us"], "3": ["a:x", "a:us"]}
    assert found(pipeline, "account") == {"1": ["a:1"], "2": ["a:1"], "3": ["a:x"]}
    assert facts["account/event_identifiers"].due is Due.NOTHING
    assert facts["customer/event_identifiers"].due is Due.ALL
    assert len(set(pipeline.column("select s.entity_id from kind.stitched_events as s"))) == 1


def test_changed_importance_moves_anchors_and_keys_and_keeps_ids(start: Start) -> None:
    rules = ["""identifier: a, value: "payload->>'a'" """, """identifier: b, value: "payload->>'b'" """]
    pipeline = start(project(WEB, kind(*rules, identifiers="{type: a}, {type: b}")))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1, a="1", b="1"), row(2, b="1"), row(3, a="1")))
    pipeline.run()
    owners = "select s.entity_id from kind.stitched_events as s"
    before = pipeline.column(owners)
    pipeline.rewrite(project(WEB, kind(*rules, identifiers="{type: b}, {type: a}")))
    pipeline.run()
    assert found(pipeline)["1"] == ["b:1", "a:1"]
    assert pipeline.column("select i.identifier_type from kind.identifiers as i order by i.priority") == ["b", "a"]
    assert pipeline.column("select r.key_id from kind.entities as r") == [h("identifier", "b", "1")]
    assert pipeline.column(owners) == before


def test_type_that_is_declared_no_more_is_gone(start: Start) -> None:
    rules = ["""identifier: a, value: "payload->>'a'" """, """identifier: b, value: "payload->>'b'" """]
    pipeline = start(project(WEB, kind(*rules, identifiers="{type: a}, {type: b}")))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1, a="1", b="1"), row(2, b="1"), row(3, a="1")))
    pipeline.run()
    pipeline.rewrite(project(WEB, kind(rules[1], identifiers="{type: b}")))
    pipeline.run()
    assert found(pipeline) == {"1": ["b:1"], "2": ["b:1"]}
    assert pipeline.query("select i.identifier_type, i.priority from kind.identifiers as i") == [("b", 0)]
    assert not pipeline.query("select g.kind from kind.identity_graph as g")
    assert pipeline.column("select count(s.entity_id) from kind.stitched_events as s") == [2]


def test_kind_without_rules_has_nobody(start: Start) -> None:
    pipeline = start(project(WEB, "  customer:\n    identifiers: [{type: a}]\n"))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(row(1)))
    pipeline.run()
    assert pipeline.query("select s.anchor_id, s.entity_id from kind.stitched_events as s") == [(None, None)]


def test_days_may_be_worked_out_again_though_nothing_changed(start: Start) -> None:
    pipeline = start(project())
    for number in (2, 3):
        pipeline.write(f"landing/{day(number)}/web.ndjson", lines(row(number, email="a", cookie=f"c{number}")))
    pipeline.run()
    before = pipeline.dump(without=("changed_in", "removed_event_identifiers", "stages", "sequence", "metrics"))
    pipeline.execute("delete from kind.event_identifiers as i where i.arrived_on = date '2026-02-03'")
    pipeline.execute("delete from kind.identity_graph as g where g.arrived_on = date '2026-02-03'")
    days = Days(date(2026, 2, 3), date(2026, 2, 3))
    for work in (identify_events, link_identifiers):
        work(pipeline.connection, pipeline.project, "customer", pipeline.new_run(), days=days)
    after = pipeline.dump(without=("changed_in", "removed_event_identifiers", "stages", "sequence", "metrics"))
    assert after | {"customer.touched_identifiers": []} == before


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_identifiers_that_are_gathered_by_parts_are_those_of_every_event(
    start: Start, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(event_identifiers, "_EVENTS_AT_ONCE", at_once)
    pipeline = start(project(WEB, kind("identifier: a, value: \"payload->'v'\"")))
    pipeline.write(f"landing/{day(2)}/web.ndjson", lines(*(row(n, v=[f"x{n}", "y"]) for n in range(1, 7))))
    facts = pipeline.run(until=STAGE)
    assert found(pipeline) == {str(n): [f"a:x{n}", "a:y"] for n in range(1, 7)}
    assert facts[STAGE].metrics["events_identified"] == 6

"""The verbs that give something out: export, compile, lineage, and those that count."""

import json

import pytest

from cdp_pipeline.attributes.graph import Graph, Node
from cdp_pipeline.config.model import Project
from cdp_pipeline.operations import lineage as looking
from cdp_pipeline_tests.cli.conftest import Command
from cdp_pipeline_tests.cli.test_json import document
from cdp_pipeline_tests.cli.test_verbs import lines


@pytest.mark.usefixtures("standing_in_the_project")
def test_profiles_and_their_changes_are_written(cdp: Command, ran: Project) -> None:
    written = cdp("export", "profiles", "--to", "csv")
    place = ran.folder / "customer_profiles.csv"
    assert lines(written.out) == [f"Wrote 2 customer profiles to {place} (csv)."]
    assert place.read_text().count("\n") == 3
    told = document(cdp("export", "profiles", "customer", "--to", "json", "--output", "a.ndjson", "--json"))
    assert told == {"kind": "customer", "rows": 2, "file": str(ran.folder / "a.ndjson"), "format": "json"}

    told = document(cdp("export", "changes", "--json"))
    changes = [json.loads(line) for line in (ran.folder / "customer_changes.ndjson").read_text().splitlines()]
    assert told["ops"] == {"upsert": 2}
    assert sorted(change["profile"]["person_key"] for change in changes) == ["ann", "bob"]
    later = cdp("export", "changes", "--since", told["cursor"])
    assert lines(later.out) == [
        f"Wrote no changes of customer profiles to {ran.folder / 'customer_changes.ndjson'}.",
        f"What comes after: cdp export changes customer --since {told['cursor']}",
    ]
    for words in (
        ("profiles", "--to", "xml"),
        ("profiles", "pet"),
        ("changes", "--to", "csv"),
        ("changes", "--since", 99999),
    ):
        assert cdp("export", *words).code == 2, words


@pytest.mark.usefixtures("standing_in_the_project")
def test_statements_are_written_and_counts_renewed(cdp: Command, ran: Project) -> None:
    written = cdp("compile", "--to", "sql")
    count = len(list((ran.folder / "sql").glob("*.sql")))
    assert lines(written.out)[0].endswith(f"statements in {count} files for duckdb to {ran.folder / 'sql'}.")
    assert cdp("compile", "--to", ".").code == 2

    assert lines(cdp("refresh-counts", "--what", "events", "--dry-run").out) == [
        "cdp/event_counts: days counted 3, rows written 3", "Nothing was changed.",
    ]  # fmt: skip
    told = document(cdp("refresh-counts", "--json"))["counted"]
    assert set(told) == {"cdp/event_counts", "customer/attribute_counts"}
    assert cdp("refresh-counts", "--what", "people").code == 2


@pytest.mark.usefixtures("standing_in_the_project")
def test_lineage_goes_both_ways(cdp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    events, revenue = Node("attribute", "n_events"), Node("attribute", "revenue")
    bought = Node("meta_attribute", "bought")
    nodes = {events: frozenset({revenue}), revenue: frozenset({bought}), bought: frozenset[Node]()}
    monkeypatch.setattr(looking, "graph_of", lambda entity: Graph(nodes))
    assert [line.strip("│├└─ ") for line in cdp("lineage", "revenue").out.splitlines()] == [
        "attribute revenue reads", "events of every type from every source", "meta-attribute bought",
        "attribute revenue is read by", "attribute n_events",
    ]  # fmt: skip
    told = document(cdp("lineage", "bought", "--kind", "customer", "--json"))
    assert told["read_by"][0]["id"] == "revenue"
    assert told["read_by"][0]["read_by"][0]["id"] == "n_events"
    for words in (("nobody",), ("revenue", "--kind", "pet")):
        assert cdp("lineage", *words).code == 2


@pytest.mark.usefixtures("standing_in_the_project")
def test_what_made_a_value_is_told(cdp: Command) -> None:
    told = lines(cdp("explain", "attribute", "email:ann", "revenue").out)
    assert "revenue of customer" in told[0]
    assert ": 5" in told[0]
    assert "type: sum" in told
    assert "5 events count, of which 5 are shown; * marks what made the value." in told
    assert document(cdp("explain", "attribute", "email:ann", "revenue", "--json"))["counted"] == 5
    for words in (("attribute",), ("attribute", "email:ann"), ("email:ann", "email:bob", "revenue")):
        assert "cdp explain attribute TYPE:VALUE ATTRIBUTE" in cdp("explain", *words).err, words

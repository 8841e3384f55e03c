"""A right project: every value arrives, with its defaults, its file and its line."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from cdp_pipeline.config.loader import load_project, read_project
from cdp_pipeline.config.model import Location
from cdp_pipeline.errors import ProjectErrors
from cdp_pipeline_tests.config.projects import SHOP, replaced, write_project

IN_FILES = "    attributes: {files: attributes/*.yaml}\n"
ATTRIBUTES_INLINE = SHOP[SHOP.index("    attributes:") :]


def test_a_project_arrives_with_every_value_and_default(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path), {})

    assert (project.name, project.folder, project.warehouse) == ("shop", tmp_path, "duckdb:///warehouse.duckdb")
    assert (project.start, project.end, project.as_of, project.schema_name) == (date(2026, 1, 1), None, "clock", "cdp")
    web, crm = project.sources["web"], project.sources["crm"]
    assert (web.name, web.files, web.table, web.where) == ("web", "landing/web/{day}/*", None, "row->>'env' = 'prod'")
    assert (web.event.payload, web.event.version, web.event.source) == ("properties", None, None)
    assert (crm.files, crm.table, crm.arrived_at, crm.event.type) == (None, "raw.contacts", "updated_at", "'contact'")
    customer = project.entities["customer"]
    assert (customer.kind, customer.schema_name) == ("customer", "customer")
    assert [customer.priority(identifier.type) for identifier in customer.identifiers] == [0, 1, 2]
    email = customer.identifiers[1]
    assert (email.normalize, email.blocked, email.blocked_defaults, email.pii) == (
        ["trim", "lower"],
        ["test@test.com"],
        True,
        True,
    )
    assert [(rule.source, rule.events, rule.version) for rule in customer.stitching] == [
        (["web"], [], []),
        (["web", "crm"], ["login"], ["1-0-0"]),
    ]
    revenue = customer.attributes[0]
    assert (revenue.sources, revenue.events, revenue.default, revenue.hidden) == (["web"], [], 0, False)
    assert (project.checks.max_rejected_share, project.checks.max_duplicate_share) == (0.05, 0.2)
    assert (customer.checks.min_identified_share, customer.checks.max_entity_size) == (0.5, 1000)


def test_three_lines_are_a_project(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path, "name: a\nwarehouse: duckdb:///a.duckdb\nstart: '2026-01-01'\n"), {})
    assert (project.sources, project.entities, project.start) == ({}, {}, date(2026, 1, 1))


def test_a_key_without_a_value_is_a_key_that_was_left_out(tmp_path: Path) -> None:
    text = replaced("    where: row->>'env' = 'prod'\n", "    where:\n") + "    checks:\nend:\n"
    project = load_project(write_project(tmp_path, text), {})
    assert (project.sources["web"].where, project.end) == (None, None)


def test_a_project_may_end_on_the_day_on_which_it_starts(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path, f"{SHOP}end: 2026-01-01\n"), {})
    assert project.end == project.start == date(2026, 1, 1)


def test_schemas_are_renamed_by_the_key_schema(tmp_path: Path) -> None:
    text = replaced("name: shop\n", "name: shop\nschema: shared\n").replace(
        "customer:\n", "customer:\n    schema: people\n"
    )
    project = load_project(write_project(tmp_path, text), {})
    assert (project.schema_name, project.entities["customer"].schema_name) == ("shared", "people")


@pytest.mark.parametrize(
    ("written", "meant"), [("'*'", []), ("login", ["login"]), ("[login, order]", ["login", "order"]), ("['*']", [])]
)
def test_events_are_a_name_a_list_or_a_star(tmp_path: Path, written: str, meant: list[str]) -> None:
    project = load_project(write_project(tmp_path, replaced("events: login", f"events: {written}")), {})
    assert project.entities["customer"].stitching[1].events == meant


@pytest.mark.parametrize(("written", "meant"), [("0", 0), ("1.5", 1.5), ("'0'", "0"), ("true", True), ("null", None)])
def test_a_default_keeps_the_type_that_was_written(tmp_path: Path, written: str, meant: object) -> None:
    project = load_project(write_project(tmp_path, replaced("default: 0", f"default: {written}")), {})
    default = project.entities["customer"].attributes[0].default
    assert (default, type(default)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("on_error: null, ", "null"), ("on_error: 'null', ", "null"), ("on_error: fail, ", "fail"), ("", "fail")],
)
def test_null_on_an_error_is_no_key_that_was_left_out(tmp_path: Path, written: str, meant: str) -> None:
    project = load_project(write_project(tmp_path, replaced("{id: revenue, ", f"{{id: revenue, {written}")), {})
    assert project.entities["customer"].attributes[0].on_error == meant


def test_an_attribute_arrives_with_what_it_reads_of_several_rows(tmp_path: Path) -> None:
    keys = "from: products, weight: price, outer_value: value, outer_weight: '2', outer_filter: 'true', multiple: false"
    project = load_project(write_project(tmp_path, replaced("type: sum, ", f"type: sum, {keys}, ")), {})
    given = project.entities["customer"].attributes[0]
    assert (given.from_, given.weight, given.multiple) == ("products", "price", False)
    assert (given.outer_value, given.outer_weight, given.outer_filter) == ("value", "2", "true")


@pytest.mark.parametrize("name", ["emial", ""])
def test_an_unknown_type_of_identifier_has_no_priority(tmp_path: Path, name: str) -> None:
    project = load_project(write_project(tmp_path), {})
    with pytest.raises(ValueError, match="not in list"):
        project.entities["customer"].priority(name)


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path), {})
    lines = {path: location.line for path, location in project.locations.items()}
    assert lines["sources.web.event.time"] == 11
    assert lines["sources.crm.event.time"] == 16
    assert lines["entities.customer.stitching[1].value"] == 25
    assert project.locations["name"] == Location(Path("project.yaml"), 1, "name")


def test_an_error_at_a_path_names_the_nearest_line_that_was_written(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path), {})
    places = [
        str(project.error(path, "does not hold."))
        for path in (
            "sources.web.event.version",
            "entities.customer.stitching[1].value",
            "entities.customer.checks",
            "x.y",
        )
    ]
    assert places == [
        "project.yaml:8: sources.web.event.version: does not hold.",
        "project.yaml:25: entities.customer.stitching[1].value: does not hold.",
        "project.yaml:18: entities.customer.checks: does not hold.",
        "project.yaml:1: x.y: does not hold.",
    ]


def test_long_lists_live_in_their_own_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    files = {
        "attributes/b.yaml": "# the third\n\nid: visits\ntype: num_of_unique\nvalue: id\n",
        "attributes/a.yaml": "- {id: revenue, type: sum, value: x}\n- id: first_seen\n  type: min\n  value: time\n",
    }
    project = load_project(write_project(tmp_path, SHOP.replace(ATTRIBUTES_INLINE, IN_FILES), files), {})
    assert [attribute.id for attribute in project.entities["customer"].attributes] == [
        "revenue",
        "first_seen",
        "visits",
    ]
    places = [
        str(project.error(f"entities.customer.attributes{rest}", "no."))
        for rest in ("[1].value", "[2].filter", "[2].type")
    ]
    assert places == [
        "attributes/a.yaml:4: entities.customer.attributes[1].value: no.",
        "attributes/b.yaml:3: entities.customer.attributes[2].filter: no.",
        "attributes/b.yaml:4: entities.customer.attributes[2].type: no.",
    ]


def test_a_comment_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    plain = load_project(write_project(tmp_path), {})
    text = "\ufeff" + replaced("id: message_id", "id: message_id  #------ the web's own").replace("\n", "\r\n")
    assert load_project(write_project(tmp_path, text), {}) == plain


def test_an_alias_repeats_what_was_written(tmp_path: Path) -> None:
    text = replaced("event: {id: contact_id,", "event: &event {id: contact_id,").replace(
        "entities:\n", "  calls: {table: raw.calls, arrived_at: updated_at, event: *event}\nentities:\n"
    )
    project = load_project(write_project(tmp_path, text), {})
    assert project.sources["calls"].event == project.sources["crm"].event


def test_the_hash_is_that_of_what_was_written_and_not_of_how(tmp_path: Path) -> None:
    inline = load_project(write_project(tmp_path / "inline"), {})
    items = ATTRIBUTES_INLINE.split("\n", 1)[1].replace("      ", "")
    text = "# a comment\n" + SHOP.replace(ATTRIBUTES_INLINE, IN_FILES).replace("events: '*', ", "")
    in_files = load_project(write_project(tmp_path / "files", text, {"attributes/a.yaml": items}), {})
    assert in_files.project_hash == inline.project_hash
    assert len(inline.project_hash) == 64
    other = load_project(write_project(tmp_path / "other", replaced("type: sum", "type: max")), {})
    assert other.project_hash != inline.project_hash


def test_the_hash_is_that_of_the_keys_that_were_written_and_of_no_default(tmp_path: Path) -> None:
    """So a later release, which has more keys, does not take every project for another one."""
    project = load_project(write_project(tmp_path, "name: a\nwarehouse: duckdb:///a\nstart: 2026-01-01\n"), {})
    written = '{"name":"a","start":"2026-01-01","warehouse":"duckdb:///a"}'
    assert project.project_hash == hashlib.sha256(written.encode()).hexdigest()


def test_an_order_of_importance_is_part_of_the_hash(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path), {})
    text = replaced("      - {type: crm_id}\n", "").replace(
        "- {type: web_id}\n", "- {type: web_id}\n      - {type: crm_id}\n"
    )
    other = load_project(write_project(tmp_path / "other", text), {})
    assert other.project_hash != project.project_hash


def test_a_project_does_not_change_once_it_is_read(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path), {})
    with pytest.raises(ValueError, match="frozen"):
        project.name = "other"  # type: ignore[misc]


def test_a_right_project_has_no_errors_and_a_wrong_one_is_raised(tmp_path: Path) -> None:
    assert read_project(write_project(tmp_path / "right"), {})[1] == []
    with pytest.raises(ProjectErrors) as caught:
        load_project(write_project(tmp_path / "wrong", replaced("type: sum", "type: total")), {})
    assert [error.path for error in caught.value.errors] == ["entities.customer.attributes[0].type"]

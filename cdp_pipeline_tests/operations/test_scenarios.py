"""A project's own tests: what they can give and expect, what a failed one tells, and every way to write one wrongly."""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ProjectErrors, UsageError
from cdp_pipeline.operations.scenario_files import read_scenarios
from cdp_pipeline.operations.scenarios import ScenarioResult, run_scenarios
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse.base import Connection

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PROJECT = """\
name: tested
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web: {files: 'landing/web/{day}/*', where: "env = 'prod'", event: {id: id, type: type, time: at, payload: data}}
  crm: {table: raw.contacts, arrived_at: updated_at, event: {id: contact_id, type: "'contact'", time: updated_at}}
entities:
  customer:
    identifiers: [{type: crm_id}, {type: email, normalize: [trim, lower]}, {type: cookie}]
    stitching:
      - {source: web, identifier: cookie, value: "payload->>'cookie'"}
      - {source: web, events: login, identifier: email, value: "payload->>'email'"}
      - {source: crm, identifier: crm_id, value: "payload->>'contact_id'"}
      - {source: crm, identifier: email, value: "payload->>'email'"}
    attributes:
      - {id: n_events, type: expression, value: count(*)}
      - {id: spent, type: sum, value: "(payload->>'total')::numeric(18,2)"}
      - {id: last_seen, type: max, value: event_time}
      - {id: cookies, type: list, value: "payload->>'cookie'"}
      - {id: secret, type: last, value: "payload->>'cookie'", hidden: true}
"""
ACCOUNT = """\
  account:
    identifiers: [{type: firm}]
    stitching: [{identifier: firm, value: "payload->>'firm'"}]
"""


def project_of(folder: Path, text: str = PROJECT, **files: str) -> Project:
    """Write a project with tests, each named by its file, and read it."""
    (folder / "tests").mkdir(parents=True)
    (folder / "project.yaml").write_text(text)
    for name, content in files.items():
        (folder / "tests" / f"{name}.yaml").write_text(dedent(content))
    return load_valid_project(folder, {})


def one(project: Project) -> ScenarioResult:
    (result,) = run_scenarios(project)
    return result


def told(result: ScenarioResult) -> list[tuple[int, str, str]]:
    return [(failure.line, failure.expected, failure.found) for failure in result.failures]


# What can be given and expected


GIVEN = """\
name: what can be expected
events:
  - {source: web, type: view, payload: {cookie: phone, total: 2.1}}
  - {id: in, source: web, type: login, time: '2026-01-02 10:00', payload: {cookie: phone, email: ' Ann@X.org'}}
  - {source: web, type: view, payload: {cookie: laptop}}
  - {source: web, type: view, payload: {nothing: 2026-01-02}}
"""


def test_all_that_holds_passes_and_the_projects_warehouse_is_not_touched(folder: Path) -> None:
    project = project_of(folder, holds=GIVEN + """\
expect:
  people: 2
  together: [[email:ANN@x.org, customer/cookie:phone]]
  apart: [[cookie:phone, cookie:laptop]]
  owner:
    - {event: in, person: cookie:phone}
    - {event: 1, person: email:ann@x.org}
    - {event: 4, person: nobody}
    - {identifier: cookie:phone, at: 2026-01-01T00:00:00Z, person: email:ann@x.org}
    - {identifier: cookie:nowhere, person: nobody}
  attributes:
    - {of: cookie:phone, n_events: 2, spent: 2.10, cookies: [phone], last_seen: 2026-01-02T11:00:00+01:00}
    - {of: cookie:laptop, n_events: 1, spent: null}
""")  # fmt: skip
    result = one(project)
    assert (told(result), result.error, result.notes) == ([], None, [])
    assert result.passed
    assert (result.file, result.line) == ("tests/holds.yaml", 1)
    assert sorted(path.name for path in folder.iterdir()) == ["project.yaml", "tests"]


def test_what_does_not_hold_is_told_with_its_line_and_what_was_found(folder: Path) -> None:
    project = project_of(folder, fails=GIVEN + """\
expect:
  people: 3
  together:
    - [email:ann@x.org, cookie:laptop, cookie:nowhere]
  apart: [[cookie:phone, email:ann@x.org]]
  quarantined: [email:ann@x.org]
  owner:
    - {event: in, person: cookie:laptop}
    - {event: 4, person: cookie:laptop}
    - {identifier: cookie:phone, person: nobody}
    - {event: 1, person: cookie:nowhere}
  attributes:
    - of: cookie:phone
      n_events: 3
      spent: '2.10'
      cookies: [laptop]
    - {of: cookie:nowhere, n_events: 0}
  rejected: 1
""")  # fmt: skip
    result = one(project)
    assert not result.passed
    ann, laptop = "{email:ann@x.org, cookie:phone}", "{cookie:laptop}"
    assert told(result) == [
        (8, "3 people", f"2: {ann}; {laptop}"),
        (10, "email:ann@x.org, cookie:laptop, cookie:nowhere together",
         f"cookie:nowhere is in no event; 2 people: {ann}; {laptop}"),
        (11, "cookie:phone and email:ann@x.org apart", f"1 person: {ann}"),
        (12, "email:ann@x.org in quarantine", "nothing in quarantine"),
        (14, "event in is cookie:laptop's", f"it is {ann}'s"),
        (15, "event 4 is cookie:laptop's", "it is nobody's"),
        (16, "cookie:phone is nobody's", f"it is {ann}'s"),
        (17, "event 1 is cookie:nowhere's", "cookie:nowhere is in no event"),
        (20, "n_events of cookie:phone is 3", f"it is 2; the person is {ann}"),
        (21, "spent of cookie:phone is 2.10", f"it is 2.1; the person is {ann}"),
        (22, 'cookies of cookie:phone is ["laptop"]', f'it is ["phone"]; the person is {ann}'),
        (23, "attributes of cookie:nowhere", "cookie:nowhere is in no event"),
        (24, "1 rows that are no events", "0: none"),
    ]  # fmt: skip


def test_why_people_are_together_is_asked_of_whoever_can_explain(folder: Path) -> None:
    project = project_of(folder, fails=GIVEN + "expect: {apart: [[cookie:phone, email:ann@x.org]], people: 1}\n")

    def explain(connection: Connection, project: Project, kind: str, names: Sequence[str]) -> str:
        assert connection.has_schema("customer")
        return f"{project.name} {kind}: {' '.join(names)}"

    (result,) = run_scenarios(project, explain=explain)
    assert [failure.why for failure in result.failures] == ["", "tested customer: cookie:phone email:ann@x.org"]


def test_raw_rows_are_read_by_their_sources_and_stand_alone_in_each_test(folder: Path) -> None:
    rows = """\
    - name: rows of files and of a table
      rows:
        web:
          - {id: 1, env: prod, type: login, at: 2025-12-24T10:00:00Z, data: {cookie: phone, email: ann@x.org}}
          - {id: 2, env: test, type: login, at: 2026-01-02T10:00:00Z, data: {cookie: robot, email: ann@x.org}}
          - {id: 3, env: prod, type: login, at: some day, data: {cookie: odd}}
        crm:
          - {contact_id: 7, updated_at: 2026-01-02 10:00:00, email: ' ANN@x.org', tags: [a, {b: 1}]}
      events:
        - {id: 9, source: web, payload: {cookie: laptop}}
      expect:
        people: 2
        together: [[crm_id:7, email:ann@x.org, cookie:phone]]
        owner: [{event: 2, person: nobody}, {event: 7, person: crm_id:7}]
        rejected: 1
    - name: nothing of the other test is there
      events:
        - {source: web, payload: {cookie: robot}}
      expect: {people: 1, owner: [{identifier: cookie:phone, person: nobody}]}
    - name: a rejected row is noticed
      rows: {web: [{id: 3, env: prod, type: login, at: some day, data: {cookie: odd}}]}
      expect: {people: 0}
    """
    first, second, third = run_scenarios(project_of(folder, rows=rows))
    assert (told(first), first.error) == ([], None)
    assert (told(second), second.error) == ([], None)
    assert told(third) == [(22, "0 rows that are no events", "1: row 1 of web: invalid: no readable day of arrival")]


def test_a_test_that_cannot_be_run_has_failed_and_the_others_go_on(folder: Path) -> None:
    text = PROJECT.replace("\"(payload->>'total')::numeric(18,2)\"", "\"(payload->>'cookie')::integer\"")
    test = "- {name: %s, events: [{source: web, payload: {cookie: %s}}], expect: {people: 1}}\n"
    tests = test % ("odd", "a") + test % ("even", 2)
    odd, even = run_scenarios(project_of(folder, text, tests=tests))
    assert not odd.passed
    assert "customer attribute spent" in (odd.error or "")
    assert even.passed


def test_a_table_of_an_identity_map_is_made_whether_or_not_it_is_given(folder: Path) -> None:
    maps = (
        "    identity_maps: [{table: raw.map, primary: {type: cookie, column: primary_id}, persons: {crm_id: person}, "
        "updated_at: changed, deleted: gone}]\n"
    )
    given = "events: [{source: web, payload: {cookie: a}}], expect: {people: 1}"
    tests = f"- {{name: not given, {given}}}\n- {{name: empty, tables: {{raw.map: []}}, {given}}}\n"
    results = list(run_scenarios(project_of(folder, PROJECT + maps, tests=tests)))
    assert [(told(result), result.error) for result in results] == [([], None)] * 2


def test_decisions_hold_from_the_first_run_on(folder: Path) -> None:
    decided = """\
    name: decided
    events:
      - {source: web, type: login, payload: {cookie: a, email: ann@x.org}}
      - {source: web, payload: {cookie: b}}
    decisions:
      - {same: [cookie:a, cookie:b], why: she called us}
      - {quarantine: email:ann@x.org}
    expect: {people: 1, together: [[cookie:a, cookie:b]], quarantined: [email:ann@x.org]}
    """
    result = one(project_of(folder, decided=decided))
    assert (told(result), result.error) == ([], None)


def test_the_shops_own_tests_pass() -> None:
    results = list(run_scenarios(load_valid_project(SHOP, {})))
    assert len(results) >= 14
    assert [(result.name, told(result), result.error) for result in results if not result.passed] == []


def test_tests_are_chosen_by_their_names_and_files(folder: Path) -> None:
    given = "events: [{source: web, payload: {cookie: a}}], expect: {people: 1}"
    project = project_of(
        folder,
        phones=f"- {{name: Two phones, {given}}}\n- {{name: one phone, {given}}}",
        devices=f"{{name: x, {given}}}",
    )
    assert [result.name for result in run_scenarios(project, ["two", "devices.yaml"])] == ["x", "Two phones"]
    with pytest.raises(UsageError, match=r"No test is named like cars\. There are: x; Two phones; one phone\."):
        next(run_scenarios(project, ["cars"]))


# How to write one wrongly


MISTAKES = {
    "an unknown key": ("expects: {people: 1}", 3, r"expects: 'expects' is not a key .* Did you mean expect\?"),
    "nothing expected": ("expect: {}", 3, "expect: expects nothing"),
    "no expectations": ("as_of: 2026-01-01", 1, r"expect: is missing\. It is needed: What must hold afterwards"),
    "a key below": ("expect: {peoples: 1}", 3, r"expect\.peoples: .* Did you mean people\?"),
    "a text for a number": ("expect: {people: two}", 3, "expect.people: must be a whole number, and 'two' is a text"),
    "a number below zero": ("expect: {people: -1}", 3, "expect.people: must be at least 0"),
    "one identifier": ("expect: {together: [[cookie:a]]}", 3, r"expect.together\[0\]: is not two identifiers"),
    "no list in a list": ("expect: {apart: [cookie:a]}", 3, r"expect.apart\[0\]: must be a list"),
    "no identifier": ("expect: {quarantined: [ann]}", 3, r"expect.quarantined\[0\]: 'ann' is no identifier"),
    "another type": ("expect: {apart: [[mail:a, cookie:b]]}", 3, "'mail' is no type of identifier. Accepted: crm"),
    "two subjects": ("expect: {owner: [{event: 1, identifier: cookie:a, person: nobody}]}", 3, "must name an id"),
    "no such event": ("expect: {owner: [{event: 2, person: nobody}]}", 3, "'2' is none of the events. There are 1"),
    "a time of an event": ("expect: {owner: [{event: 1, at: 2026-01-01, person: nobody}]}", 3, "at: goes with an id"),
    "no time": ("expect: {owner: [{identifier: cookie:a, at: noon, person: nobody}]}", 3, "'noon' is not a time"),
    "nobody's attributes": ("expect: {attributes: [{spent: 1}]}", 3, "does not say whose attributes"),
    "no attributes": ("expect: {attributes: [{of: cookie:a}]}", 3, "expects nothing of the person. Accepted: n_events"),
    "an unknown attribute": ("expect: {attributes: [{of: cookie:a, spend: 1}]}", 3, "'spend' is no attribute"),
    "a hidden attribute": ("expect: {attributes: [{of: cookie:a, secret: 1}]}", 3, "'secret' is no attribute"),
    "an unknown source": ("rows: {wep: []}\nexpect: {people: 1}", 3, r"rows.wep: 'wep' is no source. Did you mean"),
    "an unknown table": ("tables: {raw.map: []}\nexpect: {people: 1}", 3, "No identity map of customer reads"),
    "an unknown kind": ("kind: client\nexpect: {people: 1}", 3, r"kind: 'client' is no kind of entity"),
    "no verdict": ("decisions: [{why: so}]\nexpect: {people: 1}", 3, "must have one verdict, and has 0"),
    "two verdicts": ("decisions: [{same: [cookie:a, cookie:b], release: cookie:a}]\nexpect: {people: 1}", 3, "has 2"),
    "half a pair": ("decisions: [{same: [cookie:a]}]\nexpect: {people: 1}", 3, "must name 2 identifiers, and names 1"),
    "a key twice": ("expect: {people: 1}\nexpect: {people: 2}", 4, "is written a second time"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(name: str, folder: Path) -> None:
    written, line, message = MISTAKES[name]
    given = "name: wrong\nevents: [{source: web, payload: {cookie: a}}]\n"
    project = project_of(folder, wrong=given + written + "\n")
    with pytest.raises(ProjectErrors) as raised:
        read_scenarios(project)
    (error,) = raised.value.errors
    assert (str(error.file), error.line) == ("tests/wrong.yaml", line)
    assert re.search(message, str(error)), error


def test_all_mistakes_of_all_files_are_told_at_once(folder: Path) -> None:
    project = project_of(
        folder,
        one="- name: a\n  events: [{source: wob, time: soon}]\n  expect: {people: 1}\n- name: b\n",
        two="name: [\n",
        three="just words\n",
    )
    with pytest.raises(ProjectErrors) as raised:
        read_scenarios(project)
    found = [(str(error.file), error.line, error.path) for error in raised.value.errors]
    assert found == [
        ("tests/one.yaml", 2, "[0].events[0].time"),
        ("tests/one.yaml", 4, "[1].expect"),
        ("tests/three.yaml", 1, ""),
        ("tests/two.yaml", 2, ""),
    ]


def test_nothing_given_no_source_and_no_kind_are_told(folder: Path) -> None:
    text = PROJECT.replace("entities:\n", "entities:\n" + ACCOUNT)
    tests = "- {name: a, expect: {people: 1}}\n- {name: b, kind: customer, expect: {people: 1}}\n"
    tests += "- {name: c, kind: customer, events: [{payload: {}}, {source: wep}], expect: {people: 1}}\n"
    with pytest.raises(ProjectErrors) as raised:
        read_scenarios(project_of(folder, text, tests=tests))
    assert [error.path for error in raised.value.errors] == [
        "[0].kind", "[1].events", "[2].events[0].source", "[2].events[1].source",
    ]  # fmt: skip
    assert "Did you mean web?" in str(raised.value.errors[-1])


def test_a_source_that_only_rules_for_all_read_is_noted(folder: Path) -> None:
    text = PROJECT.replace("{source: web, identifier", "{identifier")
    tests = "{name: a, events: [{source: wep, payload: {cookie: a}}], expect: {people: 1}}"
    result = one(project_of(folder, text, tests=tests))
    assert result.passed
    (note,) = result.notes
    assert note == "'wep' is no source of the project; only rules for all sources read it. Did you mean web?"


def test_without_tests_one_is_shown(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"There are no tests: .*/tests holds no \*\.yaml\. Write one"):
        next(run_scenarios(project_of(folder)))

"""A plan is what then happens, and leaves nothing: on each engine, for edits of rules, identifiers and attributes."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import InvariantError, WarehouseError
from cdp_pipeline.operations import pipeline
from cdp_pipeline.operations.plan import KindPlan, People, PlanReport, plan_changes
from cdp_pipeline.operations.session import open_rehearsal
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline.warehouse.stage import stage
from cdp_pipeline_tests.automation.tiny import (
    FIRST,
    SECOND,
    THIRD,
    copy_of,
    every_row,
    land,
    open_tables,
    quick_folder,
    row,
    run_without_dagster,
    write_tiny,
)
from cdp_pipeline_tests.engines import Engine

SHOP = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
end: 2026-01-03
sources:
  web: {files: 'landing/web/{day}/*', event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers:
      - {type: crm}
      - {type: email}
      - {type: phone}
      - {type: cookie}
    stitching:
      - {identifier: cookie, value: "payload->>'cookie'"}
      - {identifier: email, value: "payload->>'email'"}
      - {identifier: crm, value: "payload->>'crm'"}
    attributes:
      - {id: n_events, type: expression, value: count(*)}
      - {id: revenue, type: sum, value: "(payload->>'total')::numeric(18,2)"}
      - {id: last_cookie, type: last, value: "payload->>'cookie'"}
"""
BEFORE_ALL, AFTER_ALL = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
OWN = ("entity_id", "person_key", "calculated", "valid_at", "modified")
ACCOUNT = """\
  account:
    identifiers: [{type: firm}]
    stitching: [{identifier: firm, value: "payload->>'firm'"}]
    attributes: [{id: seats, type: expression, value: count(*)}]
"""
PHONE = """      - {identifier: phone, value: "payload->>'phone'"}\n"""
# Each edit, and figures that it must at least have so that it shows something.
EDITS: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "a new rule": ((("    attributes:", f"{PHONE}    attributes:"),), ("people.merged",)),
    "a rule that is taken away": (
        (("""      - {identifier: email, value: "payload->>'email'"}\n""", ""),),
        ("people.split",),
    ),
    "a normalisation": ((("{type: email}", "{type: email, normalize: [trim, lower]}"),), ("people.merged",)),
    "values that are none": ((("{type: cookie}", "{type: cookie, valid: '^c[0-5]'}"),), ("people.vanished",)),
    "hubs": (
        (("{type: email}", "{type: email, max_links: 1}"),),
        ("quarantine.entered", "people.split", "events_moved"),
    ),
    "a limit": (
        (("{type: email}", "{type: email, max_per_entity: 1}"),),
        ("refused_links.newly_refused", "people.split", "identifiers.moved", "changes.split"),
    ),
    "what proves nothing": (
        (("{type: cookie}", "{type: cookie, bridge: false}"),),
        ("refused_links.newly_refused", "people.split"),
    ),
    "what is nobody's when it is shared": (
        (
            ("{type: email}", "{type: email, max_per_entity: 1}"),
            ("{type: cookie}", "{type: cookie, when_shared: nobody}"),
        ),
        ("refused_links.newly_refused", "events_moved", "changes.remove"),
    ),
    "attributes": (
        (
            ("'total')::numeric(18,2)", "'total')::numeric(18,2) * 3"),
            ("count(*)}", "count(*)::double precision / 2}"),
            ("id: last_cookie, type: last", "id: first_cookie, type: first"),
        ),
        (),
    ),
    "a new kind": ((("  customer:\n", f"{ACCOUNT}  customer:\n"),), ("people.appeared",)),
}


def write_shop(folder: Path, seed: int) -> Project:
    """Write three days of people with cookies, e-mails spelt in two ways, phones of families, and crm ids."""
    numbers = random.Random(seed)
    days: dict[Any, list[dict[str, Any]]] = {FIRST: [], SECOND: [], THIRD: []}
    for number in range(300):
        person = numbers.randrange(60)
        day = numbers.choice(list(days))
        more: dict[str, Any] = {"cookie": f"c{numbers.choice([person, person, person + 60])}", "total": number % 17}
        if numbers.random() < 0.15:
            more["email"] = numbers.choice([f"p{person}@x.org", f"P{person}@X.org "])
        if numbers.random() < 0.1:
            more["crm"] = f"{person}"
        if numbers.random() < 0.1:
            more["phone"] = f"{person // 3}"
        if numbers.random() < 0.1:
            more["firm"] = f"f{person % 7}"
        kind = numbers.choice(["view", "login"])
        days[day].append(row(number, day, type=kind, at=f"{day}T{number % 24:02}:{number % 60:02}:00Z", **more))
    return write_tiny(folder, SHOP, days)


@pytest.fixture(scope="module")
def ran(engine: Engine, seed: int) -> Iterator[Path]:
    """Return the folder of a project that has run."""
    with quick_folder() as folder:
        project = write_shop(folder / "shop", seed)
        run_without_dagster(project)
        yield project.folder


@pytest.fixture
def project(ran: Path, folder: Path) -> Project:
    """Return a copy of it."""
    return copy_of(ran, folder / "shop")


def edit(project: Project, *replaced: tuple[str, str]) -> Project:
    """Change the project file and read it."""
    file = project.folder / "project.yaml"
    text = file.read_text()
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
    return load_valid_project(project.folder, {})


def plan(project: Project) -> PlanReport:
    with open_rehearsal(project, "cdp plan", lambda holder: None) as session:
        return plan_changes(session)


def only(report: PlanReport) -> KindPlan:
    (kind,) = report.kinds
    return kind


# What the tables say ----------------------------------------------------------------------------------------------


class State:
    """What is published of one kind, as plain Python."""

    def __init__(self, project: Project, kind: str = "customer") -> None:
        with open_tables(project) as connection:

            def read(text: str) -> list[Any]:
                return connection.fetch(statement("read", text).bind({"cdp": "cdp", "kind": kind}))

            there = connection.has_schema(kind)
            columns = [name for name, _ in connection.columns_of(kind, "profiles") or ()]
            groups = read("select g.identifier_id, g.entity_id from kind.identifier_groups as g") if there else []
            used = read("select i.identifier_id from kind.identifiers as i") if there else []
            quarantined = read("select q.identifier_id from kind.quarantined_identifiers as q") if there else []
            refused = read("select r.identifier_id, r.other_id from kind.refused_links as r") if there else []
            spans = (
                read("select m.identifier_id, m.valid_from, m.valid_to, m.entity_id from kind.entity_map as m")
                if there
                else []
            )
            self.changes = read("select c.run, c.kind from kind.entity_changes as c") if there else []
            events = read("select s.event_id, s.entity_id from kind.stitched_events as s") if there else []
            rows = read("select p.* from kind.profiles as p") if columns else []
        self.owners: dict[Any, Any] = dict(groups)
        self.used = {identifier for (identifier,) in used}
        self.quarantined = {identifier for (identifier,) in quarantined}
        self.refused = set(refused)
        self.spans: dict[Any, list[tuple[datetime, datetime, Any]]] = {}
        for identifier, valid_from, valid_to, owner in spans:
            span = (valid_from or BEFORE_ALL, valid_to or AFTER_ALL, owner)
            self.spans.setdefault(identifier, []).append(span)
        self.events: dict[Any, Any] = dict(events)
        named = [dict(zip(columns, values, strict=True)) for values in rows]
        self.profiles = {each["entity_id"]: each for each in named}
        self.columns = [name for name in columns if name not in OWN]

    @property
    def people(self) -> set[Any]:
        return set(self.owners.values())

    def owner(self, identifier: Any, at: datetime) -> Any:
        """Return whose an identifier is at a moment."""
        spans = self.spans.get(identifier, ())
        return next((owner for start, end, owner in spans if start <= at < end), None)


def moved(before: State, after: State) -> int:
    """Count the identifiers that at some moment go from one person to another."""
    count = 0
    for identifier in before.spans.keys() & after.spans.keys():
        moments = {start for state in (before, after) for start, _, _ in state.spans[identifier]}
        pairs = {(before.owner(identifier, at), after.owner(identifier, at)) for at in moments}
        count += any(old != new for old, new in pairs if old is not None and new is not None)
    return count


def what_happened(before: State, after: State) -> People:
    """Work out what became of the people."""
    fates: Counter[str] = Counter()
    sources: dict[Any, set[Any]] = {}
    for identifier, owner in before.owners.items():
        if identifier in after.owners:
            sources.setdefault(after.owners[identifier], set()).add(owner)
    renamed = set()
    for person in before.people:
        mine = {identifier for identifier, owner in before.owners.items() if owner == person}
        heirs = {after.owners[identifier] for identifier in mine if identifier in after.owners}
        if len(heirs) != 1:
            fates["split" if heirs else "vanished"] += 1
        elif heirs != {person}:
            (heir,) = heirs
            fates["merged" if len(sources[heir]) > 1 else "renamed"] += 1
            renamed |= heirs if len(sources[heir]) == 1 else set()
    appeared = len(after.people - before.people - renamed)
    return People(len(before.people), len(after.people), fates["merged"], fates["split"], appeared, fates["vanished"],
                  fates["renamed"])  # fmt: skip


def check_identifiers(plan: KindPlan, before: State, after: State) -> None:
    """Compare what was told about identifiers and links with the tables before and after."""
    told = plan.identifiers
    assert (told.before, told.after, told.moved) == (len(before.used), len(after.used), moved(before, after))
    assert (told.added, told.removed) == (len(after.used - before.used), len(before.used - after.used))
    quarantine, entered = plan.quarantine, after.quarantined - before.quarantined
    assert (quarantine.before, quarantine.after) == (len(before.quarantined), len(after.quarantined))
    assert (quarantine.entered, quarantine.released) == (len(entered), len(before.quarantined - after.quarantined))
    assert {value.identifier_id for value in quarantine.values_entered} <= entered
    assert len(quarantine.values_entered) == min(10, len(entered))
    links = plan.refused_links
    newly = len(after.refused - before.refused)
    assert (links.before, links.after, links.newly_refused) == (len(before.refused), len(after.refused), newly)


def check_profiles(plan: KindPlan, before: State, after: State) -> None:
    """Compare what was told about the profiles with the table before and after."""
    told = plan.profiles
    both = before.profiles.keys() & after.profiles.keys()
    assert (told.before, told.after) == (len(before.profiles), len(after.profiles))
    assert (told.added, told.removed) == (len(after.profiles) - len(both), len(before.profiles) - len(both))
    assert set(told.columns_added) == set(after.columns) - set(before.columns)
    assert set(told.columns_removed) == set(before.columns) - set(after.columns)
    shared = [name for name in before.columns if name in after.columns]
    old, new = before.profiles, after.profiles
    assert told.changed == sum(any(old[e][n] != new[e][n] for n in ("person_key", *shared)) for e in both)
    counts = {name: sum(old[entity][name] != new[entity][name] for entity in both) for name in shared}
    counted = {each.attribute: each.profiles_changed for each in told.attributes}
    assert {name: count for name, count in counted.items() if count} == {n: c for n, c in counts.items() if c}
    for each in told.attributes:
        if each.sum_before is None or each.sum_after is None:
            continue
        name = each.attribute
        sums = [sum(float(values[name] or 0) for values in of.values()) for of in (old, new)]
        assert [each.sum_before, each.sum_after] == pytest.approx(sums)
        differences = [abs(float(new[entity][name] or 0) - float(old[entity][name] or 0)) for entity in both]
        if each.largest is not None:
            entity = each.largest.entity_id
            assert (each.largest.before, each.largest.after) == (old[entity][name], new[entity][name])
            largest = abs(float(each.largest.after or 0) - float(each.largest.before or 0))
            assert largest == pytest.approx(max(differences))


@pytest.mark.parametrize("name", EDITS)
def test_a_plan_is_exactly_what_then_happens_and_leaves_nothing(name: str, project: Project) -> None:
    replaced, at_least = EDITS[name]
    kind = "account" if "kind" in name else "customer"
    edited = edit(project, *replaced)
    rows, before = every_row(edited), State(edited, kind)
    told = plan(edited)
    assert every_row(edited) == rows, "a plan left something behind"
    assert not told.changes_nothing

    run_without_dagster(edited, "for real")
    after = State(edited, kind)
    (found,) = [each for each in told.kinds if each.kind == kind]
    assert found.people == what_happened(before, after)
    for figure in at_least:
        part, _, name = figure.partition(".")
        value = getattr(found, part)
        assert value.get(name) if isinstance(value, dict) else getattr(value, name) if name else value, figure
    real = [change for change in after.changes if change[0] == "for real"]
    assert found.changes == dict(Counter(change[1] for change in real))
    check_identifiers(found, before, after)
    assert found.events_moved == sum(after.events[each] != owner for each, owner in before.events.items())
    check_profiles(found, before, after)
    biggest = Counter(after.owners.values())
    assert all(each.identifiers == biggest[each.entity_id] for each in found.biggest)
    assert [each.identifiers for each in found.biggest] == sorted((e.identifiers for e in found.biggest), reverse=True)
    assert plan(edited).changes_nothing


def test_the_values_responsible_are_those_whose_links_join_most_people(project: Project) -> None:
    edited = edit(project, *EDITS["a new rule"][0])
    told = only(plan(edited))
    assert told.responsible
    assert {value.type for value in told.responsible[:3]} == {"phone"}
    counts = [value.count for value in told.responsible]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 3, "a phone of three people"
    assert max(each.published for each in told.biggest) >= counts[0]
    phones = [stage.why for stage in told.stages if stage.asset == "customer/event_identifiers"]
    assert phones == ["the project defines it in another way"]


def test_nothing_to_change_and_what_a_run_would_land_first(project: Project) -> None:
    told = plan(project)
    assert told.changes_nothing
    assert only(told).stages == []
    assert told.files == []
    before = every_row(project)
    land(project.folder, SECOND, [row(1, SECOND, cookie="c1")])
    told = plan(project)
    assert told.files == ["landing/web/2026-01-02/events.ndjson"]
    assert told.changes_nothing
    assert every_row(project) == before


def test_a_description_changes_no_stage(project: Project) -> None:
    told = plan(edit(project, ("type: sum,", "type: sum, description: All that was paid.,")))
    assert told.changes_nothing
    assert only(told).stages == []


def test_a_kind_that_is_taken_away_stays_in_the_warehouse(project: Project) -> None:
    edited = edit(project, ("  customer:", f"{ACCOUNT}  customer:"))
    run_without_dagster(edited)
    without = edit(project, (ACCOUNT, ""))
    told = plan(without)
    assert told.notes == ["The kind `account` is no longer in the project; its tables would stay as they are."]
    assert told.changes_nothing


def test_the_gate_is_told_and_stops_no_plan(project: Project) -> None:
    guards = "    guards: {publish: {min_entities: 10, max_share_merged: 0.01, max_growth: 1}}\n    stitching:"
    edited = edit(project, *EDITS["a new rule"][0], ("    stitching:", guards))
    told = only(plan(edited))
    assert told.people.merged > 10
    assert told.gate.share_merged == told.people.merged / told.people.before
    merged, grown = told.gate.reasons
    assert "guards.publish.max_share_merged" in merged
    assert "guards.publish.max_growth" in grown
    allowed = edit(project, ("max_share_merged: 0.01, max_growth: 1", "max_share_merged: 1.0, max_growth: 1000"))
    assert only(plan(allowed)).gate.reasons == []


def test_a_rule_that_cannot_be_worked_out_is_named_and_nothing_is_left(project: Project) -> None:
    before = every_row(project)
    edited = edit(project, ("cookie, value: \"payload->>'cookie'\"", "cookie, value: \"(payload->>'cookie')::int\""))
    with pytest.raises(WarehouseError, match=r"entities\.customer\.stitching\[0\]\.value cannot be worked out"):
        plan(edited)
    assert every_row(project) == before


def test_a_broken_invariant_leaves_no_figures(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any, project: Project, kind: str, run: Any, *, full: bool = False) -> Any:
        with stage(connection, spec(project, kind), run, full=True) as work:
            work.measure(some_figure=work.number)
            work.facts.invariants["nothing is wrong"] = 1
        return work.facts

    spec = pipeline.STAGES_OF_A_KIND[0][0]
    stages = ((spec, broken), *pipeline.STAGES_OF_A_KIND[1:])
    monkeypatch.setattr("cdp_pipeline.operations.plan.STAGES_OF_A_KIND", stages)
    before = every_row(project)
    with pytest.raises(InvariantError):
        plan(project)
    assert every_row(project) == before


def test_there_is_nothing_to_compare_with_before_the_first_run(engine: Engine, folder: Path) -> None:
    project = write_tiny(folder / "fresh", SHOP, {})
    with pytest.raises(WarehouseError, match="has no schema `cdp` yet"):
        plan(project)
    with open_tables(project) as connection:
        assert not connection.has_schema("cdp")

"""Reads a project's own tests, `tests/*.yaml`, and finds every mistake in them, each with its file and line.

A file holds one test, or a list of tests. Dates in payloads and rows are kept as they are written, for in an event they
are texts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cdp_pipeline.config.fields import one_of, shorten
from cdp_pipeline.config.keys import check_keys, did_you_mean
from cdp_pipeline.config.messages import translate
from cdp_pipeline.config.model import Entity, Location, Project
from cdp_pipeline.config.tree import Findings, Loc, Node, join
from cdp_pipeline.config.yaml_tree import read_yaml
from cdp_pipeline.errors import ProjectErrors, UsageError
from cdp_pipeline.operations.names import normalised
from cdp_pipeline.operations.scenario_model import VERDICTS, ExpectedOwner, GivenDecision, Scenario

FOLDER = "tests"
GIVEN = "given_events"  # the source that a test's events land from
NOBODY = "nobody"
_TWO = ("same", "different")
_TABLE = re.compile(r"(\w+\.)?\w+")


@dataclass(frozen=True)
class PlacedScenario:
    """A test with its place.

    Attributes:
        scenario: the test.
        kind: the kind of entity that it is about.
        file: its file, relative to the project's folder.
        places: the place of every value in it, by its path in the test.
        notes: what its author should know.
    """

    scenario: Scenario
    kind: str
    file: Path
    places: Mapping[str, Location]
    notes: list[str]

    def line(self, *loc: str | int) -> int:
        """Return the line of a value, or of what it would stand in."""
        while loc and join("", loc) not in self.places:
            loc = loc[:-1]
        return self.places[join("", loc)].line


def read_identifier(entity: Entity, text: str) -> tuple[str, str]:
    """Return the type of an identifier, and its value as stitching would keep it.

    Raises:
        UsageError: it is no TYPE:VALUE of the kind.
    """
    identifier_type, colon, value = text.removeprefix(f"{entity.kind}/").partition(":")
    known = [declared.type for declared in entity.identifiers]
    if not colon or not value:
        raise UsageError(f"{shorten(text)} is no identifier. Write TYPE:VALUE, such as {known[0]}:A.")
    if identifier_type not in known:
        raise UsageError(f"{shorten(identifier_type)} is no type of identifier. Accepted: {', '.join(known)}.")
    return identifier_type, normalised(entity, identifier_type, value)


def read_scenarios(project: Project) -> list[PlacedScenario]:
    """Return all tests of a project, by their files.

    Raises:
        ProjectErrors: with every mistake of the tests.
        UsageError: there are none.
    """
    folder = project.folder / FOLDER
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
    if not files:
        raise UsageError(
            f"There are no tests: {folder} holds no *.yaml. Write one, such as {FOLDER}/first.yaml: "
            "{name: …, events: [{payload: {…}}], expect: {people: 1}}."
        )
    findings = Findings()
    found = [
        scenario
        for path in files
        for node in _read_file(path, path.relative_to(project.folder), findings)
        for scenario in _read(project, node, findings)
    ]
    if findings.errors:
        raise ProjectErrors(findings.errors)
    return found


def _read_file(path: Path, file: Path, findings: Findings) -> list[Node]:
    document = read_yaml(path, Node("", file, 0, None), findings)
    if document is None:
        return []
    if isinstance(document.root, yaml.SequenceNode):
        return document.read_items("", 0)
    node = document.read()
    return [] if node is None else [node]


def _read(project: Project, node: Node, findings: Findings) -> Iterator[PlacedScenario]:
    """The test of a node, if there is nothing wrong with it."""
    known = len(findings.errors)
    if not isinstance(node.content, dict):
        findings.report(node, "is not a test: it must be a mapping.", "Write name, events and expect.")
        return
    check_keys(node, findings, Scenario, "test")
    try:
        scenario = Scenario.model_validate(_plain(node), by_alias=True, by_name=False)
    except ValidationError as error:
        for mistake in filter(None, (translate(each, node, Scenario) for each in error.errors(include_url=False))):
            place, rest = node.find(mistake.loc)
            findings.report(place, mistake.message or "is not accepted.", mistake.hint, rest=rest)
        return
    check = _Check(project, scenario, node, findings)
    kind = check.kind()
    if kind is not None:
        check.everything(project.entities[kind])
        if len(findings.errors) == known and not check.is_empty():
            yield PlacedScenario(scenario, kind, node.file, node.locations(), check.notes)


def _plain(node: Node) -> Any:
    """The value without places; a date as the text that stands in the file."""
    if isinstance(node.content, dict):
        return {key: _plain(child) for key, child in node.content.items()}
    if isinstance(node.content, list):
        return [_plain(child) for child in node.content]
    return node.text if isinstance(node.content, date) else node.content


class _Check:
    """What must hold between a test and its project."""

    def __init__(self, project: Project, scenario: Scenario, node: Node, findings: Findings) -> None:
        self._project = project
        self._scenario = scenario
        self._node = node
        self._findings = findings
        self.notes: list[str] = []

    def kind(self) -> str | None:
        """The kind of entity; None if it is not known, which was reported."""
        kinds, kind = list(self._project.entities), self._scenario.kind
        if kind in kinds:
            return kind
        if kind is None and len(kinds) == 1:
            return kinds[0]
        what = "is missing, and there are several kinds." if kind is None else f"{shorten(kind)} is no kind of entity."
        self._report(("kind",), what, f"Accepted: {', '.join(kinds) or 'none, for the project has no kind'}.")
        return None

    def everything(self, entity: Entity) -> None:
        """Reports all mistakes."""
        self._given(entity)
        for number, decision in enumerate(self._scenario.decisions):
            self._decision(entity, ("decisions", number), decision)
        expect = self._scenario.expect
        for name in ("together", "apart"):
            for number, identifiers in enumerate(getattr(expect, name)):
                self._identifiers(entity, ("expect", name, number), identifiers)
                if len(identifiers) < 2:
                    self._report(("expect", name, number), "is not two identifiers.", "Write [TYPE:VALUE, TYPE:VALUE].")
        self._identifiers(entity, ("expect", "quarantined"), expect.quarantined)
        for number, owner in enumerate(expect.owner):
            self._owner(entity, ("expect", "owner", number), owner)
        for number, values in enumerate(expect.attributes):
            self._attributes(entity, ("expect", "attributes", number), values)

    def is_empty(self) -> bool:
        """Whether nothing is given or expected, which is reported."""
        scenario, known = self._scenario, len(self._findings.errors)
        if not (scenario.events or scenario.rows or scenario.tables):
            self._report(("events",), "is missing: nothing happens in this test.", "Write events, rows or tables.")
        if not scenario.expect.model_fields_set:
            self._report(("expect",), "expects nothing.", "Write people, together, apart, owner or attributes.")
        return len(self._findings.errors) > known

    def _given(self, entity: Entity) -> None:
        scenario = self._scenario
        for number, event in enumerate(scenario.events):
            self._source(entity, ("events", number), event.source)
        for source in scenario.rows:
            if source not in self._project.sources:
                self._unknown(("rows", source), f"{shorten(source)} is no source", source, self._project.sources)
        tables = [declared.table for declared in entity.identity_maps]
        for table in scenario.tables:
            if table not in tables or not _TABLE.fullmatch(table):
                self._unknown(
                    ("tables", table), f"No identity map of {entity.kind} reads {shorten(table)}", table, tables
                )

    def _source(self, entity: Entity, loc: Loc, source: str | None) -> None:
        declared = list(self._project.sources)
        if source is None:
            if len(declared) != 1:
                self._report((*loc, "source"), "is missing.", f"Accepted: {', '.join(declared) or 'any name'}.")
            return
        named = [name for rule in entity.stitching for name in rule.source]
        named += [name for attribute in entity.attributes for name in attribute.sources]
        if source in named or source in declared:
            return
        if any(not rule.source for rule in entity.stitching):
            meant = did_you_mean(source, [*declared, *named])
            hint = f" Did you mean {meant}?" if meant else ""
            self.notes.append(
                f"{shorten(source)} is no source of the project; only rules for all sources read it.{hint}"
            )
        else:
            self._unknown((*loc, "source"), f"No rule reads the source {shorten(source)}", source, [*declared, *named])

    def _decision(self, entity: Entity, loc: Loc, decision: GivenDecision) -> None:
        written = decision.written()
        if len(written) != 1:
            self._report(loc, f"must have one verdict, and has {len(written)}.", f"Accepted: {', '.join(VERDICTS)}.")
            return
        ((verdict, identifiers),) = written.items()
        accepted = (2,) if verdict in _TWO else (1, 2) if verdict == "unstitch" else (1,)
        if len(identifiers) not in accepted:
            numbers = one_of([str(number) for number in accepted])
            self._report((*loc, verdict), f"must name {numbers} identifiers, and names {len(identifiers)}.")
        self._identifiers(entity, (*loc, verdict), identifiers)

    def _owner(self, entity: Entity, loc: Loc, owner: ExpectedOwner) -> None:
        if (owner.identifier is None) == (owner.event is None):
            self._report(loc, "must name an identifier or an event.", "Write {identifier: …, at: …, person: …}.")
        if owner.event is not None and owner.at is not None:
            self._report((*loc, "at"), "goes with an identifier; an event has its own time.", "Remove it.")
        events = {event.id or str(number) for number, event in enumerate(self._scenario.events, start=1)}
        if owner.event is not None and owner.event not in events and not self._scenario.rows:
            self._report((*loc, "event"), f"{shorten(owner.event)} is none of the events.", f"There are {len(events)}.")
        self._identifier(entity, (*loc, "identifier"), owner.identifier)
        self._identifier(entity, (*loc, "person"), None if owner.person == NOBODY else owner.person)

    def _attributes(self, entity: Entity, loc: Loc, values: Mapping[str, Any]) -> None:
        of = values.get("of")
        if not isinstance(of, str):
            self._report(loc, "does not say whose attributes they are.", "Write {of: TYPE:VALUE, ATTRIBUTE: VALUE}.")
        else:
            self._identifier(entity, (*loc, "of"), of)
        known = [attribute.id for attribute in entity.attributes if not attribute.hidden]
        expected = [name for name in values if name != "of"]
        for name in expected:
            if name not in known:
                self._unknown((*loc, name), f"{shorten(name)} is no attribute of {entity.kind}", name, known)
        if not expected:
            self._report(loc, "expects nothing of the person.", f"Accepted: {', '.join(known) or 'none'}.")

    def _identifiers(self, entity: Entity, loc: Loc, identifiers: Sequence[str]) -> None:
        for number, identifier in enumerate(identifiers):
            self._identifier(entity, (*loc, number), identifier)

    def _identifier(self, entity: Entity, loc: Loc, identifier: str | None) -> None:
        if identifier is None:
            return
        try:
            read_identifier(entity, identifier)
        except UsageError as error:
            self._report(loc, str(error))

    def _unknown(self, loc: Loc, what: str, word: str, accepted: "Sequence[str] | Mapping[str, Any]") -> None:
        meant = did_you_mean(word, accepted)
        hint = f"Accepted: {', '.join(dict.fromkeys(accepted)) or 'none'}."
        self._report(loc, f"{what}.", hint if meant is None else f"Did you mean {meant}? {hint}")

    def _report(self, loc: Loc, message: str, hint: str | None = None) -> None:
        node, rest = self._node.find(loc)
        self._findings.report(node, message, hint, rest=rest)

"""What the edited project would change in what is published: its stages, rehearsed, and the result held against it.

Nothing is worked out in another way than a run does it: the real stages after `customer_events` run in one transaction,
the tables before and after are compared, and all of it is rolled back. So a plan is what then happens, and it costs
what the run would. It does not land files; what a run would land first is told.

A person who disappears in another is merged; one whose identifiers go to several is split; one whose identifiers all go
by another id is renamed; one without any identifier left vanishes. Who was nobody before appears.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

from cdp_pipeline.events.landing import plan_landing
from cdp_pipeline.identity.gate import beyond_guards
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.operations.plan_profiles import SQL, ProfilesPlan, compare_profiles, keep_profiles
from cdp_pipeline.operations.session import Session
from cdp_pipeline.progress import report
from cdp_pipeline.warehouse.base import Connection, Row
from cdp_pipeline.warehouse.stage import SQL as STAGES
from cdp_pipeline.warehouse.stage import Due, Facts, StageSpec, what_is_due

_TEMPORARY = [f"plan_{name}" for name in ("before", "after", "flows", "people", "events", "refused", "quarantined")]


@dataclass(frozen=True)
class StagePlan:
    """A stage that would have something to do: nothing but changes, or all of it again, and why."""

    asset: str
    due: str
    why: str


@dataclass(frozen=True)
class Value:
    """An identifier's value and a count that belongs to it."""

    type: str
    value: str
    identifier_id: UUID
    count: int


@dataclass(frozen=True)
class NewEntity:
    """An entity that was not there as it would be.

    Attributes:
        identifiers: how many it would have.
        identifiers_before: how many the entity of this id has; None: nobody has this id.
        published: how many published entities would be in it, with some of their identifiers at least.
        values: its first identifiers.
    """

    entity_id: UUID
    identifiers: int
    identifiers_before: int | None
    published: int
    values: list[Value]


@dataclass(frozen=True)
class People:
    """How many entities there are and would be, and what would become of them."""

    before: int
    after: int
    merged: int
    split: int
    appeared: int
    vanished: int
    renamed: int


@dataclass(frozen=True)
class Gate:
    """What the publication gate would say to the run.

    Attributes:
        share_merged: the share of the published entities that would be merged into others, 0 to 1.
        largest_growth: the most identifiers that a published entity would gain.
        reasons: why the run would not publish; empty: it would.
    """

    share_merged: float
    largest_growth: int
    reasons: list[str]


@dataclass(frozen=True)
class Identifiers:
    """Identifiers in use, those that come and go, and those that go from one entity to another."""

    before: int
    after: int
    added: int
    removed: int
    moved: int


@dataclass(frozen=True)
class Quarantine:
    """Identifiers in quarantine, and up to ten of those that would enter it or leave it."""

    before: int
    after: int
    entered: int
    released: int
    values_entered: list[Value]
    values_released: list[Value]


@dataclass(frozen=True)
class RefusedLinks:
    """Links that are not used."""

    before: int
    after: int
    newly_refused: int


@dataclass(frozen=True)
class KindPlan:
    """What would change for one kind of entity.

    Attributes:
        stages: those that would have something to do.
        changes: rows of `entity_changes` that the run would write, by kind.
        events_moved: events that would be somebody else's.
        biggest: the biggest entities that were not there as they would be, ten at most.
        responsible: the values whose links would join several published entities, and how many; ten at most.
    """

    kind: str
    changes_nothing: bool
    stages: list[StagePlan]
    people: People
    gate: Gate
    identifiers: Identifiers
    changes: dict[str, int]
    events_moved: int
    quarantine: Quarantine
    refused_links: RefusedLinks
    biggest: list[NewEntity]
    responsible: list[Value]
    profiles: ProfilesPlan


@dataclass(frozen=True)
class PlanReport:
    """What the edited project would change.

    Attributes:
        files: the files and days of source tables that a run would land first; the plan does not know what they hold.
        notes: what a person should know.
    """

    changes_nothing: bool
    files: list[str]
    notes: list[str]
    kinds: list[KindPlan] = field(default_factory=list)


def plan_changes(session: Session) -> PlanReport:
    """Rehearses the stages and compares; the session is that of `open_rehearsal`, which then takes all of it back.

    Raises:
        InvariantError: the result would break an invariant, so that a run would not publish it.
        WarehouseError: a stage cannot be done, as a run would say too.
    """
    connection, project = session.connection, session.project
    landing = plan_landing(connection, project, session.run, None)
    steps = _Steps(len(project.entities) * len(STAGES_OF_A_KIND))
    rehearsals = [_Rehearsal(session, kind, steps) for kind in project.entities]
    for rehearsal in rehearsals:
        rehearsal.identity()
    # Last, for a server's readers wait for whoever makes the table of profiles again.
    for rehearsal in rehearsals:
        rehearsal.profiles()
    kinds = [rehearsal.result() for rehearsal in rehearsals]
    files = [reading.place for reading in landing.readings]
    notes = [
        f"The kind `{kind}` is no longer in the project; its tables would stay as they are."
        for kind in _kinds_without_definition(session)
    ]
    return PlanReport(all(kind.changes_nothing for kind in kinds), files, notes, kinds)


def _kinds_without_definition(session: Session) -> list[str]:
    rows = session.connection.fetch(STAGES["states"].bind({"cdp": session.project.schema_name}))
    known = {stage.partition("/")[0] for stage, *_ in rows}
    return sorted(known - {"cdp", *session.project.entities})


class _Steps:
    """Tells how many stages of how many are done."""

    def __init__(self, total: int) -> None:
        self._done = 0
        self._total = total

    def tell(self, asset: str, *, done: bool) -> None:
        """Tells that a stage begins, or that it is done."""
        self._done += done
        report(asset.replace("/", "__"), self._done, self._total)


class _Rehearsal:
    """The stages of one kind, and what they change."""

    def __init__(self, session: Session, kind: str, steps: _Steps) -> None:
        self._session = session
        self._steps = steps
        self._connection: Connection = session.connection
        self._kind = kind
        self._entity = session.project.entities[kind]
        self._schemas = {"cdp": session.project.schema_name, "kind": self._entity.schema_name}
        self._stages: list[StagePlan] = []
        self._found: dict[str, Any] = {}
        self._audited: dict[str, float] = {}  # what the publication gate saw

    def identity(self) -> None:
        """Rehearses all stages but that of the profiles, and compares who is who."""
        self._connection.drop_temporary(_TEMPORARY)
        for name in ("before", "refused", "quarantined"):
            self._run(name)
        last_change = self._fetch("last_change")[0][0]
        moved = 0
        for spec, work in self._work(profiles=False):
            keeps = spec.asset == f"{self._kind}/stitched_events" and self._is_due(spec)
            if keeps:
                self._run("events")
            self._stage(spec, work)
            if keeps:
                moved = self._fetch("events_moved")[0][0]
        self._compare(last_change, moved)
        self._connection.drop_temporary(_TEMPORARY)

    def profiles(self) -> None:
        """Rehearses the stage of the profiles and compares the attributes."""
        for spec, work in self._work(profiles=True):
            kept = keep_profiles(self._connection, self._schemas) if self._is_due(spec) else None
            self._stage(spec, work)
            self._found["profiles"] = compare_profiles(self._connection, self._schemas, kept)

    def result(self) -> KindPlan:
        """All that would change."""
        identifiers, people = self._found["identifiers"], self._found["people"]
        signs = (
            identifiers.added, identifiers.removed, identifiers.moved, people.split, people.renamed,
            self._found["events_moved"], self._found["quarantine"].entered, self._found["quarantine"].released,
            self._found["refused_links"].newly_refused, *self._found["changes"].values(),
            self._found["refused_links"].before - self._found["refused_links"].after,
        )  # fmt: skip
        nothing = not any(signs) and self._found["profiles"].changes_nothing
        return KindPlan(self._kind, nothing, self._stages, **self._found)

    def _work(self, *, profiles: bool) -> list[tuple[StageSpec, Callable[..., Facts]]]:
        """The stages in their order, with what does their work: that of the profiles, or all others."""
        specs = ((spec(self._session.project, self._kind), work) for spec, work in STAGES_OF_A_KIND)
        return [each for each in specs if (each[0].asset == f"{self._kind}/profiles") is profiles]

    def _stage(self, spec: StageSpec, work: Callable[..., Facts]) -> None:
        why = why_due(self._connection, spec)
        self._steps.tell(spec.asset, done=False)
        facts = work(self._connection, self._session.project, self._kind, self._session.run)
        if spec.asset == f"{self._kind}/entity_map":
            self._audited = facts.metrics
        self._steps.tell(spec.asset, done=True)
        if facts.due is not Due.NOTHING:
            self._stages.append(StagePlan(spec.asset, facts.due.value, why))

    def _is_due(self, spec: StageSpec) -> bool:
        return what_is_due(self._connection, spec)[0] is not Due.NOTHING

    def _compare(self, last_change: int, events_moved: int) -> None:
        for name in ("after", "flows", "people"):
            self._run(name)
        fates = {"merged": 0, "split": 0, "vanished": 0, "renamed": 0} | dict(self._fetch("fates"))
        fates.pop("kept", None)
        before, after, appeared = self._fetch("people_figures")[0]
        quarantined, quarantined_then, entered, released = self._fetch("quarantine_figures")[0]
        values = self._values("entered"), self._values("released")
        self._found |= {
            "people": People(before, after, appeared=appeared, **fates),
            "gate": self._gate(before),
            "identifiers": Identifiers(*self._fetch("identifier_figures", last_change=last_change)[0]),
            "changes": dict(self._fetch("changes", last_change=last_change)),
            "events_moved": events_moved,
            "quarantine": Quarantine(quarantined, quarantined_then, entered, released, *values),
            "refused_links": RefusedLinks(*self._fetch("refused_figures")[0]),
            "biggest": [_new_entity(list(rows)) for _, rows in groupby(self._fetch("biggest"), key=lambda row: row[0])],
            "responsible": self._values("responsible"),
        }

    def _gate(self, entities: int) -> Gate:
        """What the publication gate would say; it holds no rehearsal back."""
        entities = int(self._audited.get("entities_published", entities))
        merged, growth = (int(self._audited.get(name, 0)) for name in ("entities_merged", "largest_growth"))
        share = merged / entities if entities else 0.0
        return Gate(share, growth, beyond_guards(self._entity.guards.publish, entities, merged, growth))

    def _values(self, name: str) -> list[Value]:
        return [Value(*row) for row in self._fetch(name)]

    def _run(self, name: str) -> None:
        self._connection.run(SQL[name].bind(self._schemas))

    def _fetch(self, name: str, **values: Any) -> list[Row]:
        return self._connection.fetch(SQL[name].bind(self._schemas), **values)


def _new_entity(rows: list[Row]) -> NewEntity:
    entity_id, identifiers, published, before = rows[0][:4]
    return NewEntity(entity_id, identifiers, before, published, [Value(*row[4:]) for row in rows])


def why_due(connection: Connection, spec: StageSpec) -> str:
    """Why a stage would have something to do now, in words."""
    states = {asset: row for asset, *row in connection.fetch(STAGES["states"].bind(spec.schemas))}
    if spec.asset not in states:
        return "it has never run"
    cursor, _, _, definition = states[spec.asset]
    if definition != spec.definition:
        return "the project defines it in another way"
    inputs = [(asset, *states[asset]) for asset in spec.inputs if asset in states]
    rebuilt = [asset for asset, _, _, rebuilt_in, _ in inputs if rebuilt_in > cursor]
    if rebuilt:
        return f"done again: {', '.join(rebuilt)}"
    changed = [asset for asset, _, changed_in, _, _ in inputs if changed_in > cursor]
    return f"changed: {', '.join(changed)}" if changed else "what it reads is marked or has changed"

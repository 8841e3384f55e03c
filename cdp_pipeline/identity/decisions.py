"""What operators decided about identifiers, in `<kind>/decisions`: one row is one decision, and none is ever removed.

A decision has a subject: of `same` and `different` it is the pair, of `quarantine` and `release` the identifier, of
`unstitch` the identifier or the pair; a pair is the same whichever end is named first. In force is the latest of each
subject, unless it was withdrawn. Withdrawing does not bring back an older one: what was overruled once stays so.

A decision takes effect with the next run. It is written in a transaction of its own, as a stage's output is, so that
the stages that have `<kind>/decisions` among their inputs become due.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ContradictoryDecisions, UsageError
from cdp_pipeline.events.identifier_values import Reading, read_value
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection, Schemas
from cdp_pipeline.warehouse.stage import Due, Run, StageSpec, Work, stage

SQL = Statements(__package__, "decisions.sql")
PAIRS = ("same", "different")
PINS = ("quarantine", "release")
VERDICTS = (*PAIRS, *PINS, "unstitch")
Pair = tuple[UUID, UUID]


@dataclass(frozen=True)
class Decision:
    """One decision; `at` is UTC. Of a pair, the ends are as they were named."""

    decision_id: int
    identifier_id: UUID
    other_id: UUID | None
    verdict: str
    by: str
    why: str
    at: datetime

    @property
    def ends(self) -> tuple[UUID, ...]:
        """The identifiers that it is about: one or two."""
        return (self.identifier_id,) if self.other_id is None else (self.identifier_id, self.other_id)

    @property
    def subject(self) -> tuple[tuple[str, ...], UUID, UUID | None]:
        """What it is about: of two decisions with one subject, the later holds."""
        if self.other_id is None:
            return _question(self.verdict), self.identifier_id, None
        return _question(self.verdict), *_ordered(self.identifier_id, self.other_id)


@dataclass(frozen=True)
class Decisions:
    """The decisions in force, in the order in which they were made. Ids are UUIDs, as the engines give them.

    Attributes:
        in_force: the decisions.
        names: what their identifiers are called, such as email:ann@example.org.
    """

    in_force: tuple[Decision, ...] = ()
    names: Mapping[UUID, str] = field(default_factory=dict)

    @cached_property
    def same(self) -> list[Pair]:
        """Pairs that are one, the smaller id first."""
        return self._pairs("same")

    @cached_property
    def different(self) -> list[Pair]:
        """Pairs that are two, the smaller id first."""
        return self._pairs("different")

    @cached_property
    def unstitched(self) -> list[tuple[UUID, UUID | None]]:
        """Whose links are out of use: those of a pair, the smaller id first, or (id, None) for all of one."""
        return [each.subject[1:] for each in self._of("unstitch")]

    @cached_property
    def quarantined(self) -> set[UUID]:
        """Identifiers that are in quarantine, however few links they have."""
        return {each.identifier_id for each in self._of("quarantine")}

    @cached_property
    def released(self) -> set[UUID]:
        """Identifiers that are not in quarantine, however many links they have."""
        return {each.identifier_id for each in self._of("release")}

    def same_classes(self) -> dict[UUID, UUID]:
        """For each identifier that a `same` names, the smallest id of all that are the same, by decisions alone."""
        if not self.same:
            return {}
        import networkx as nx

        found: dict[UUID, UUID] = {}
        for members in nx.connected_components(nx.Graph(self.same)):
            found |= dict.fromkeys(members, min(members))
        return found

    def contradictions(self) -> list[tuple[Decision, list[Decision]]]:
        """Each `different` whose ends are the same by a chain of others, with the shortest such chain."""
        classes = self.same_classes()
        known = [
            each for each in self._of("different") if each.other_id is not None and set(each.ends) <= classes.keys()
        ]
        return [(each, self._chain(each)) for each in known if len({classes[end] for end in each.ends}) == 1]

    def name(self, identifier_id: UUID) -> str:
        """What an identifier is called."""
        return self.names.get(identifier_id, str(identifier_id))

    def must_agree(self, kind: str, *, asked: int | None = None) -> None:
        """Refuses decisions that contradict each other.

        Args:
            kind: the kind of entity.
            asked: the decision that is only asked for, if there is one.

        Raises:
            ContradictoryDecisions: there are some; the first is told.
        """
        for different, chain in self.contradictions():
            both = [*chain, different]
            undo = [_command(kind, self, each) for each in both if each.decision_id != asked]
            told = [self.describe(each, asked=each.decision_id == asked) for each in both]
            raise ContradictoryDecisions(kind, told[:-1], told[-1], undo)

    def describe(self, decision: Decision, *, asked: bool = False) -> str:
        """A decision in words: what, when, who, why."""
        ends = " and ".join(map(self.name, decision.ends))
        when = "asked for now" if asked else f"decided {decision.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{ends}: {decision.verdict}, {when} by {decision.by} ({decision.why})"

    def _of(self, verdict: str) -> list[Decision]:
        return [each for each in self.in_force if each.verdict == verdict]

    def _pairs(self, verdict: str) -> list[Pair]:
        return [_ordered(each.identifier_id, each.other_id) for each in self._of(verdict) if each.other_id is not None]

    def _chain(self, different: Decision) -> list[Decision]:
        import networkx as nx

        by_pair = {frozenset((each.identifier_id, each.other_id)): each for each in self._of("same")}
        one, other = different.ends
        path = nx.shortest_path(nx.Graph(self.same), one, other)
        return [by_pair[frozenset(step)] for step in pairwise(path)]


@dataclass(frozen=True)
class Proposal:
    """What an operator asks for; identifiers are (type, value) as they were written."""

    kind: str
    verdict: str
    one: tuple[str, str]
    other: tuple[str, str] | None
    by: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes:
        decision: the decision that was made or withdrawn.
        replaces: the one that was in force about the same subject until then.
        names: what the identifiers are called.
        unseen: those of them that are not in use.
    """

    decision: Decision
    replaces: Decision | None
    names: Mapping[UUID, str]
    unseen: tuple[UUID, ...]


def decisions_spec(project: Project, kind: str) -> StageSpec:
    """What a decision's transaction is to other stages: an input that changed."""
    schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}
    return StageSpec(f"{kind}/decisions", kind, schemas)


def read_decisions(source: Work | Connection, schemas: Schemas) -> Decisions:
    """The decisions in force: the latest of each subject that is not withdrawn."""
    connection = source.connection if isinstance(source, Work) else source
    rows = sorted(connection.fetch(SQL["in_force"].bind(schemas)))
    return Decisions(tuple(Decision(*row) for row in rows), names_of(connection, schemas) if rows else {})


def names_of(connection: Connection, schemas: Schemas) -> dict[UUID, str]:
    """What the identifiers of all decisions are called."""
    rows = connection.fetch(SQL["names"].bind(schemas))
    return {identifier_id: f"{identifier_type}:{value}" for identifier_id, identifier_type, value in rows}


def decide(connection: Connection, project: Project, proposal: Proposal) -> Outcome:
    """Writes a decision.

    Raises:
        UsageError: it is about no identifier that events can carry, or nobody says who decides and why.
        ContradictoryDecisions: it contradicts others that are in force; nothing was written.
    """
    if not proposal.why.strip():
        raise UsageError("Say why: --why TEXT. It is kept with the decision, for whoever wonders one day.")
    with _opened(connection, project, proposal) as work:
        one, other = _known_ends(work, project, proposal)
        number = int(work.scalar(SQL["last_decision"])) + 1
        made = Decision(number, one, other, proposal.verdict, _author(proposal), proposal.why.strip(), work.now)
        before = read_decisions(work, work.spec.schemas)
        values: dict[str, Any] = {"identifier_id": one, "other_id": other, "verdict": made.verdict, "why": made.why}
        work.run(SQL["add"], **values, decided_by=made.by, now=made.at, decision_id=number, number=work.number)
        after = read_decisions(work, work.spec.schemas)
        after.must_agree(proposal.kind, asked=number)
        work.measure(decisions_in_force=len(after.in_force))
        replaces = next((each for each in before.in_force if each.subject == made.subject), None)
        unseen = [end for end in made.ends if not work.fetch(SQL["in_use"], identifier_id=end)]
        return Outcome(made, replaces, after.names, tuple(unseen))


def withdraw(connection: Connection, project: Project, proposal: Proposal) -> Outcome:
    """Takes back what was decided about a subject; nothing older comes back.

    Raises:
        UsageError: no such decision is in force.
    """
    with _opened(connection, project, proposal) as work:
        before = read_decisions(work, work.spec.schemas)
        found = _find(work, project, proposal, before)
        if found is None or found.verdict != proposal.verdict:
            about = " and ".join(f"{end[0]}:{end[1]}" for end in (proposal.one, proposal.other) if end is not None)
            told = "" if found is None else f" In force is {before.describe(found)}."
            raise UsageError(
                f"No decision `{proposal.verdict}` about {about} is in force.{told} `cdp decide list` shows "
                "those that are."
            )
        values = {"identifier_id": found.identifier_id, "other_id": found.other_id, "decided_by": _author(proposal)}
        question = exp.column("verdict", table="d").isin(*_question(found.verdict))
        why = proposal.why.strip() or None
        work.run(SQL["withdraw"], {"question": question}, **values, why=why, now=work.now, number=work.number)
        work.measure(decisions_in_force=len(before.in_force) - 1)
        return Outcome(found, None, before.names, ())


@contextmanager
def _opened(connection: Connection, project: Project, proposal: Proposal) -> Iterator[Work]:
    """A transaction of `<kind>/decisions`; it belongs to no run, so the figures know it by a name of its own."""
    now = datetime.now(UTC)
    spec = decisions_spec(project, proposal.kind)
    with stage(connection, spec, Run(f"decision {uuid4()}", now, now)) as work:
        work.facts.due = Due.CHANGES  # the first one too: nothing that was there before is written anew
        yield work


def _author(proposal: Proposal) -> str:
    if not proposal.by.strip():
        raise UsageError("Say who decides: --by NAME. (Left out, it is the environment's USER or LOGNAME.)")
    return proposal.by.strip()


def _known_ends(work: Work, project: Project, proposal: Proposal) -> tuple[UUID, UUID | None]:
    """The ids of the identifiers that a proposal names; their values are kept, for no event may have had them yet."""
    given = [end for end in (proposal.one, proposal.other) if end is not None]
    ids = [_known(work, project, proposal.kind, *end) for end in given]
    if len(set(ids)) < len(ids):
        ends = " and ".join(f"`{identifier_type}:{value}`" for identifier_type, value in given)
        raise UsageError(f"{ends} are one identifier. `{proposal.verdict}` needs two that differ.")
    return ids[0], ids[1] if len(ids) > 1 else None


def _known(work: Work, project: Project, kind: str, identifier_type: str, text: str) -> UUID:
    reading, place = _read(work, project, kind, identifier_type, text)
    written = f"`{identifier_type}:{text}`"
    kept = "" if reading.value == text else f" (normalised: `{reading.value}`)"
    if reading.status == "blocked":
        raise UsageError(
            f"{written}{kept} identifies nobody: the value is blocked, by `{place}.blocked` or as one of the usual "
            "placeholders (`blocked_defaults`). So no event can carry it, and there is nothing to decide about it."
        )
    if reading.identifier_id is None:
        raise UsageError(
            f"{written}{kept} is no valid {identifier_type}: it does not match `{place}.valid`. So no event can carry "
            "it, and there is nothing to decide about it. Is the value misspelt?"
        )
    values: dict[str, Any] = {"identifier_type": identifier_type, "value": reading.value}
    work.run(SQL["keep_value"], **values, identifier_id=reading.identifier_id)
    return reading.identifier_id


def _read(work: Work, project: Project, kind: str, identifier_type: str, text: str) -> tuple[Reading, str]:
    """What stitching makes of a value, and where the project says how."""
    entity = project.entities[kind]
    number = entity.priority(identifier_type)
    return read_value(work.connection, entity.identifiers[number], text), f"entities.{kind}.identifiers[{number}]"


def _find(work: Work, project: Project, proposal: Proposal, decisions: Decisions) -> Decision | None:
    """The decision in force about what a proposal names, as written or normalised; rules may have changed since."""
    wanted = [
        {
            f"{identifier_type}:{value}"
            for value in (text, _read(work, project, proposal.kind, identifier_type, text)[0].value)
        }
        for identifier_type, text in (end for end in (proposal.one, proposal.other) if end is not None)
    ]
    for each in decisions.in_force:
        names = [decisions.name(end) for end in each.ends]
        fits = any(all(map(set.__contains__, wanted, order)) for order in (names, names[::-1]))
        if len(names) == len(wanted) and fits and _question(each.verdict) == _question(proposal.verdict):
            return each
    return None


def _question(verdict: str) -> tuple[str, ...]:
    """The verdicts that answer the same question as this one."""
    return next((group for group in (PAIRS, PINS) if verdict in group), (verdict,))


def _ordered(one: UUID, other: UUID) -> Pair:
    return (one, other) if one < other else (other, one)


def _command(kind: str, decisions: Decisions, decision: Decision) -> str:
    """The command that withdraws a decision."""
    ends = [f"{kind}/{decisions.name(end)}" for end in decision.ends]
    return shlex.join(["cdp", "decide", decision.verdict, *ends, "--undo"])

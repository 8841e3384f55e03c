"""What an operator decides by the command, and which decisions there are.

A decision changes nothing by itself: the next run takes it in. So each answer says what that run will do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.identity.decisions import (
    SQL,
    Decision,
    Outcome,
    Proposal,
    decide,
    names_of,
    read_decisions,
    withdraw,
)
from cdp_pipeline.operations.names import ENTITY_ID, parse_names
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.tables import DECISIONS
from cdp_pipeline.warehouse.base import Connection

# What the next run does, by verdict; {one} and {other} are identifiers, {kind} is the kind of entity.
_EFFECTS = {
    "same": "makes {one} and {other} one {kind}, whatever limits say",
    "different": "keeps {one} and {other} apart, whatever links say",
    "quarantine": "puts {one} into quarantine: it is nobody's and joins nobody",
    "release": "takes {one} for an ordinary identifier, however many links it has",
    "unstitch": "takes the links between {one} and {other} out of use",
    "unstitch all": "takes all links of {one} out of use",
}
_WITHDRAWN = "goes by links and limits again, as if it had not been decided"


@dataclass(frozen=True)
class ToldDecision:
    """A decision as it is shown; times are UTC.

    Attributes:
        state: in force, replaced (by a later one of the same subject) or withdrawn.
    """

    kind: str
    decision_id: int
    verdict: str
    one: str
    other: str | None
    by: str
    why: str
    at: datetime
    state: str
    withdrawn_by: str | None = None
    withdrawn_at: datetime | None = None
    withdrawn_why: str | None = None


@dataclass(frozen=True)
class Answer:
    """What became of what an operator asked for.

    Attributes:
        decision: the decision that was made or withdrawn.
        replaces: the one that it takes the place of.
        unseen: identifiers that it names and no event has had yet.
        next_run: what the next run will do.
    """

    decision: ToldDecision
    replaces: ToldDecision | None
    unseen: list[str]
    next_run: str


def settle(
    connection: Connection, project: Project, verdict: str, names: list[str], *, by: str, why: str, undo: bool
) -> Answer:
    """Makes a decision, or takes one back.

    Args:
        connection: the warehouse, held by us alone.
        project: the project.
        verdict: what is decided.
        names: the identifiers, one or two, as `[KIND/]TYPE:VALUE`.
        by: who decides.
        why: why; may be empty when a decision is taken back.
        undo: take it back.

    Raises:
        UsageError: it names no identifiers of one kind, or no such decision is in force.
        ContradictoryDecisions: it contradicts others that are in force.
    """
    parsed = parse_names(project, *names)
    if any(name.type == ENTITY_ID for name in parsed):
        raise UsageError(
            "Decisions are about identifiers, for an entity's id says nothing about who is who. Name one of its "
            "identifiers; `cdp profile entity_id:UUID` lists them."
        )
    ends = [(name.type, name.value) for name in parsed]
    proposal = Proposal(parsed[0].kind, verdict, ends[0], ends[1] if len(ends) > 1 else None, by, why)
    outcome = (withdraw if undo else decide)(connection, project, proposal)
    return _answer(proposal.kind, outcome, undo=undo)


def _answer(kind: str, outcome: Outcome, *, undo: bool) -> Answer:
    made = _told(kind, outcome.decision, outcome.names, "withdrawn" if undo else "in force")
    replaces = None if outcome.replaces is None else _told(kind, outcome.replaces, outcome.names, "replaced")
    effect = _EFFECTS["unstitch all" if made.verdict == "unstitch" and made.other is None else made.verdict]
    told = _WITHDRAWN if undo else effect.format(kind=kind, one=made.one, other=made.other)
    return Answer(made, replaces, [outcome.names[each] for each in outcome.unseen], told)


def list_decisions(connection: Connection, project: Project, *, everything: bool) -> list[ToldDecision]:
    """The decisions in force; with `everything` also those that were replaced or withdrawn."""
    return [
        each
        for kind in project.entities
        for each in _decisions_of(connection, project, kind)
        if everything or each.state == "in force"
    ]


def _decisions_of(connection: Connection, project: Project, kind: str) -> list[ToldDecision]:
    schemas = schemas_of(project, kind)
    if connection.columns_of(schemas["kind"], DECISIONS.name) is None:
        return []  # made by a release that had none
    in_force = {each.decision_id for each in read_decisions(connection, schemas).in_force}
    names = names_of(connection, schemas)
    found = []
    for *columns, withdrawn_by, withdrawn_at, withdrawn_why in connection.fetch(SQL["everything"].bind(schemas)):
        decision = Decision(*columns)
        state = "withdrawn" if withdrawn_at else "in force" if decision.decision_id in in_force else "replaced"
        found.append(_told(kind, decision, names, state, (withdrawn_by, withdrawn_at, withdrawn_why)))
    return found


def _told(
    kind: str,
    decision: Decision,
    names: Mapping[UUID, str],
    state: str,
    withdrawn: tuple[str | None, datetime | None, str | None] = (None, None, None),
) -> ToldDecision:
    ends = [names.get(end, str(end)) for end in decision.ends]
    other = ends[1] if len(ends) > 1 else None
    made = (decision.by, decision.why, decision.at)
    return ToldDecision(kind, decision.decision_id, decision.verdict, ends[0], other, *made, state, *withdrawn)

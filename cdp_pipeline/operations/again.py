"""What an operator has done again on purpose: replay, identities, attributes, context values; of some, or of all.

Each marks what is to be done, in a transaction, and runs the ordinary stages, so that a process killed in between
leaves the work to the next run. In a rehearsal all of it is taken back and the figures are what would have come of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from cdp_pipeline.attributes.profiles import calculate_profiles
from cdp_pipeline.errors import UsageError
from cdp_pipeline.events.event_identifiers import identify_events
from cdp_pipeline.identity.decisions import decisions_spec
from cdp_pipeline.identity.entity_map import map_entities
from cdp_pipeline.identity.identity_graph import link_identifiers
from cdp_pipeline.identity.identity_maps import read_maps
from cdp_pipeline.identity.stitched_events import stitch_events, stitched_events_spec
from cdp_pipeline.operations.owner import find_owner
from cdp_pipeline.operations.session import Session
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Facts, stage, what_is_due

SQL = Statements(__package__, "again.sql")
NOTHING_CHANGED = "nothing_changed"
RUNNING = "running"
NO_CONTEXT = "no_context"
_IDENTITY = (identify_events, read_maps, link_identifiers, map_entities)
Stage = Callable[..., Facts]


@dataclass(frozen=True)
class DoneAgain:
    """What came of it for one kind of entity.

    Attributes:
        identities: identifiers that changed hands.
        events: past events that moved to another owner.
        entities: entities that gained or lost events.
        profiles: profiles that were calculated.
        profiles_changed: those of them in which a value changed.
        context_values: context values that were worked out.
        context_changed: those of them that became another value.
    """

    kind: str
    identities: int
    events: int
    entities: int
    profiles: int
    profiles_changed: int
    context_values: int
    context_changed: int


@dataclass(frozen=True)
class Report:
    """What was done, and how long it took.

    Attributes:
        what: replay, restitch, recalculate or refresh-context.
        dry_run: whether all of it was taken back.
        skipped: why nothing was done: running (another process holds the warehouse), nothing_changed, or no_context
            (the project has no context values); else None.
    """

    what: str
    dry_run: bool
    skipped: str | None
    seconds: float
    kinds: list[DoneAgain]


def replay(session: Session, *, dry_run: bool) -> Report:
    """Moves past events to whoever has them by the map as it is published, and calculates the profiles concerned."""
    begun = monotonic()
    specs = [stitched_events_spec(session.project, kind) for kind in session.project.entities]
    due = [spec.kind for spec in specs if spec.kind and what_is_due(session.connection, spec)[0] is not Due.NOTHING]
    done = [_run(session, kind, (stitch_events, calculate_profiles)) for kind in due]
    return Report("replay", dry_run, None if done else NOTHING_CHANGED, monotonic() - begun, done)


def restitch(session: Session, names: Sequence[str], *, everybody: bool, dry_run: bool) -> Report:
    """Works out again who is who: of the people named, with all whom links tie to them, or of all.

    Args:
        session: the session; a rehearsal for a dry run.
        names: `[KIND/]TYPE:VALUE` each.
        everybody: all people of all kinds; then no names.
        dry_run: what the report says.

    Raises:
        UsageError: a name is none, or belongs to nobody; or neither names nor everybody.
        PublicationHeld: the publication gate holds the map back.
    """
    begun = monotonic()
    kinds = _asked(session, names, everybody, _mark_identities)
    full = (*_IDENTITY, stitch_events) if everybody else ()
    done = [_run(session, kind, (*_IDENTITY, stitch_events, calculate_profiles), full) for kind in kinds]
    return Report("restitch", dry_run, None, monotonic() - begun, done)


def recalculate(session: Session, names: Sequence[str], *, everybody: bool, dry_run: bool) -> Report:
    """Calculates attributes again: of the people named, or of all.

    Raises:
        UsageError: a name is none, or belongs to nobody; or neither names nor everybody.
    """
    begun = monotonic()
    kinds = _asked(session, names, everybody, _mark_profile)
    full = (calculate_profiles,) if everybody else ()
    done = [_run(session, kind, (calculate_profiles,), full) for kind in kinds]
    return Report("recalculate", dry_run, None, monotonic() - begun, done)


def refresh_context(session: Session, keys: Sequence[str], *, dry_run: bool) -> Report:
    """Works out context values again, and the attributes that read those which become another value.

    Args:
        session: the session; a rehearsal for a dry run.
        keys: `[KIND/]KEY` each; none: all.
        dry_run: what the report says.

    Raises:
        UsageError: a key is none of the project's.
    """
    begun = monotonic()
    declared = {kind: [each.key for each in entity.context] for kind, entity in session.project.entities.items()}
    asked: dict[str, list[str | None]] = {}
    for name in keys:
        kinds = [kind for kind, own in declared.items() if name in own or name in (f"{kind}/{key}" for key in own)]
        if len(kinds) != 1:
            known = ", ".join(f"{kind}/{key}" for kind, own in declared.items() for key in own) or "none"
            raise UsageError(f"`{name}` names {'several context values' if kinds else 'no context value'}: {known}.")
        asked.setdefault(kinds[0], []).append(name.rpartition("/")[2])
    if not keys:
        asked = {kind: [None] for kind, own in declared.items() if own}
    for kind, own_keys in asked.items():
        for key in own_keys:
            _mark_context(session, kind, key)
    done = [_run(session, kind, (calculate_profiles,)) for kind in asked]
    return Report("refresh-context", dry_run, None if done else NO_CONTEXT, monotonic() - begun, done)


def _mark_context(session: Session, kind: str, key: str | None) -> None:
    with session.connection.transaction():
        session.connection.run(SQL["mark_context"].bind(schemas_of(session.project, kind)), key=key)


def _asked(
    session: Session, names: Sequence[str], everybody: bool, mark: Callable[[Session, str, UUID], None]
) -> list[str]:
    """The kinds that are concerned, those named marked."""
    if everybody == bool(names):
        raise UsageError("Name people, TYPE:VALUE each, or say --all; not both.")
    if everybody:
        return list(session.project.entities)
    owners = [(name, find_owner(session.connection, session.project, name)) for name in names]
    kinds: list[str] = []
    for name, owner in owners:
        if owner.entity_id is None:
            raise UsageError(f"`{name}` belongs to nobody: no event has carried it, or too many share it.")
        mark(session, owner.kind, owner.entity_id)
        kinds.append(owner.kind)
    return list(dict.fromkeys(kinds))


def _mark_identities(session: Session, kind: str, entity_id: UUID) -> None:
    # As a decision does, this makes the map due.
    with stage(session.connection, decisions_spec(session.project, kind), session.run) as work:
        work.facts.due = Due.CHANGES
        work.run(SQL["mark_events"], entity_id=str(entity_id))
        work.run(SQL["touch_component"], entity_id=str(entity_id))
        _ = work.number


def _mark_profile(session: Session, kind: str, entity_id: UUID) -> None:
    with session.connection.transaction():
        schemas = schemas_of(session.project, kind)
        session.connection.run(SQL["mark_profile"].bind(schemas), entity_id=str(entity_id))


def _run(session: Session, kind: str, stages: Sequence[Stage], full: Sequence[Stage] = ()) -> DoneAgain:
    """Runs stages of a kind, some of them from scratch; what came of it."""
    metrics: dict[str, float] = {}
    for work in stages:
        metrics |= work(session.connection, session.project, kind, session.run, full=work in full).metrics
    names = (
        "changes",
        "events_rekeyed",
        "entities_touched",
        "entities_calculated",
        "profiles_changed",
        "context_values",
        "context_values_changed",
    )
    return DoneAgain(kind, *(int(metrics.get(name, 0)) for name in names))

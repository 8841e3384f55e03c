"""The publication gate: what one run may do to the people who are known.

A bad rule, or an identifier that everybody shares, would fuse strangers. So before the map is published it is held
against the last one: how many published entities would be merged into others, and how many identifiers one of them
would gain. Beyond the project's `guards.publish` nothing is published and the run fails; readers go on with yesterday's
map. The operator looks at what would happen and lets it through once, by the run that worked it out: the result is then
solved again and must be the same, by a hash over all that changes hands.
"""

from typing import Any

from cdp_pipeline.config.guards import PublishGuards
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import PublicationHeld, UsageError
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "gate.sql")
_SHOWN = 5  # values that are named


def audit(work: Work, entity: Entity, accept_merge: str) -> None:
    """Holds the result back if it does more than one run may; a rehearsal publishes nothing and is never held back.

    Args:
        work: the stage's work, with the temporary tables `last_groups`, `new_groups` and `moved`.
        entity: the kind of entity.
        accept_merge: the run whose result is let through, if it is this one.

    Raises:
        PublicationHeld: it does more; nothing may be published.
    """
    guards = entity.guards.publish
    work.run(SQL["sizes_before"])
    work.run(SQL["sizes_after"])
    merged, growth = (int(value) for value in work.fetch(SQL["figures"])[0])
    work.measure(entities_merged=merged, largest_growth=growth)
    entities = _published(work)
    work.facts.total = entities + int(work.scalar(SQL["more"]))
    work.measure(entities_published=entities)
    beyond = beyond_guards(guards, entities, merged, growth)
    work.measure(beyond_the_gate=int(bool(beyond)))
    if not beyond or work.current_run.rehearsal:
        return
    audited_hash = str(work.scalar(SQL["fingerprint"]))
    accepted = work.fetch(SQL["audited"], run=accept_merge) if accept_merge else []
    if accepted and accepted[0][0] == audited_hash:
        work.run(SQL["accept"], accepted_by=work.current_run.run, run=accept_merge)
        return
    values: dict[str, Any] = {"run": work.current_run.run, "entities": entities, "merged": merged, "growth": growth}
    work.record_if_it_fails(SQL["record"], **values, now=work.now, audited_hash=audited_hash)
    raise _held(work, entity, entities, merged, growth, [*beyond, *_why_not(entity.kind, accept_merge, bool(accepted))])


def _published(work: Work) -> int:
    """How many entities are published; where all is solved again they are counted again."""
    known = None if work.due is Due.ALL else work.last_total()
    return int(work.scalar(SQL["published"])) if known is None else known


def must_be_held(connection: Connection, project: Project, run: str) -> None:
    """Refuses to let through what was not held back.

    Raises:
        UsageError: the gate has held back no map of that run, or it was let through already.
    """
    held = []
    for entity in project.entities.values():
        schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
        held += [name for (name,) in connection.fetch(SQL["held"].bind(schemas))]
    if run not in held:
        known = f" Held back: {', '.join(held[:_SHOWN])}." if held else " None is."
        raise UsageError(f"The publication gate holds back no map of a run {run}.{known}")


def beyond_guards(guards: PublishGuards, entities: int, merged: int, growth: int) -> list[str]:
    """What goes beyond the guards, in words; nothing while there are few entities."""
    if entities < guards.min_entities:
        return []
    beyond = []
    if merged > guards.max_share_merged * entities:
        share = f"{merged / entities:.1%}"
        beyond.append(
            f"{merged:,} of {entities:,} published entities ({share}) would be merged into others, and "
            f"`guards.publish.max_share_merged` allows {guards.max_share_merged:.1%}."
        )
    if growth > guards.max_growth:
        beyond.append(
            f"One published entity would gain {growth:,} identifiers, and `guards.publish.max_growth` allows "
            f"{guards.max_growth:,}."
        )
    return beyond


def _why_not(kind: str, accept_merge: str, known: bool) -> list[str]:
    if not accept_merge:
        return []
    if known:
        return [
            f"What would happen now is not what the run {accept_merge} was held back for, so it is not let through."
        ]
    return [f"No map of {kind} of the run {accept_merge} is held back."]


def _held(work: Work, entity: Entity, entities: int, merged: int, growth: int, sentences: list[str]) -> PublicationHeld:
    rows = work.fetch(SQL["responsible"], shown=_SHOWN)
    hidden = {identifier.type for identifier in entity.identifiers if identifier.pii}
    responsible = {f"{kind}:{masked(value) if kind in hidden else value}": int(n) for kind, value, n in rows}
    run = work.current_run.run
    named = ", ".join(f"{name} (joins {count:,})" for name, count in responsible.items())
    said = [
        f"{work.spec.asset} was not published: the publication gate holds it back.",
        *sentences,
        *([f"Most responsible: {named}."] if named else []),
        "Nothing has changed for readers. Look at the rule or the value that does it (`cdp plan`, `cdp explain`) and "
        f"mend it; or, if it is right, let exactly this through once: `cdp run --accept-merge {run}`.",
    ]
    return PublicationHeld(
        entity.kind, run, entities=entities, merged=merged, growth=growth, responsible=responsible, said=" ".join(said)
    )


def masked(value: str) -> str:
    """A personal value as a log may show it: its first character, how long it is, and the domain of an address."""
    name, at, domain = value.partition("@")
    return f"{name[:1]}{'*' * max(len(name) - 1, 1)}{at}{domain}"

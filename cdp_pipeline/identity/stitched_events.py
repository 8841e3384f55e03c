"""The stage `<kind>/stitched_events`: every event and whose it is now; and replay.

An event is anchored by its first identifier that is not in quarantine, and belongs to whoever owned that one when it
happened. New events are attributed as they come. Then replay: when the map changes, exactly the events whose anchor
changed hands at their time move, past ones included. Entities that gained or lost events are queued for `profiles`;
nobody else is calculated again. Each replay leaves a row in `<kind>/replays`.
"""

from datetime import UTC, datetime
from typing import Any

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "stitched_events.sql")
INVARIANTS = (
    "every event once",
    "no event is missing",
    "every stitched event's entity exists",
    "every event belongs to the owner of its anchor",
)


def stitched_events_spec(project: Project, kind: str) -> StageSpec:
    """The stage that attributes events to the entities of a kind."""
    schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}
    inputs = ("cdp/customer_events", f"{kind}/event_identifiers", f"{kind}/entity_map")
    return StageSpec(f"{kind}/stitched_events", kind, schemas, inputs, "", SQL["marked"], INVARIANTS)


def stitch_events(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Attributes new events, and replays past ones whose owner changed.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: attribute all events again.

    Raises:
        InvariantError: the result breaks an invariant; nothing was written.
    """
    with stage(connection, stitched_events_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        last_change = int(work.scalar(SQL["last_replayed"]))
        if work.due is Due.ALL:
            _stitch_all(work)
        else:
            _stitch_changed(work, last_change)
        _record(work, last_change)
        _check(work)
    return work.facts


def _stitch_all(work: Work) -> None:
    work.run(SQL["stitched_before"])
    work.run(SQL["remove_all"])
    work.run(SQL["shifted_anchors"], {"concerned": exp.true()})
    work.run(SQL["add"], {"concerned": exp.true(), "identified": exp.true()}, now=work.now)
    work.run(SQL["rekeyed_in_all"])
    work.run(SQL["queue_rekeyed"])


def _stitch_changed(work: Work, last_change: int) -> None:
    work.run(SQL["restitched"], since=work.since)
    if int(work.scalar(SQL["reanchored_count"])):
        work.run(SQL["restitch_reanchored"])
    work.run(SQL["queue_losers"])
    work.run(SQL["remove"])
    work.run(SQL["rekeyed_events"], last_change=last_change)
    work.run(SQL["rekey"], now=work.now)
    work.run(SQL["queue_rekeyed"])
    work.run(SQL["shifted_anchors"], {"concerned": _restitched("i")})
    work.run(SQL["add"], {"concerned": _restitched("e"), "identified": _restitched("i")}, now=work.now)
    work.run(SQL["queue_winners"])


def _restitched(alias: str) -> exp.Expr:
    return exp.column("event_id", table=alias).isin(query=exp.select("r.event_id").from_("restitched as r"))


def _record(work: Work, last_change: int) -> None:
    seconds = (datetime.now(UTC) - work.now).total_seconds()
    values: dict[str, Any] = {
        "run": work.current_run.run,
        "started_at": work.now,
        "seconds": seconds,
        "last_change": last_change,
    }
    work.run(SQL["record_replay"], **values)
    work.run(SQL["clear_reanchored"])
    work.keep_view(tables.EVENTS, SQL["events_view"])
    names = ("stitched_events", "events_of_somebody", "events_rekeyed", "entities_touched")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))
    _ = work.number


def _check(work: Work) -> None:
    written = exp.union(
        exp.select("r.event_id").from_("restitched as r"),
        exp.select("k.event_id").from_("rekeyed_events as k"),
        distinct=False,
    )
    everything = work.due is Due.ALL
    concerned = exp.true() if everything else exp.column("event_id", table="s").isin(query=written)
    for invariant, name in zip(INVARIANTS, ("doubled_events", "missing_events", "strangers", "astray"), strict=True):
        bound = SQL[name] if name == "missing_events" else SQL[name].bind({}, concerned=concerned)
        work.must_be_empty(invariant, bound)

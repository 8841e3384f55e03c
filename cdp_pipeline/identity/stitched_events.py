"""The stage `<kind>/stitched_events`: every event and whose it is now; and replay.

An event is anchored by its first identifier that is not in quarantine, and belongs to whoever owned that one when it
happened. New events are attributed as they come. Replay: when the map changes, exactly the events whose anchor changed
hands at their time move, past ones included, in one transaction or, where there are many, in several. Entities that
gained or lost events are queued for `profiles`, and where an attribute lists identifiers those who gained or lost any;
nobody else is calculated again. Each replay leaves a row in
`<kind>/replays`; one that was broken off between two transactions is due until it is at its end.
"""

from datetime import UTC, datetime
from typing import Any

from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.identity.replay import take_batch
from cdp_pipeline.progress import report
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
    """Attributes new events, and replays past ones whose owner changed, in as many transactions as that takes.

    A run that is broken off between two of them is taken up by the next one.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: attribute all events again, in one transaction.

    Raises:
        InvariantError: the result breaks an invariant; nothing of the transaction was written.
    """
    facts = _stitch(connection, project, kind, run, full=full)
    while facts.metrics.get("events_left"):
        report(
            facts.asset,
            int(facts.metrics["events_rekeyed"]),
            int(facts.metrics["events_rekeyed"] + facts.metrics["events_left"]),
        )
        further = _stitch(connection, project, kind, run, full=False)
        facts.metrics |= further.metrics | {
            "events_rekeyed": facts.metrics["events_rekeyed"] + further.metrics["events_rekeyed"]
        }
    return facts


def _stitch(connection: Connection, project: Project, kind: str, run: Run, *, full: bool) -> Facts:
    with stage(connection, stitched_events_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        last_change = int(work.scalar(SQL["last_replayed"]))
        if work.due is Due.ALL:
            _stitch_all(work)
            left = 0
        else:
            left = _stitch_changed(work, last_change, project.entities[kind].replay.batch_events)
        if any(attribute.type == "identifiers" for attribute in project.entities[kind].attributes):
            work.run(SQL["queue_holders"], last_change=last_change)
        _record(work, last_change, left)
        _check(work)
    return work.facts


def _stitch_all(work: Work) -> None:
    work.run(SQL["all_before"])
    work.run(SQL["remove_all"])
    _shift_anchors(work, exp.true())
    work.run(SQL["add_all"], now=work.now)
    work.run(SQL["rekeyed_in_all"])
    work.run(SQL["queue_rekeyed"])


def _stitch_changed(work: Work, last_change: int, batch: int) -> int:
    """Returns how many past events are left to later transactions."""
    work.run(SQL["restitched"], since=work.since)
    if int(work.scalar(SQL["reanchored_count"])):
        work.run(SQL["restitch_reanchored"])
    work.run(SQL["changed_hands"], last_change=last_change)
    work.run(SQL["anchored_by_changed"])
    work.run(SQL["stitched_before"])
    restitched = exp.select("r.event_id").from_("restitched as r")
    _shift_anchors(work, exp.column("event_id", table="i").isin(query=restitched))
    for name in ("anchored", "stitched_anew", "rekeyed_events"):
        work.run(SQL[name])
    left = take_batch(work, batch)
    work.run(SQL["written"])
    work.run(SQL["remove"])
    work.run(SQL["add"], now=work.now)
    work.run(SQL["queue"])
    work.run(SQL["stitched_now"], now=work.now)
    return left


def _shift_anchors(work: Work, concerned: exp.Expr) -> None:
    some = int(work.scalar(SQL["any_quarantined"])) > 0
    work.run(SQL["shifted_anchors"], {"concerned": concerned if some else exp.false()})


def _record(work: Work, last_change: int, left: int) -> None:
    changes, from_change, to_change = work.fetch(SQL["changes_to_follow"], last_change=last_change)[0]
    values: dict[str, Any] = {
        "seconds": (datetime.now(UTC) - work.now).total_seconds(),
        "changes": changes,
        "to_change": to_change,
        "events_left": left,
    }
    unfinished = work.scalar(SQL["unfinished"])
    if unfinished is None:
        values |= {"run": work.current_run.run, "started_at": work.now, "from_change": from_change}
        work.run(SQL["add_replay"], **values)
    else:
        work.run(SQL["go_on"], **values, replay_id=unfinished)
    work.run(SQL["clear_reanchored"])
    work.keep_view(tables.EVENTS, SQL["events_view"])
    names = ("stitched_events", "events_of_somebody", "events_rekeyed", "entities_touched")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)), events_left=left)
    _ = work.number


def _check(work: Work) -> None:
    checked = exp.table_("stitched_events", db="kind") if work.due is Due.ALL else exp.to_table("stitched_now")
    anchors = exp.select("w.anchor_id").from_("stitched_now as w")
    some = exp.column("identifier_id", table="x").isin(query=anchors)
    anchoring = exp.true() if work.due is Due.ALL else some
    for invariant, name in zip(INVARIANTS, ("doubled_events", "missing_events", "strangers", "astray"), strict=True):
        places: dict[str, exp.Expr] = {} if name == "missing_events" else {"checked": checked}
        places |= {"anchoring": anchoring} if name == "astray" else {}
        work.must_be_empty(invariant, SQL[name].bind({}, **places))

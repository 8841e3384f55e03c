"""The stage `<kind>/entity_map`: whose each identifier is, and when, and under which id.

The unit of work is a connected component of the links in use. One that breaks no limit is one group; of the others
`limits` says which links are used. A group is one entity, which `entity_ids` names; `ownership` says whose a shared
identifier is at which time. Identifiers that join a crowd are in quarantine (`hubs`) and take no part. Only components
that a change touches are solved again; the result is the same as if all were (shown by the tests against a plain
simulation of these steps). Before anything is published the `gate` looks at what would happen to the people who are
known.

The map is held against the last published one: what differs are `entity_changes`, each with the span of time concerned,
and what the map said before is kept in `entity_map_history`.
"""

import hashlib
import json

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.config.model import Entity, Project
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.identity import entity_ids, gate, groups, hubs, ownership
from cdp_pipeline.identity.decisions import Decisions, decisions_spec, read_decisions
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "entity_map.sql")
INVARIANTS = (
    "one owner for each identifier and moment",
    "exactly the identifiers in use have a group",
    "every owner is an entity of today",
    "every entity has a key of its own",
)
_METHOD = 2  # counted up when the same definition begins to give another map
_DECIDING = {"type", "max_per_entity", "max_links", "bridge", "when_shared"}
_PARTS = (groups, hubs, entity_ids, ownership, gate)
STATEMENTS = (SQL, *(part.SQL for part in _PARTS))


def entity_map_spec(project: Project, kind: str) -> StageSpec:
    """The stage that publishes the map of a kind of entity."""
    entity = project.entities[kind]
    schemas = {"cdp": project.schema_name, "kind": entity.schema_name}
    inputs = (f"{kind}/identity_graph", decisions_spec(project, kind).asset)
    return StageSpec(f"{kind}/entity_map", kind, schemas, inputs, _definition(entity), None, INVARIANTS)


def _definition(entity: Entity) -> str:
    """A hash of all that decides what the map says; the publication gate only delays it."""
    identifiers = [identifier.model_dump(mode="json", include=_DECIDING) for identifier in entity.identifiers]
    guards = entity.guards.model_dump(mode="json", exclude={"publish"})
    return hashlib.sha256(json.dumps([_METHOD, identifiers, guards], sort_keys=True).encode()).hexdigest()


def map_entities(
    connection: Connection,
    project: Project,
    kind: str,
    run: Run,
    *,
    full: bool = False,
    accept_merge: str = "",
) -> Facts:
    """Solves the components that changed, gives each group its id, and publishes what changed hands.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: solve all components again; registry and last published map are kept.
        accept_merge: the run whose result the publication gate held back and which is let through now.

    Raises:
        PublicationHeld: the gate holds the result back; the map is as it was.
        ContradictoryDecisions: two decisions contradict each other.
        WarehouseError: the links are those of an earlier release.
        InvariantError: the result breaks an invariant; the map is as it was.
    """
    entity = project.entities[kind]
    with stage(connection, entity_map_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        _must_have_pairs(work, kind)
        decisions = read_decisions(work, work.spec.schemas)
        decisions.must_agree(kind)
        _touch(work, entity, decisions)
        groups.solve(work, entity, decisions)
        entity_ids.name_groups(work, kind)
        ownership.find_owners(work, entity)
        _compare(work)
        gate.audit(work, entity, accept_merge)
        _publish(work)
        _check(work)
    return work.facts


def _must_have_pairs(work: Work, kind: str) -> None:
    """An upgrade makes all of `identity_graph` due; whoever runs this stage by itself before would part everybody."""
    if work.scalar(SQL["pairs_are_missing"]):
        raise WarehouseError(
            f"The links of {kind} were kept by an earlier release, and who is who cannot be read off them. Nothing was "
            f"written. Materialize {kind}/identity_graph first; `cdp run` does so by itself."
        )


def _touch(work: Work, entity: Entity, decisions: Decisions) -> None:
    """Which identifiers are to be looked at: all of the components that something happened to."""
    if work.due is not Due.ALL:
        work.run(SQL["queue_decisions"], since=work.since)
        _queue_classes(work)
        work.run(SQL["queue_holders"], since=work.since)
    hubs.find_hubs(work, entity, decisions)
    if work.due is not Due.ALL and int(work.scalar(SQL["flipped_count"])):
        work.run(SQL["queue_shared"])
    work.run(SQL["touched_all" if work.due is Due.ALL else "touched_queue"])


def _queue_classes(work: Work) -> None:
    """All who were or are the same as an identifier about which something was decided anew, in use or not."""
    ever = work.fetch(SQL["pairs_ever"], since=work.since)
    if not any(changed for *_, changed in ever):
        return
    import networkx as nx

    decided = {end for one, other, _, changed in ever if changed for end in (one, other)}
    same = nx.Graph([(one, other) for one, other, verdict, _ in ever if verdict == "same"])
    classes = nx.connected_components(same)
    members = [str(member) for each in classes if each & decided for member in each]
    work.connection.load("changed_classes", pa.table({"identifier_id": pa.array(members, pa.string())}))
    work.run(SQL["queue_classes"])
    work.connection.unload("changed_classes")


def _compare(work: Work) -> None:
    """What changes hands: the new map held against the last published one."""
    work.run(SQL["old_map"])
    work.run(SQL["spanned"])
    work.run(SQL["moved"])
    if int(work.scalar(SQL["spanned_count"])):
        work.run(SQL["segments"])
        work.run(SQL["moved_in_part"])


def _publish(work: Work) -> None:
    before = int(work.scalar(SQL["last_change"]))
    everything = work.due is Due.ALL
    work.run(SQL["gone_rows"])
    work.run(SQL["record_history"], now=work.now)
    # Where all is worked out all is written, so that a full run makes up for what somebody did to the map by hand.
    if everything:
        work.run(SQL["kept_rows"], now=work.now)
        work.run(SQL["remove_all"])
        work.run(SQL["add_all"])
    else:
        work.run(SQL["fresh_rows"])
        work.run(SQL["remove_gone"])
        work.run(SQL["add_fresh"], now=work.now)
    work.run(SQL["record_changes"], run=work.current_run.run, now=work.now)
    entity_ids.record_groups(work, everything=everything)
    groups.record_refusals(work)
    hubs.record_hubs(work)
    work.run(SQL["clear_queue"])
    work.keep_view(tables.ENTITY_REDIRECTS, SQL["redirects_view"])
    _measure(work, before)


def _measure(work: Work, last_change: int) -> None:
    names = ("ids_issued", "ids_retired", "components_solved", "changes", "largest_group_solved")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)), entities=work.facts.total or 0)
    kinds = dict.fromkeys(("new", "merge", "split", "move", "rename", "remove"), 0)
    kinds |= dict(work.fetch(SQL["figures_of_changes"], last_change=last_change))
    work.measure(**{f"changes_{name}": count for name, count in kinds.items()})


def _check(work: Work) -> None:
    if work.due is Due.ALL:
        published = exp.table_(tables.ENTITY_MAP.name, db="kind")
    else:
        work.run(SQL["map_now"])
        published = exp.to_table("map_now")
    work.must_be_empty("one owner for each identifier and moment", SQL["two_owners"].bind({}, published=published))
    work.run(SQL["groups_now"])
    work.must_be_empty("exactly the identifiers in use have a group", SQL["groupless"])
    work.must_be_empty("every owner is an entity of today", SQL["owned_by_strangers"].bind({}, published=published))
    work.must_be_empty("every entity has a key of its own", SQL["keyless"])

"""The stage `<kind>/entity_map`: whose each identifier is, and under which id.

The unit of work is a connected component of the links; here a component is one group, and a group is one entity. The
registry `<kind>/entities` keeps every id ever issued with its key, an identifier that the id follows:

  (a) an id whose key is in use no more moves it to the first identifier it owned in the last published map (the most
      important, then the earliest seen); an id that owned nothing takes the key of the entity it redirected to; else it
      is retired
  (b) a group takes the id with the most important key among its identifiers; other ids found there redirect to it
  (c) a group without one is issued a new id
  (d) an id's key moves up when its group has a more important identifier

So growth, log-ins and older data never change a survivor's id. Only components that a change touches are solved again;
the result is the same as if all were (shown by the tests against a plain simulation of these steps).
"""

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.identity.components import label_components
from cdp_pipeline.identity.decisions import read_decisions
from cdp_pipeline.progress import report
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, Work, stage

SQL = Statements(__package__, "entity_map.sql")
INVARIANTS = (
    "one owner for each identifier and moment",
    "exactly the identifiers in use have an owner",
    "every entity has a key of its own",
)
_TEMPORARY = (
    "touched", "nodes", "solved", "last_map", "firsts", "rekeyed", "followed", "inherited", "groups", "raised", "moved",
)  # fmt: skip


def entity_map_spec(project: Project, kind: str) -> StageSpec:
    """The stage that publishes the map of a kind of entity."""
    schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}
    inputs = (f"{kind}/identity_graph", f"{kind}/decisions")
    return StageSpec(f"{kind}/entity_map", kind, schemas, inputs, invariants=INVARIANTS)


def map_entities(connection: Connection, project: Project, kind: str, run: Run, *, full: bool = False) -> Facts:
    """Solves the components that changed, gives each group its id, and publishes what changed hands.

    Args:
        connection: the warehouse.
        project: the project.
        kind: the kind of entity.
        run: the run that works.
        full: solve all components again; registry and last published map are kept.

    Raises:
        InvariantError: the result breaks an invariant; the map is as it was.
        ContradictoryDecisions: what operators decided cannot all hold; the map is as it was.
    """
    with stage(connection, entity_map_spec(project, kind), run, full=full) as work:
        if work.due is Due.NOTHING:
            return work.facts
        read_decisions(work, work.spec.schemas).must_agree(kind)
        _clear(work)
        _solve(work)
        _name_groups(work, kind)
        _publish(work)
        _check(work)
        _clear(work)
    return work.facts


def _clear(work: Work) -> None:
    for name in _TEMPORARY:
        work.run(SQL[f"drop_{name}"])


def _solve(work: Work) -> None:
    """Which identifiers belong together."""
    work.run(SQL["touched_all" if work.due is Due.ALL else "touched_queue"])
    work.run(SQL["nodes"])
    report(f"{work.spec.kind}: components", 0, 1)
    labels = label_components(int(work.scalar(SQL["node_count"])), work.fetch_arrow(SQL["edges"]))
    report(f"{work.spec.kind}: components", 1, 1)
    work.connection.load("group_labels", labels)
    work.run(SQL["solved"])
    work.connection.unload("group_labels")
    work.run(SQL["last_map"])
    work.run(SQL["firsts"])


def _name_groups(work: Work, kind: str) -> None:
    """Steps (a) to (d): which id each group goes by."""
    work.run(SQL["rekeyed"])
    work.run(SQL["follow"])
    work.run(SQL["move_keys"])
    work.run(SQL["inherited"])
    work.run(SQL["issue"], kind_name=kind, number=work.number)
    work.run(SQL["groups"], number=work.number)
    work.run(SQL["raised"])
    work.run(SQL["raise_keys"])


def _publish(work: Work) -> None:
    before = int(work.scalar(SQL["last_change"]))
    work.run(SQL["moved"])
    # Where all is worked out all is written, so that a full run makes up for what somebody did to the map by hand.
    what = "all" if work.due is Due.ALL else "moved"
    work.run(SQL[f"remove_{what}"])
    work.run(SQL[f"add_{what}"])
    work.run(SQL["record_changes"], run=work.current_run.run, now=work.now)
    work.run(SQL["queue_entities"])
    work.run(SQL["clear_queue"])
    work.keep_view(tables.ENTITY_REDIRECTS, SQL["redirects_view"])
    names = ("entities", "ids_issued", "ids_retired", "components_solved", "changes", "largest_group_solved")
    work.measure(**dict(zip(names, work.fetch(SQL["figures"])[0], strict=True)))
    kinds = dict.fromkeys(("new", "merge", "split", "move", "rename", "remove"), 0)
    kinds |= dict(work.fetch(SQL["figures_of_changes"], last_change=before))
    work.measure(**{f"changes_{name}": count for name, count in kinds.items()})


def _check(work: Work) -> None:
    work.must_be_empty("one owner for each identifier and moment", SQL["two_owners"])
    work.must_be_empty("exactly the identifiers in use have an owner", SQL["owned_by_nobody"])
    work.must_be_empty("every entity has a key of its own", SQL["keyless"])

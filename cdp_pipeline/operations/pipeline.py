"""All stages in the order in which data flows, without Dagster.

Dagster runs the same stage functions, one a step. Here they run one after the other for crash tests, notebooks and
benchmarks, which should not pay for a scheduler; and here `cdp run` learns whether there is anything to do at all.
"""

from collections.abc import Callable, Iterator

from cdp_pipeline.attributes.counts import attribute_counts_spec, count_attributes
from cdp_pipeline.attributes.profiles import calculate_profiles, profiles_spec
from cdp_pipeline.config.model import Project
from cdp_pipeline.events.customer_events import land_events
from cdp_pipeline.events.event_counts import count_events, event_counts_spec
from cdp_pipeline.events.event_identifiers import event_identifiers_spec, identify_events
from cdp_pipeline.events.landing import Days, Plan, plan_landing
from cdp_pipeline.identity.entity_map import entity_map_spec, map_entities
from cdp_pipeline.identity.identity_graph import identity_graph_spec, link_identifiers
from cdp_pipeline.identity.identity_maps import identity_maps_spec, read_maps
from cdp_pipeline.identity.resolved_sources import resolve_sources, resolved_sources_spec
from cdp_pipeline.identity.stitched_events import stitch_events, stitched_events_spec
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, what_is_due

STAGES_OF_A_KIND: tuple[tuple[Callable[[Project, str], StageSpec], Callable[..., Facts]], ...] = (
    (event_identifiers_spec, identify_events),
    (identity_maps_spec, read_maps),
    (identity_graph_spec, link_identifiers),
    (entity_map_spec, map_entities),
    (stitched_events_spec, stitch_events),
    (resolved_sources_spec, resolve_sources),
    (profiles_spec, calculate_profiles),
    (attribute_counts_spec, count_attributes),
)


def run_stages(
    connection: Connection,
    project: Project,
    run: Run,
    *,
    days: Days | None = None,
    full: bool = False,
    accept_merge: str = "",
) -> Iterator[Facts]:
    """Runs every stage once; each does what is due, in its own transaction, before it is yielded.

    Args:
        connection: the warehouse, set up.
        project: the project.
        run: the run that works.
        days: replace these days of arrival with what lies there now; None: land all that is new or changed.
        full: calculate all that comes after `customer_events` again.
        accept_merge: the run whose map the publication gate held back and which is let through; empty: none.
    """
    yield land_events(connection, project, run, days)
    yield count_events(connection, project, run, full=full)
    for kind in project.entities:
        for _, work in STAGES_OF_A_KIND:
            asked = {"accept_merge": accept_merge} if work is map_entities else {}
            yield work(connection, project, kind, run, full=full, **asked)


def landing_due(connection: Connection, project: Project, run: Run) -> Plan:
    """What a plain run would land now."""
    return plan_landing(connection, project, run, None)


def stages_due(connection: Connection, project: Project) -> list[str]:
    """The assets after `customer_events` whose stages have something to do."""
    specs = [event_counts_spec(project)]
    specs += [spec(project, kind) for kind in project.entities for spec, _ in STAGES_OF_A_KIND]
    return [spec.asset for spec in specs if what_is_due(connection, spec)[0] is not Due.NOTHING]

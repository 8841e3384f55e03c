"""Keeps out of the events that land what carries an erased identifier, in the transaction that lands them."""

from cdp_pipeline.config.model import Project
from cdp_pipeline.events import tombstones
from cdp_pipeline.events.event_identifiers import find_readings
from cdp_pipeline.events.tombstones import SQL
from cdp_pipeline.warehouse.stage import Work


def keep_out(work: Work, project: Project) -> None:
    """Takes events out of those that landed just now which carry an erased identifier."""
    keys = tombstones.keys_of(work.connection, work.spec.schemas)
    if keys is None:
        return
    work.run(SQL["erase_losers"], **keys)
    work.run(SQL["make_erased"])
    work.run(SQL["just_landed"], number=work.number)
    for (kind,) in work.fetch(SQL["kinds"]):
        if kind in project.entities and project.entities[kind].stitching:
            find_readings(work, project.entities[kind])
            work.run(SQL["blank_readings"], **keys, entity=kind)
            work.run(SQL["find_erased"])
            work.connection.drop_temporary(["extracted", "occurrences", "readings"])
    if work.scalar(SQL["any_erased"]):
        work.measure(erased_events=tombstones.erase_events(work, keys))
        work.run(SQL["forget_landed"])
        work.run(SQL["forget_contest"])

"""Whose an identifier is, and when: the spans of the entity map.

Most identifiers are their group's, always. One that a conflict names is shared, such as the tablet of two people. Its
*log-ins* are the events that hold it beside a more important identifier, their anchor. `by_time`: it is whose the
anchor of the latest log-in is at that moment; before the first log-in, of the first. `last_login`: whose its newest
log-in is. `nobody`: nobody's. The anchor may be shared itself; types strictly rise on the way, so this ends, and levels
of importance are worked out one after the other.

Log-ins are read from events that hold a shared identifier. These are kept in `<kind>/shared_sightings`: gathered from
all events once, when an identifier comes into conflict, and then brought up to date with events that change.
"""

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline.config.model import Entity
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "ownership.sql")
BY_TIME, LAST_LOGIN = "by_time", "last_login"


def find_owners(work: Work, entity: Entity) -> None:
    """Says whose each touched identifier is and when, in the temporary table `new_map`.

    It reads the temporary tables `nodes`, `new_groups`, `refused` and `quarantine`; `nodes` tells who is present.
    """
    kinds = {
        "priority": pa.array(range(len(entity.identifiers)), pa.int64()),
        "when_shared": pa.array([identifier.when_shared for identifier in entity.identifiers], pa.string()),
    }
    work.connection.load("sharing", pa.table(kinds))
    work.run(SQL["conflicts"])
    work.connection.unload("sharing")
    _keep_sightings(work)
    work.run(SQL["make_spans"])
    levels = [int(level) for (level,) in work.fetch(SQL["levels"])]
    if levels:
        _find_logins(work)
    for level in levels:
        work.run(SQL["level_spans"], level=level)
        work.run(SQL["add_spans"])
        work.connection.drop_temporary(["level_spans"])
    work.run(SQL["new_map"])
    work.measure(shared_identifiers=int(work.scalar(SQL["shared_count"])))


def _keep_sightings(work: Work) -> None:
    everything = work.due is Due.ALL
    if everything:
        work.run(SQL["forget_all_sightings"])
    else:
        work.run(SQL["changed_holders"], since=work.since)
        work.run(SQL["forget_sightings"])
        work.run(SQL["add_changed_sightings"])
    work.run(SQL["fresh_conflicts"], {"everything": exp.true() if everything else exp.false()})
    if int(work.scalar(SQL["fresh_count"])):
        work.run(SQL["gather_sightings"])


def _find_logins(work: Work) -> None:
    work.run(SQL["shifted_logins"])
    work.run(SQL["logins"])
    work.run(SQL["turns"])

"""What all days together say: the identifiers in use, and the pairs of them that are linked.

`<kind>/identifiers` has a row for each identifier that an event or a row of an identity map holds, and
`<kind>/linked_pairs` one for each pair that such evidence links, on however many days. What changed is not read from
the whole history: where the changed days tell no less of an identifier or a pair than they did, it is what it was and
what they tell now. Of the others, and of those that rows of maps hold, all days are asked. They are asked of everything
where that costs less, because many days changed, and where somebody asked for days to be worked out again, which makes
up for what was done to the tables by hand.
"""

from sqlglot import exp

from cdp_pipeline.config.model import Entity
from cdp_pipeline.sql.statements import Statements, stands_in
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "in_use.sql")
_EVERYTHING = {"wanted": exp.true()}


def remember(work: Work, *, ask_all_days: bool) -> None:
    """Keeps what is said now of all that is going to change; the days are as they were.

    It reads the temporary tables `changed_sightings`, `changed_links` and `changed_ids`.

    Args:
        work: the stage's work.
        ask_all_days: nothing is going to be added up; what the changed days said is not needed.
    """
    work.run(SQL["identifiers_before"])
    work.run(SQL["pairs_before"])
    if not ask_all_days:
        for table in ("day_sightings", "day_links"):
            work.run(SQL[f"make_{table}"])
            work.run(SQL[f"add_{table}"], is_now=False)


def gather_identifiers(work: Work, entity: Entity, *, ask_all_days: bool) -> None:
    """Brings `identifiers` up to date, when the days have got their sightings."""
    if work.due is Due.ALL:
        work.run(SQL["remove_all_identifiers"])
        work.run(SQL["seen_now"], _EVERYTHING)
    elif ask_all_days:
        work.run(SQL["remove_identifiers"])
        work.run(SQL["seen_now"], {"wanted": stands_in("s.identifier_id", "identifier_id", "changed_ids")})
    else:
        work.run(SQL["remove_identifiers"])
        work.run(SQL["add_day_sightings"], is_now=True)
        work.run(SQL["regathered_ids"])
        work.run(SQL["seen_now"], {"wanted": stands_in("s.identifier_id", "identifier_id", "regathered_ids")})
        work.run(SQL["grown_now"])
    work.run(SQL["add_identifiers"], {"priority": _priority(entity)})


def gather_pairs(work: Work, *, ask_all_days: bool) -> None:
    """Brings `linked_pairs` up to date, when the days have got their links."""
    if work.due is Due.ALL:
        work.run(SQL["remove_all_pairs"])
        work.run(SQL["add_pairs"], _EVERYTHING)
        return
    work.run(SQL["changed_pairs"])
    work.run(SQL["remove_pairs"])
    ends = "identifier_id, other_id"
    if ask_all_days:
        work.run(SQL["add_pairs"], {"wanted": stands_in("(g.identifier_id, g.other_id)", ends, "changed_pairs")})
        return
    work.run(SQL["add_day_links"], is_now=True)
    work.run(SQL["regathered_pairs"])
    work.run(SQL["add_pairs"], {"wanted": stands_in("(g.identifier_id, g.other_id)", ends, "regathered_pairs")})
    work.run(SQL["add_grown_pairs"])


def queue_touched(work: Work) -> None:
    """Queues for `entity_map` what came, went, or gained or lost a link, and what rows of maps that changed hold."""
    work.run(SQL["touch_identifiers"])
    work.run(SQL["touch_links"])


def _priority(entity: Entity) -> exp.Expr:
    """The place of an identifier's type in the project file."""
    case = exp.Case()
    for number, identifier in enumerate(entity.identifiers):
        is_type = exp.column("identifier_type", table="v").eq(identifier.type)
        case = case.when(is_type, exp.Literal.number(number))
    return case

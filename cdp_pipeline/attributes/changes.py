"""The helper table `<kind>.profile_changes`: what whoever keeps a copy of the profiles has to do.

One row is an entity that has, or had, a profile, with its newest change. So the table does not grow with the runs, and
a reader who asks for what came after a number gets each entity once, as it is now. It holds ids, and no value of any
person.

A number is that of the transaction that wrote the row. One writer at a time takes them, so numbers become visible in
their order, and a reader who has seen a number has missed none below it.
"""

from sqlglot import exp

from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.tables import KIND, PROFILE_CHANGES
from cdp_pipeline.warehouse.stage import Work

SQL = Statements(__package__, "changes.sql")


def note_changes(work: Work, concerned: exp.Expr, *, everything: bool) -> None:
    """Notes what the transaction changed, after the new profiles stand in their table.

    Args:
        work: of the stage `profiles`; where not everything is calculated, `profile_due` holds the entities that are.
        concerned: whether a profile `p` is of an entity that was calculated.
        everything: whether all of them were.
    """
    is_first = not work.scalar(SQL["any_change"])  # then whatever is there is new to everybody
    if not everything:
        work.run(SQL["followed"])
    followed = exp.table_(PROFILE_CHANGES.name, db=KIND) if everything else exp.to_table("profile_followed")
    work.run(SQL["changed"], {"concerned": concerned, "followed": followed}, now=work.now, is_first=is_first)
    work.run(SQL["forget"])
    work.run(SQL["note"], number=work.number, now=work.now)

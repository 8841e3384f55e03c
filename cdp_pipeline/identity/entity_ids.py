"""Entity ids: which id each group goes by.

The registry `<kind>/entities` keeps every id ever issued with its key, an identifier that the id follows:

  (a) an id whose key is not there any more moves it to the first identifier that it owned in the last published map
      (the most important, then the earliest seen); an id that owned nothing takes the key of the entity it redirected
      to; else it is retired
  (b) a group takes the id with the most important key among its identifiers; other ids found there redirect to it
  (c) a group without one is issued a new id
  (d) an id's key moves up when its group has a more important identifier

So growth, log-ins and older data never change a survivor's id. An id that an identity map renamed is less important
than the one that it was renamed to. An identifier in quarantine is not there.
"""

from cdp_pipeline.events.tombstones import NO_KEYS, keys_of
from cdp_pipeline.sql.statements import Statements
from cdp_pipeline.warehouse.stage import Due, Work

SQL = Statements(__package__, "entity_ids.sql")


def name_groups(work: Work, kind: str) -> None:
    """Gives every group an id: from the temporary table `solved` to the temporary table `new_groups`."""
    work.run(SQL["last_groups"])
    if work.due is Due.ALL:
        work.run(SQL["add_last_owners"])
    work.run(SQL["firsts"])
    work.run(SQL["rekeyed"])
    work.run(SQL["follow"])
    work.run(SQL["move_keys"])
    work.run(SQL["inherited"])
    keys = keys_of(work.connection, work.spec.schemas) or NO_KEYS
    work.run(SQL["issue"], kind_name=kind, number=work.number, **keys)
    work.run(SQL["groups"], number=work.number)
    work.run(SQL["raised"])
    work.run(SQL["raise_keys"])
    work.run(SQL["new_groups"])


def record_groups(work: Work, *, everything: bool) -> None:
    """Writes which group each identifier is of, and queues entities whose key changed, for their profiles name it."""
    what = "all" if everything else "changed"
    work.run(SQL[f"remove_{what}_groups"])
    work.run(SQL[f"add_{what}_groups"])
    work.run(SQL["queue_entities"])

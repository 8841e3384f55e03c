"""Small worlds to explain: events through the pipeline's stages, and operators' decisions.

`settle` puts groups, refused links and quarantine where the stages put them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cdp_pipeline_tests.pipeline.driver import Pipeline

WORLD = """\
name: world
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
sources:
  web: {files: 'landing/{day}/web*', event: {id: id, type: type, time: at}}
  shop: {files: 'landing/{day}/shop*', event: {id: id, type: type, time: at}}
entities:
  customer:
    identifiers:
      - {type: crm, max_per_entity: 1}
      - {type: email, normalize: [trim, lower], max_links: 4, pii: true}
      - {type: cookie}
    stitching:
      - {source: web, events: login, identifier: email, value: "payload->>'email'"}
      - {source: web, identifier: cookie, value: "payload->'cookies'"}
      - {source: shop, identifier: crm, value: "payload->>'crm'"}
      - {source: shop, identifier: email, value: "payload->>'email'"}
      - {source: shop, identifier: cookie, value: "payload->>'cookie'"}
"""
NAMED = """
select v.identifier_id from kind.identifier_values as v where v.identifier_type = :which and v.value = :value
"""
GROUPED = "select g.entity_id from kind.identifier_groups as g where g.identifier_id = cast(:one as uuid)"
RANKED = """
select i.identifier_id from kind.identifiers as i order by i.priority, i.superseded, i.first_seen, i.identifier_id
"""
LINKS = "select distinct g.identifier_id, g.other_id from kind.identity_graph as g where g.kind <> 'same'"
DECIDED = "select d.verdict, d.identifier_id, d.other_id from kind.decisions as d where d.withdrawn_at is null"
ANCHORED = "select e.event_id, e.anchor_id, e.identifier_ids from kind.event_identifiers as e"
REANCHORED = """
update kind.stitched_events as s set anchor_id = cast(:anchor as uuid) where s.event_id = cast(:event as uuid)
"""
STITCHED = """
update kind.stitched_events as s set entity_id = (
    select m.entity_id from kind.entity_map as m where m.identifier_id = s.anchor_id
) where true
"""
SHARED = """
insert into kind.shared_sightings (identifier_id, event_id, event_time, identifier_ids)
select cast(:cookie as uuid), e.event_id, e.event_time, e.identifier_ids
from kind.event_identifiers as e
where cast(:cookie as uuid) = any(e.identifier_ids)
"""
FIRST = datetime(2026, 2, 1, tzinfo=UTC)  # the first event; each other one comes a minute after the one before
START = datetime(2026, 2, 1, 10, tzinfo=UTC)
Seen = tuple[str, str, Mapping[str, Any]]


def web(kind: str = "login", **found: Any) -> Seen:
    """Return an event of the web site; `cookies` is one or a list."""
    return "web", kind, found


def shop(kind: str = "order", **found: Any) -> Seen:
    """Return an event of the shop."""
    return "shop", kind, found


# Ann and Bob share the cookie a, which was Ann's, then Bob's, then Ann's; the e-mail all@x is everybody's.
SHARED_WORLD = (
    shop(crm="1", email="Ann@x", cookie="a"),
    shop(crm="2", cookie="a"),
    web(email="ann@x", cookies=["a", "c"]),
    shop(crm="2", email="bob@x", cookie="b"),
    web("view", cookies=["b", "d"]),
    *(web(email="all@x", cookies=cookie) for cookie in ("a", "b", "y1", "y2", "y3")),
    web("view", cookies="z"),
)


def settle_shared(pipeline: Pipeline) -> None:
    """Publish the groups of that world: the older link of the shared cookie is refused."""
    by_hand = settle(
        pipeline,
        [("crm:2", "cookie:a", "max_per_entity", "conflict", "2 crm in one entity, of which there may be 1")],
        {"email:all@x": (5, 4, 5, False)},
    )
    if not by_hand:
        return
    cookie, one, two = id_of(pipeline, "cookie:a"), entity(pipeline, "crm:1"), entity(pipeline, "crm:2")
    pipeline.execute("delete from kind.entity_map as m where m.identifier_id = cast(:cookie as uuid)", cookie=cookie)
    first, second = FIRST + timedelta(minutes=1), FIRST + timedelta(minutes=2)
    for since, until, owner in ((None, first, one), (first, second, two), (second, None, one)):
        insert(pipeline, "entity_map", identifier_id=cookie, valid_from=since, valid_to=until, entity_id=owner)
    pipeline.execute(SHARED, cookie=cookie)


def land(pipeline: Pipeline, events: Iterable[Seen], day: str = "2026-02-01", first: int = 0) -> None:
    """Land events, a minute after each other, and run the stages."""
    rows: dict[str, list[str]] = {}
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    for number, (source, kind, found) in enumerate(events, start=first):
        at = (start + timedelta(minutes=number)).isoformat()
        rows.setdefault(source, []).append(json.dumps({"id": f"e{number}", "type": kind, "at": at, **found}))
    for source, texts in rows.items():
        pipeline.write(f"landing/{day}/{source}-{first}.ndjson", "\n".join(texts) + "\n")
    pipeline.run()


def id_of(pipeline: Pipeline, name: str) -> str:
    """Return the id of an identifier that was seen, such as `cookie:a`."""
    which, _, value = name.partition(":")
    return str(pipeline.query(NAMED, which=which, value=value)[0][0])


def decide(pipeline: Pipeline, verdict: str, *names: str, why: str = "they said so", withdrawn: bool = False) -> int:
    """Note a decision of Mia's about one or two identifiers; returns its number."""
    number = 1 + int(pipeline.query("select coalesce(max(d.decision_id), 0) from kind.decisions as d")[0][0])
    ends = [id_of(pipeline, name) for name in names]
    taken_back = {"withdrawn_by": "max", "withdrawn_at": START} if withdrawn else {}
    row = dict(zip(("identifier_id", "other_id"), ends, strict=False)) | taken_back
    insert(pipeline, "decisions", decision_id=number, verdict=verdict, by="mia", why=why, at=START, **row)
    return number


def insert(pipeline: Pipeline, table: str, **row: Any) -> None:
    """Add a row; ids are texts."""
    names = ", ".join(row)
    ids = {name for name in row if name.endswith("_id")} - {"decision_id"}
    places = ", ".join(f"cast(:its_{name} as uuid)" if name in ids else f":its_{name}" for name in row)
    values = {f"its_{name}": value for name, value in row.items()}
    pipeline.execute(" ".join(("insert into", f"kind.{table}", "(", names, ") values (", places, ")")), **values)


def settle(
    pipeline: Pipeline,
    refused: Iterable[tuple[str, str, str, str, str | None]] = (),
    quarantined: Mapping[str, tuple[int, int, int, bool]] | None = None,
) -> bool:
    """Publish groups; by hand where the stages do not do it yet, given what is refused and quarantined.

    Args:
        pipeline: whose stages have run.
        refused: refused links: the two names, reason, effect, detail.
        quarantined: by name: links, threshold, how many entities it would join, whether an operator pinned it.

    Returns:
        Whether it was done by hand.
    """
    if pipeline.query("select g.identifier_id from kind.identifier_groups as g limit 1"):
        pipeline.run(full=True)
        return False
    hubs = {id_of(pipeline, name): numbers for name, numbers in (quarantined or {}).items()}
    refusals = [(id_of(pipeline, one), id_of(pipeline, other), *why) for one, other, *why in refused]
    present = [one for one in pipeline.column(RANKED) if one not in hubs]
    used, same = _in_use(pipeline, hubs)
    component_of = _first_of(present, [*used, *same])
    no_links = {frozenset(row[:2]) for row in refusals}
    group_of = _first_of(present, [*(pair for pair in used if pair not in no_links), *same])
    least = {one: min(each for each in present if component_of[each] == component_of[one]) for one in present}
    for table in ("identifier_groups", "entity_map", "entities", "refused_links", "quarantined_identifiers"):
        pipeline.execute(" ".join(("delete from", f"kind.{table}", "as t")))
    for number, one in enumerate(present):
        group = _entity_of(group_of[one])
        insert(pipeline, "identifier_groups", identifier_id=one, component_id=least[one], entity_id=group)
        insert(pipeline, "entity_map", identifier_id=one, entity_id=group, recorded_from=pipeline.now)
        if group_of[one] == one:
            insert(pipeline, "entities", entity_id=group, key_id=one, founder_id=one, ordinal=0, issued_in=number)
    for one, other, reason, effect, detail in refusals:
        insert(pipeline, "refused_links", identifier_id=one, other_id=other, component_id=least[one], reason=reason,
               effect=effect, detail=detail)  # fmt: skip
    for hub, (links, threshold, entities, pinned) in hubs.items():
        insert(pipeline, "quarantined_identifiers", identifier_id=hub, links=links, threshold=threshold,
               entities_it_would_join=entities, other_priority=2, pinned=pinned)  # fmt: skip
    for event, anchor, *others in pipeline.query(ANCHORED):
        if anchor in hubs:
            left = next((one for one in others[0] if one not in hubs), None)
            pipeline.execute(REANCHORED, event=event, anchor=left)
    pipeline.execute(STITCHED)
    return True


def _in_use(pipeline: Pipeline, hubs: Mapping[str, object]) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """Return the pairs of links in use, and those that decisions hold together."""
    links = [frozenset(pair) for pair in pipeline.query(LINKS)]
    decided = pipeline.query(DECIDED)
    unstitched = [frozenset(end for end in ends if end) for verdict, *ends in decided if verdict == "unstitch"]
    used = [pair for pair in links if not any(subject <= pair for subject in unstitched) and not pair & hubs.keys()]
    return used, [frozenset(ends) for verdict, *ends in decided if verdict == "same"]


def entity(pipeline: Pipeline, name: str) -> str:
    """Return the entity of an identifier's group."""
    return str(pipeline.query(GROUPED, one=id_of(pipeline, name))[0][0])


def _entity_of(first: str) -> str:
    return str(UUID(bytes=hashlib.sha256(first.encode()).digest()[:16]))


def _first_of(nodes: Sequence[str], pairs: Iterable[frozenset[str]]) -> dict[str, str]:
    """Return for each node the first node, in their order, that pairs connect it with."""
    label = {node: node for node in nodes}

    def root(node: str) -> str:
        while label.setdefault(node, node) != node:
            node = label[node]
        return node

    for one, other in (sorted(pair) for pair in pairs):
        label[root(one)] = root(other)
    first: dict[str, str] = {}
    for node in nodes:
        first.setdefault(root(node), node)
    return {node: first[root(node)] for node in nodes}

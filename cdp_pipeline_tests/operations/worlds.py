"""Small worlds to explain: events through the pipeline's stages, and operators' decisions."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

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
    """Note a decision of Mia's about one or two identifiers, for the next full run; returns its number."""
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


def entity(pipeline: Pipeline, name: str) -> str:
    """Return the entity of an identifier's group."""
    return str(pipeline.query(GROUPED, one=id_of(pipeline, name))[0][0])

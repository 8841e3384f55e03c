"""A project with identity maps for the tests: tables of people and of renames, and what they gave in plain values."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows
from cdp_pipeline_tests.pipeline.projects import WEB, day, lines, project

MAPS, GRAPH, MAP = (f"customer/{name}" for name in ("identity_maps", "identity_graph", "entity_map"))
FIRST = "{table: raw.people, primary: {type: web, column: id}, persons: {email: mail, crm: crm}, updated_at: changed}"
WHOLE = "{table: raw.people, primary: {type: web, column: id}, persons: {email: mail, crm: crm}}"
RENAMES = "{table: raw.renames, primary: {type: web, column: old}, persons: {web: new}, mode: snapshot}"
# What differs between two runs that say the same.
OF_THE_RUN = (
    "changed_in", "stages", "sequence", "metrics", "runs", "removed_map_rows", "removed_event_identifiers",
    "landed_in", "landed_files", "removed_events", "issued_in", "recorded_from", "entity_map_history",
    "entity_changes", "touched_identifiers", "event_counts", "attribute_counts", "attribute_value_counts",
)  # fmt: skip

Link: TypeAlias = tuple[str, str]


def with_maps(*maps: str) -> str:
    """Return a project with these identity maps."""
    entity = """\
  customer:
    identifiers: [{type: crm}, {type: email, normalize: [trim, lower], valid: '@'}, {type: web, blocked: [nobody]}]
    stitching:
      - {identifier: web, value: "payload->'web'"}
      - {identifier: email, value: "payload->>'email'"}
"""
    listed = "".join(f"      - {each}\n" for each in maps)
    return project(WEB, entity + (f"    identity_maps:\n{listed}" if maps else ""))


def make_people(pipeline: Pipeline, *rows: tuple[Any, ...]) -> None:
    """Make the table raw.people: id, mail, crm, day of February on which it changed, whether it is deleted."""
    if not pipeline.connection.has_schema("raw"):
        pipeline.execute("create schema raw")
    pipeline.execute("drop table if exists raw.people")
    pipeline.execute("create table raw.people (id text, mail text, crm integer, changed timestamptz, gone boolean)")
    add_people(pipeline, *rows)


def add_people(pipeline: Pipeline, *rows: tuple[Any, ...]) -> None:
    for each in rows:
        filled: list[Any] = [*each, None, None, None][:5]
        id_, mail, crm, number, gone = filled
        pipeline.execute(
            "insert into raw.people (id, mail, crm, changed, gone) values "
            "(:id, :mail, :crm, cast(:changed as timestamptz), :gone)",
            id=id_,
            mail=mail,
            crm=crm,
            changed=None if number is None else february(number),
            gone=gone,
        )


def make_renames(pipeline: Pipeline, *pairs: Link, table: str = "renames") -> None:
    """Make a table of old ids and new ones."""
    if not pipeline.connection.has_schema("raw"):
        pipeline.execute("create schema raw")
    pipeline.execute(f"drop table if exists raw.{table}")
    pipeline.execute(f"create table raw.{table} (old text, new text)")
    for old, new in pairs:
        pipeline.execute(f"insert into raw.{table} values (:old, :new)", old=old, new=new)  # noqa: S608


def february(number: float) -> datetime:
    """Return 10:00 on a day of February, or a part of a day later."""
    return datetime(2026, 2, 1, 10, tzinfo=UTC) + timedelta(days=number - 1)


def land(pipeline: Pipeline, *rows: dict[str, Any], number: int = 2) -> None:
    pipeline.write(f"landing/{day(number)}/web.ndjson", lines(*rows))


def links(pipeline: Pipeline, *kinds: str) -> list[tuple[str, str, str, int]]:
    """Return the links of some kinds: the more important end, the other, the day of arrival, events."""
    found = pipeline.query(
        "select v.value, w.value, g.arrived_on, g.events, g.kind from kind.identity_graph as g "
        "join kind.identifier_values as v on v.identifier_id = g.identifier_id "
        "join kind.identifier_values as w on w.identifier_id = g.other_id"
    )
    kinds = kinds or ("map",)
    return sorted(
        (a, b, arrived_on.isoformat()[5:], events) for a, b, arrived_on, events, kind in found if kind in kinds
    )


def in_use(pipeline: Pipeline) -> dict[str, tuple[datetime, datetime, int]]:
    """Return the identifiers in use: first seen, last seen, events."""
    found = pipeline.query("select i.value, i.first_seen, i.last_seen, i.events from kind.identifiers as i")
    return {value: tuple(rest) for value, *rest in found}


def superseded(pipeline: Pipeline) -> dict[str, int]:
    found = pipeline.query("select i.value, i.superseded from kind.identifiers as i where i.superseded <> 0")
    return dict(found)


def groups(pipeline: Pipeline) -> list[str]:
    """Return the values of each entity, as one text."""
    found = defaultdict(list)
    for entity, value in pipeline.query(
        "select m.entity_id, i.value from kind.entity_map as m "
        "join kind.identifiers as i on i.identifier_id = m.identifier_id"
    ):
        found[entity].append(value)
    return sorted(" ".join(sorted(values)) for values in found.values())


def map_rows(pipeline: Pipeline) -> dict[str, int]:
    """Return the primary ids of the rows that are kept, each with the number that wrote its row."""
    return dict(
        pipeline.query(
            "select v.value, m.changed_in from kind.identity_map_rows as m "
            "join kind.identifier_values as v on v.identifier_id = m.primary_id"
        )
    )


def state(pipeline: Pipeline) -> dict[str, Rows]:
    return pipeline.dump(without=(*OF_THE_RUN, "calculated", "modified", "valid_at", "stitched", "replays"))

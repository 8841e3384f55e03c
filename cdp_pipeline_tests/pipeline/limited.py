"""Runs histories with limits, hubs, decisions and identity maps: a kind's project, and what happens before a run."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cdp_pipeline.events.landing import Days
from cdp_pipeline.sql.statements import statement
from cdp_pipeline.warehouse.stage import Due, Facts, Run, StageSpec, stage
from cdp_pipeline_tests.oracle.events import Decision, MapRow, MapTables
from cdp_pipeline_tests.oracle.histories import RULES, Cut, Shape, random_history, write_cut
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules
from cdp_pipeline_tests.oracle.worlds import LIMITED_SHAPES
from cdp_pipeline_tests.pipeline.driver import Pipeline

ADD = statement(
    "test: decide",
    'insert into kind.decisions (identifier_id, other_id, verdict, "by", why, "at", decision_id, changed_in) '
    "values (cast(:identifier_id as uuid), cast(:other_id as uuid), :verdict, 'test', 'a test', :now, :decision_id, "
    ":number)",
)
WITHDRAW = statement(
    "test: withdraw",
    "update kind.decisions as d set withdrawn_by = 'test', withdrawn_at = :now, changed_in = :number "
    "where d.withdrawn_at is null and d.verdict in (:verdict, :opposite) "
    "and ((d.identifier_id = cast(:identifier_id as uuid) and d.other_id is not distinct from cast(:other_id as uuid)) "
    "or (d.identifier_id = cast(:other_id as uuid) and d.other_id = cast(:identifier_id as uuid)))",
)
LAST = statement("test: last decision", "select coalesce(max(d.decision_id), 0) from kind.decisions as d")
OPPOSITES = {"same": "different", "different": "same", "quarantine": "release", "release": "quarantine"}


def limited_history(seed: int, number: int) -> tuple[random.Random, Shape, list[Cut], str]:
    """Return a generator, a shape, a history, and what to call it."""
    rng = random.Random(seed + number)
    shape = LIMITED_SHAPES[number % len(LIMITED_SHAPES)]
    return rng, shape, random_history(rng, shape), f"seed {seed + number}, shape {number % len(LIMITED_SHAPES)}"


def project_of(kind: EntityKind) -> str:
    """Return the project file of a kind, which reads what random histories write."""
    text = [
        "name: limited",
        "warehouse: duckdb:///warehouse.duckdb",
        f"start: {kind.start}",
        "sources:",
        "  shop: {files: 'landing/shop/{day}/*', event: {id: id, type: type, time: ts}}",
        "  web: {files: 'landing/web/{day}/*', event: {id: id, type: type, time: ts}}",
        "  contacts: {files: 'landing/contacts/{day}/*', event: {id: id, type: type, time: ts}, mode: mirror, "
        "deleted: deleted}",
        "entities:",
        f"  {kind.name}:",
        "    identifiers:",
        *(f"      - {_identifier(type_, kind)}" for type_ in kind.types),
        "    stitching:",
        *(f"""      - {{identifier: {type_}, value: "payload->'ids'->'{type_}'"}}""" for type_ in RULES),
        f"    guards: {{max_identifiers: {kind.max_identifiers}, max_links: {kind.max_links}}}",
        "    replay: {batch_events: 2}",
        *(["    identity_maps:"] if kind.maps else []),
        *(f"      - {_map(number, rules)}" for number, rules in enumerate(kind.maps)),
        "    attributes:",
        "      - {id: events, type: expression, value: count(*)}",
        """      - {id: amount, type: sum, value: "(payload->>'amount')::numeric(18,2)"}""",
    ]
    return "\n".join(text) + "\n"


def _identifier(type_: str, kind: EntityKind) -> str:
    rules = kind.of(type_)
    numbers = {"max_per_entity": rules.max_per_entity, "max_links": rules.max_links}
    parts = [f"type: {type_}", *(f"{name}: {value}" for name, value in numbers.items() if value is not None)]
    parts += [f"bridge: {str(rules.bridge).lower()}", f"when_shared: {rules.when_shared}"]
    return f"{{{', '.join(parts)}}}"


def _map(number: int, rules: MapRules) -> str:
    persons = ", ".join(f"{type_}: person_{type_}" for type_ in rules.persons)
    parts = [
        f"table: raw.identity_map_{number}",
        f"primary: {{type: {rules.primary}, column: primary_id}}",
        f"persons: {{{persons}}}",
        f"resolve: {rules.resolve}",
        *(["updated_at: updated_at"] if rules.updated_at else []),
        "deleted: is_deleted",
        f"mode: {rules.mode}",
    ]
    return f"{{{', '.join(parts)}}}"


def run_limited_cut(pipeline: Pipeline, kind: EntityKind, cut: Cut, until: str | None = None) -> dict[str, Facts]:
    """Put a cut into the landing folder, change the maps' tables, decide, and run."""
    write_cut(cut, pipeline.folder)
    if cut.maps is not None:
        write_maps(pipeline, kind, cut.maps)
    apply_decisions(pipeline, kind.name, cut.decisions)
    return pipeline.run(Days(*cut.interval) if cut.replaces else None, until=until)


def make_maps(pipeline: Pipeline, kind: EntityKind) -> None:
    """Make the tables of a kind's identity maps, empty."""
    if kind.maps:
        pipeline.execute("create schema if not exists raw")
        write_maps(pipeline, kind, ((),) * len(kind.maps))


def write_maps(pipeline: Pipeline, kind: EntityKind, tables: MapTables) -> None:
    """Drop the tables of a kind's identity maps and make them anew with these rows."""
    for number, (rules, rows) in enumerate(zip(kind.maps, tables, strict=True)):
        table = f"raw.identity_map_{number}"
        persons = [f"person_{type_}" for type_ in rules.persons]
        columns = ["primary_id text", *(f"{name} text" for name in persons), "updated_at timestamptz"]
        pipeline.execute(f"drop table if exists {table}")
        pipeline.execute(f"create table {table} ({', '.join(columns)}, is_deleted boolean)")
        for row in rows:
            values = ", ".join((":primary_id", *(f":{name}" for name in persons), ":updated_at", ":is_deleted"))
            pipeline.execute(f"insert into {table} values ({values})", **_columns(row))  # noqa: S608


def _columns(row: MapRow) -> dict[str, Any]:
    persons = {f"person_{type_}": value for type_, value in row.persons}
    return {"primary_id": row.primary, **persons, "updated_at": row.updated_at, "is_deleted": row.deleted}


def apply_decisions(pipeline: Pipeline, kind: str, decisions: Iterable[Decision]) -> None:
    """Decide and withdraw, each in a transaction of its own, as `cdp decide` does."""
    for decision in decisions:
        spec = StageSpec(f"{kind}/decisions", kind, pipeline.schemas(kind))
        now = datetime.now(UTC)
        with stage(pipeline.connection, spec, Run("decide", now, now)) as work:
            work.facts.due = Due.CHANGES
            about: dict[str, Any] = {"identifier_id": decision.identifier_id, "other_id": decision.other_id, "now": now}
            if decision.withdraws:
                opposite = OPPOSITES.get(decision.verdict, decision.verdict)
                work.run(WITHDRAW, **about, verdict=decision.verdict, opposite=opposite, number=work.number)
            else:
                decision_id = int(work.scalar(LAST)) + 1
                work.run(ADD, **about, verdict=decision.verdict, decision_id=decision_id, number=work.number)

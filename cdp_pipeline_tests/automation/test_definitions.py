"""What Dagster loads: assets, their place in the lineage, checks, jobs, partitions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from cdp_pipeline import tables
from cdp_pipeline.config.model import Project
from cdp_pipeline.definitions import build_definitions
from cdp_pipeline.identity.resolved_sources import resolved_view
from cdp_pipeline_tests.automation.tiny import TINY, quick_folder, write_tiny

ACCOUNT = """\
  account:
    schema: firms
    identifiers: [{type: account_id}]
    stitching:
      - {identifier: account_id, value: "payload->>'account'"}
    attributes:
      - {id: seats, type: num_of_unique, value: type}
      - {id: contact, type: first, value: type, pii: true}
"""
MAP_FROM = "customer/decisions customer/identifiers customer/identity_graph"
DAILY = {"customer_events", "event_identifiers", "identity_graph"}
LINEAGE = {
    "cdp/customer_events": "cdp/erasures landing/web",
    "cdp/rejected_events": "cdp/erasures landing/web",
    "cdp/event_counts": "cdp/customer_events",
    "customer/event_identifiers": "cdp/customer_events",
    "customer/identity_graph": "customer/decisions customer/event_identifiers",
    "customer/identifiers": "customer/decisions customer/event_identifiers",
    "customer/entity_map": MAP_FROM,
    "customer/entities": MAP_FROM,
    "customer/entity_changes": MAP_FROM,
    "customer/entity_map_history": MAP_FROM,
    "customer/entity_redirects": MAP_FROM,
    "customer/refused_links": MAP_FROM,
    "customer/quarantined_identifiers": MAP_FROM,
    "customer/stitched_events": "cdp/customer_events customer/entity_changes customer/entity_map "
    "customer/event_identifiers",
    "customer/replays": "cdp/customer_events customer/entity_changes customer/entity_map customer/event_identifiers",
    "customer/events": "cdp/customer_events customer/entity_changes customer/entity_map customer/event_identifiers",
    "customer/resolved_web": "cdp/customer_events customer/entity_changes customer/entity_map "
    "customer/event_identifiers",
    "customer/attributes/n_events": "customer/stitched_events",
    "customer/attributes/revenue": "customer/stitched_events",
    "customer/profiles": "customer/attributes/n_events customer/attributes/revenue",
    "customer/attributes": "customer/profiles",
    "customer/context_values": "customer/stitched_events",
    "customer/attribute_counts": "customer/profiles",
    "customer/attribute_value_counts": "customer/profiles",
    "cdp/metrics": "customer/profiles",
    "cdp/runs": "customer/profiles",
}
OUTSIDE = {"landing/web", "cdp/erasures", "customer/decisions"}  # others write these: no step makes them
GROUPS = {
    "events": "cdp/customer_events cdp/erasures cdp/event_counts cdp/rejected_events",
    "customer_identity": "customer/decisions customer/entities customer/entity_changes customer/entity_map "
    "customer/entity_map_history customer/entity_redirects customer/event_identifiers customer/events "
    "customer/identifiers customer/identity_graph customer/quarantined_identifiers customer/refused_links "
    "customer/replays customer/resolved_web customer/stitched_events",
    "customer_attributes": "customer/attribute_counts customer/attribute_value_counts customer/attributes "
    "customer/attributes/n_events customer/attributes/revenue customer/context_values customer/profiles",
    "quality": "cdp/metrics cdp/runs",
    "landing": "landing/web",
}
INVARIANTS = [
    "cdp/customer_events:every_event_once",
    "cdp/customer_events:landed_rows_are_events_or_rejected_rows",
    "cdp/customer_events:no_landed_event_is_missing",
    "customer/entity_map:every_entity_has_a_key_of_its_own",
    "customer/entity_map:every_owner_is_an_entity_of_today",
    "customer/entity_map:exactly_the_identifiers_in_use_have_a_group",
    "customer/entity_map:one_owner_for_each_identifier_and_moment",
    "customer/event_identifiers:every_event_once",
    "customer/event_identifiers:every_rows_event_exists",
    "customer/event_identifiers:the_anchor_is_the_first_identifier",
    "customer/identity_graph:both_ends_of_a_link_are_in_use",
    "customer/identity_graph:every_events_identifiers_are_in_use",
    "customer/identity_graph:every_identifier_in_use_has_an_event_or_a_maps_row",
    "customer/identity_graph:the_identifiers_of_every_maps_row_are_in_use",
    "customer/profiles:every_entity_with_events_has_a_profile",
    "customer/profiles:every_profile_has_events",
    "customer/profiles:every_profiles_entity_exists",
    "customer/profiles:one_profile_per_entity",
    "customer/stitched_events:every_event_belongs_to_the_owner_of_its_anchor",
    "customer/stitched_events:every_event_once",
    "customer/stitched_events:every_stitched_events_entity_exists",
    "customer/stitched_events:no_event_is_missing",
]
HEALTH = [
    "cdp/customer_events:duplicate_share",
    "cdp/customer_events:rejected_share",
    "customer/attributes/n_events:null_share",
    "customer/attributes/revenue:null_share",
    "customer/entity_map:largest_entity",
    "customer/stitched_events:identified_share",
]
PROOF = ["customer/profiles:same_as_rebuild"]


@pytest.fixture(scope="module")
def tiny() -> Iterator[Project]:
    with quick_folder() as folder:
        yield write_tiny(folder)


@pytest.fixture(scope="module")
def definitions(tiny: Project) -> dg.Definitions:
    return build_definitions(tiny)


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def deps_of(spec: dg.AssetSpec) -> str:
    return " ".join(sorted(dep.asset_key.to_user_string() for dep in spec.deps))


def test_every_asset_depends_on_what_it_is_made_from(specs: dict[str, dg.AssetSpec]) -> None:
    assert {name: deps_of(spec) for name, spec in specs.items()} == LINEAGE | dict.fromkeys(OUTSIDE, "")


def test_assets_stand_in_the_group_of_their_room_and_kind(specs: dict[str, dg.AssetSpec]) -> None:
    groups: dict[str | None, list[str]] = {}
    for name, spec in sorted(specs.items()):
        groups.setdefault(spec.group_name, []).append(name)
    assert {group: " ".join(names) for group, names in groups.items()} == GROUPS


def test_kinds_owners_tags_and_descriptions(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.kinds == ({"file"} if name == "landing/web" else {"duckdb", "sql"}), name
        assert list(spec.owners) == ["team:data"], name
        assert spec.description, name
        if name != "landing/web":
            assert spec.group_name in (spec.tags["layer"], f"customer_{spec.tags['layer']}")
            assert spec.code_version, name
    assert specs["customer/entity_map"].description == "One row is whose an identifier is, and when."
    assert specs["customer/attributes/n_events"].description == "How often seen."
    assert {name for name, spec in specs.items() if spec.tags.get("pii") == "true"} == {"customer/identifiers"}


def test_only_what_belongs_to_a_day_of_arrival_is_partitioned(specs: dict[str, dg.AssetSpec]) -> None:
    partitioned = {name for name, spec in specs.items() if spec.partitions_def is not None}
    assert {name.rpartition("/")[2] for name in partitioned} == DAILY
    assert {table.name for table in (*tables.SHARED, *tables.OF_A_KIND) if table.daily and table.public} == DAILY
    for name in partitioned:
        partitions = specs[name].partitions_def
        assert isinstance(partitions, dg.DailyPartitionsDefinition)
        assert partitions.timezone == "UTC"
        assert partitions.get_partition_keys() == ["2026-01-01", "2026-01-02", "2026-01-03"]


def test_without_an_end_the_last_day_is_today() -> None:
    with quick_folder() as folder:
        open_ended = write_tiny(folder, TINY.replace("end: 2026-01-03\n", ""), {})
        specs = build_definitions(open_ended).resolve_all_asset_specs()
    (partitions,) = {spec.partitions_def for spec in specs} - {None}
    assert partitions is not None
    for hour, minute in ((0, 0), (23, 59)):
        now = datetime(2026, 2, 1, hour, minute, tzinfo=UTC)
        assert partitions.get_partition_keys(current_time=now)[-1] == "2026-02-01"


def test_a_range_of_days_is_one_run_whatever_is_selected(definitions: dg.Definitions) -> None:
    policies = {
        key.to_user_string(): asset.backfill_policy
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
    }
    assert set(policies) == set(LINEAGE)
    assert set(policies.values()) == {dg.BackfillPolicy.single_run()}


def test_each_asset_can_be_selected_alone(definitions: dg.Definitions) -> None:
    """Dagster refuses a backfill of assets of one step of which only some are partitioned, unless it may part them."""
    assert all(asset.can_subset for asset in definitions.assets or () if isinstance(asset, dg.AssetsDefinition))


def test_every_check_has_its_name_and_a_description(definitions: dg.Definitions) -> None:
    found = {
        f"{spec.asset_key.to_user_string()}:{spec.name}": spec
        for each in (*(definitions.assets or ()), *(definitions.asset_checks or ()))
        if isinstance(each, dg.AssetsDefinition)
        for spec in each.check_specs
    }
    assert sorted(found) == sorted(INVARIANTS + HEALTH + PROOF)
    assert all(spec.description for spec in found.values())
    assert not any(spec.blocking for name, spec in found.items() if name in HEALTH + PROOF)


def test_jobs_and_their_run_config(definitions: dg.Definitions) -> None:
    jobs = {job.name: job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    assert sorted(jobs) == ["plan", "rebuild", "recalculate", "replay", "restitch", "run_all"]
    assert {job.executor_def.name for job in jobs.values()} == {"in_process"}
    assert all(job.description for job in jobs.values())
    steps = {name: {node.name for node in job.nodes} for name, job in jobs.items()}
    assert steps["run_all"] == {"customer_events", "customer__event_identifiers", "customer__identity_graph",
                                "customer__entity_map", "customer__stitched_events", "customer__profiles", "metrics",
                                "health", "same_as_rebuild"}  # fmt: skip
    assert steps["run_all"] - steps["rebuild"] == {"customer_events"}
    assert steps.pop("plan") == {"compare"}
    assert {job: steps.pop(job) for job in ("restitch", "recalculate")} == {
        "restitch": {"do_restitch"},
        "recalculate": {"do_recalculate"},
    }
    assert steps.pop("replay") == {
        "customer__stitched_events",
        "customer__profiles",
        "metrics",
        "health",
        "same_as_rebuild",
    }
    configs: dict[str, Any] = {name: jobs[name].get_run_config_for_partition_key("2026-01-02") for name in steps}
    assert configs["run_all"]["ops"] == {"customer_events": {"config": {"replace_days": False}}}
    full = steps["rebuild"] - {"metrics", "health", "same_as_rebuild"}
    assert configs["rebuild"]["ops"] == {step: {"config": {"full": True}} for step in full}


def test_columns_of_every_table_are_told(specs: dict[str, dg.AssetSpec]) -> None:
    known = {f"cdp/{table.name}": table for table in tables.SHARED}
    views = (tables.ENTITY_REDIRECTS, tables.EVENTS, tables.PROFILES, tables.ATTRIBUTES, resolved_view("web"))
    known |= {f"customer/{table.name}": table for table in (*tables.OF_A_KIND, *views)}
    for name in {*LINEAGE, "customer/decisions"} - {"customer/attributes/n_events", "customer/attributes/revenue"}:
        schema = specs[name].metadata["dagster/column_schema"]
        told = {column.name: (column.type, column.description) for column in schema.columns}
        wanted = {column.name: (column.type, column.meaning) for column in known[name].public_columns()}
        if name == "customer/profiles":
            wanted |= {"n_events": ("any", "How often seen."), "revenue": ("any", "")}
        assert told == wanted, name
        assert specs[name].metadata["dagster/table_name"] == name.replace("/", "."), name


def test_every_public_table_is_an_asset(specs: dict[str, dg.AssetSpec]) -> None:
    public = {f"cdp/{table.name}" for table in tables.SHARED if table.public}
    public |= {f"customer/{table.name}" for table in tables.OF_A_KIND if table.public}
    public |= {f"customer/{name}" for name in ("entity_redirects", "events", "profiles", "attributes", "resolved_web")}
    assert public == {name for name in specs if not name.startswith(("landing/", "customer/attributes/"))}


def test_statements_rules_and_definitions_stand_beside_their_asset(specs: dict[str, dg.AssetSpec]) -> None:
    for name in ("cdp/customer_events", "customer/event_identifiers", "customer/identity_graph", "customer/entity_map",
                 "customer/stitched_events"):  # fmt: skip
        assert "insert into" in str(specs[name].metadata["SQL"].value), name
    assert specs["customer/event_identifiers"].metadata["rules"].value[0]["identifier"] == "cookie"
    assert specs["customer/attributes/revenue"].metadata["definition"].value["type"] == "sum"


def test_a_second_kind_of_entity_has_assets_and_steps_of_its_own() -> None:
    with quick_folder() as folder:
        specs = {
            spec.key.to_user_string(): spec
            for spec in build_definitions(write_tiny(folder, TINY + ACCOUNT, {})).resolve_all_asset_specs()
        }
    known = set(LINEAGE) | OUTSIDE
    tables_of_a_kind = {name for name in known if name.startswith("customer/") and "/attributes/" not in name}
    own = {name.replace("customer/", "account/") for name in tables_of_a_kind}
    own |= {"account/attributes/seats", "account/attributes/contact"}
    assert set(specs) == known | own
    assert specs["account/entity_map"].metadata["dagster/table_name"] == "firms.entity_map"
    personal = {name for name, spec in specs.items() if spec.tags.get("pii") == "true" and name in own}
    assert personal == {"account/attributes/contact", "account/profiles", "account/attributes"}
    assert deps_of(specs["cdp/metrics"]) == "account/profiles customer/profiles"


def test_a_kind_with_identity_maps_has_an_asset_and_a_step_for_them() -> None:
    """And each of their tables is an asset, which others fill; kinds without maps have neither."""
    maps = """\
    identity_maps:
      - {table: raw.people, primary: {type: cookie, column: id}, persons: {email: mail}}
      - {table: raw.people, primary: {type: email, column: mail}, persons: {email: new_mail}}
"""
    with quick_folder() as folder:
        built = build_definitions(write_tiny(folder, TINY + maps + ACCOUNT, {}))
    specs = {spec.key.to_user_string(): spec for spec in built.resolve_all_asset_specs()}
    own = {name for name in specs if "identity_maps" in name or "raw" in name}
    assert own == {"customer/identity_maps", "landing/raw/people"}
    assert deps_of(specs["customer/identity_maps"]) == "landing/raw/people"
    from_maps = "customer/decisions customer/event_identifiers customer/identity_maps"
    assert deps_of(specs["customer/identity_graph"]) == from_maps
    assert deps_of(specs["customer/identifiers"]) == from_maps
    assert deps_of(specs["account/identity_graph"]) == "account/decisions account/event_identifiers"
    assert specs["customer/identity_maps"].metadata["dagster/table_name"] == "customer.identity_map_rows"
    assert [each["table"] for each in specs["customer/identity_maps"].metadata["maps"].value] == ["raw.people"] * 2
    jobs = {job.name: {node.name for node in job.nodes} for job in built.resolve_all_job_defs()}
    configs: Any = built.resolve_job_def("rebuild").get_run_config_for_partition_key("2026-01-02")
    assert set(configs["ops"]) == jobs["rebuild"] - {"metrics", "health", "same_as_rebuild"}
    assert "customer__identity_maps" in jobs["rebuild"]

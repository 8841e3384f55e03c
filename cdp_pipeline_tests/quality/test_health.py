"""Each health figure on small hand-made tables, and what a run notes of them."""

import pytest
from sqlglot import exp

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.quality.health import expected_checks, gather_health, read_health
from cdp_pipeline.sql.statements import Statement, from_tree
from cdp_pipeline.warehouse.base import Connection, Row
from cdp_pipeline_tests.quality.warehouses import (
    NEXT_RUN,
    RUN,
    fill_landed,
    fill_map,
    fill_profiles,
    fill_stitched,
    make_profiles,
)

EXPECTED = [
    ("cdp/customer_events", None, "rejected_share"),
    ("cdp/customer_events", None, "duplicate_share"),
    ("customer/stitched_events", "customer", "identified_share"),
    ("customer/entity_map", "customer", "largest_entity"),
    ("customer/attributes/revenue", "customer", "null_share"),
    ("customer/attributes/order", "customer", "null_share"),
    ("account/stitched_events", "account", "identified_share"),
    ("account/entity_map", "account", "largest_entity"),
    ("account/attributes/revenue", "account", "null_share"),
]
OF_NOTHING = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def figures(warehouse: Connection, project: Project) -> dict[tuple[str, str], float]:
    return {(figure.asset, figure.check): figure.value for figure in gather_health(warehouse, project, RUN)}


def noted(warehouse: Connection) -> list[Row]:
    query = exp.select("run", "stage", "entity", "metric", "value", "measured_at is not null")
    return warehouse.fetch(from_tree("noted", query.from_("shared.metrics").order_by("run")))


# What there is to measure


def test_the_checks_follow_from_the_project_alone(project: Project) -> None:
    checks = expected_checks(project)
    assert [(check.asset, check.kind, check.check) for check in checks] == EXPECTED
    assert len({check.meaning for check in checks}) == len(checks)
    assert all(check.meaning.endswith(".") for check in checks)


def test_the_thresholds_are_those_of_the_project(project: Project) -> None:
    limits = {(check.asset, check.check): (check.minimum, check.maximum) for check in expected_checks(project)}
    assert limits == {
        ("cdp/customer_events", "rejected_share"): (None, 0.25),
        ("cdp/customer_events", "duplicate_share"): (None, 0.125),
        ("customer/stitched_events", "identified_share"): (0.5, None),
        ("customer/entity_map", "largest_entity"): (None, 3.0),
        ("customer/attributes/revenue", "null_share"): (None, 0.5),
        ("customer/attributes/order", "null_share"): (None, 0.5),
        ("account/stitched_events", "identified_share"): (0.5, None),
        ("account/entity_map", "largest_entity"): (None, 1000.0),
        ("account/attributes/revenue", "null_share"): (None, 1.0),
    }


# Figures


def test_of_nothing_shares_are_0_and_the_identified_share_is_1(warehouse: Connection, project: Project) -> None:
    for schema in ("people", "account"):
        make_profiles(warehouse, schema, ["revenue", "order"])
    gathered = gather_health(warehouse, project, RUN)
    assert [(figure.asset, figure.kind, figure.check) for figure in gathered] == EXPECTED
    assert [figure.value for figure in gathered] == OF_NOTHING


def test_profiles_that_are_not_there_yet_count_as_nothing(warehouse: Connection, project: Project) -> None:
    assert [figure.value for figure in gather_health(warehouse, project, RUN)] == OF_NOTHING


def test_figures_are_their_checks_with_a_value(warehouse: Connection, project: Project) -> None:
    gathered = gather_health(warehouse, project, RUN)
    assert gathered == [
        check.measured(value) for check, value in zip(expected_checks(project), OF_NOTHING, strict=True)
    ]


def test_rejected_rows_and_duplicates_are_shares_of_the_landed_rows(warehouse: Connection, project: Project) -> None:
    fill_landed(warehouse, events=5, invalid=2, duplicates=1)
    found = figures(warehouse, project)
    assert found["cdp/customer_events", "rejected_share"] == 2 / 8
    assert found["cdp/customer_events", "duplicate_share"] == 1 / 8


def test_all_rows_may_be_rejected(warehouse: Connection, project: Project) -> None:
    fill_landed(warehouse, events=0, invalid=3)
    found = figures(warehouse, project)
    assert found["cdp/customer_events", "rejected_share"] == 1
    assert found["cdp/customer_events", "duplicate_share"] == 0


def test_the_identified_share_counts_events_of_somebody(warehouse: Connection, project: Project) -> None:
    fill_stitched(warehouse, "people", [1, 1, 2, None])
    fill_stitched(warehouse, "account", [None, None, None, 7])
    found = figures(warehouse, project)
    assert found["customer/stitched_events", "identified_share"] == 3 / 4
    assert found["account/stitched_events", "identified_share"] == 1 / 4


def test_events_of_nobody_give_an_identified_share_of_0(warehouse: Connection, project: Project) -> None:
    fill_stitched(warehouse, "people", [None, None])
    assert figures(warehouse, project)["customer/stitched_events", "identified_share"] == 0


def test_the_largest_entity_is_the_one_with_the_most_identifiers(warehouse: Connection, project: Project) -> None:
    fill_map(warehouse, "people", [(number, 1 + number // 3, None, None) for number in range(7)])
    fill_map(warehouse, "account", [(number, number, None, None) for number in range(5)])
    found = figures(warehouse, project)
    assert found["customer/entity_map", "largest_entity"] == 3
    assert found["account/entity_map", "largest_entity"] == 1


def test_an_identifier_that_two_people_share_by_time_counts_once_for_each(
    warehouse: Connection, project: Project
) -> None:
    """A tablet, 3, goes from one to the other and back: it is three rows, and one identifier of each of them."""
    fill_map(
        warehouse, "people", [(1, 1, None, None), (2, 2, None, None), (3, 1, None, 5), (3, 2, 5, 9), (3, 1, 9, None)]
    )
    assert figures(warehouse, project)["customer/entity_map", "largest_entity"] == 2


def test_null_shares_are_of_each_attribute_and_kind(warehouse: Connection, project: Project) -> None:
    fill_profiles(warehouse, "people", ["revenue", "order"], ("1", None), ("2", None), (None, None), ("0", "x"))
    fill_profiles(warehouse, "account", ["revenue"], (None,), ("",))
    found = figures(warehouse, project)
    assert found["customer/attributes/revenue", "null_share"] == 1 / 4
    assert found["customer/attributes/order", "null_share"] == 3 / 4
    assert found["account/attributes/revenue", "null_share"] == 1 / 2


def test_an_attribute_that_has_no_column_yet_counts_as_nothing(warehouse: Connection, project: Project) -> None:
    fill_profiles(warehouse, "people", ["order"], (None,), (None,))
    found = figures(warehouse, project)
    assert found["customer/attributes/order", "null_share"] == 1
    assert found["customer/attributes/revenue", "null_share"] == 0


def test_a_kind_without_attributes_has_no_null_shares(warehouse: Connection, project: Project) -> None:
    kinds = {kind: entity.model_copy(update={"attributes": []}) for kind, entity in project.entities.items()}
    bare = project.model_copy(update={"entities": kinds})
    assert {check for _, check in figures(warehouse, bare)} == {
        "rejected_share",
        "duplicate_share",
        "identified_share",
        "largest_entity",
    }


def test_every_subject_is_asked_once(warehouse: Connection, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for schema in ("people", "account"):
        make_profiles(warehouse, schema, ["revenue", "order"])
    asked = []
    fetch = warehouse.fetch

    def note(statement: Statement, **values: object) -> list[Row]:
        asked.append(statement.name)
        return fetch(statement, **values)

    monkeypatch.setattr(warehouse, "fetch", note)
    gather_health(warehouse, project, RUN)
    of_a_kind = ["health.stitched", "health.largest_entity", "health.count_filled"]
    assert asked == ["health.landed", *of_a_kind, *of_a_kind]


# What is noted


def test_every_figure_is_a_metric_of_its_run(warehouse: Connection, project: Project) -> None:
    fill_landed(warehouse, events=3, invalid=1)
    values = [figure.value for figure in gather_health(warehouse, project, RUN)]
    assert values[0] == 1 / 4
    assert sorted(noted(warehouse)) == sorted(
        (RUN.run, asset, kind or "", check, value, True)
        for (asset, kind, check), value in zip(EXPECTED, values, strict=True)
    )


def test_a_run_that_measures_again_notes_the_newer_figures_only(warehouse: Connection, project: Project) -> None:
    gather_health(warehouse, project, RUN)
    fill_landed(warehouse, events=1, invalid=1)
    gather_health(warehouse, project, RUN)
    rows = noted(warehouse)
    assert len(rows) == len(EXPECTED)
    assert {row[4] for row in rows if row[3] == "rejected_share"} == {1 / 2}


def test_the_figures_of_earlier_runs_stay(warehouse: Connection, project: Project) -> None:
    gather_health(warehouse, project, RUN)
    fill_landed(warehouse, events=1, invalid=1)
    gather_health(warehouse, project, NEXT_RUN)
    rejected = [(row[0], row[4]) for row in noted(warehouse) if row[3] == "rejected_share"]
    assert rejected == [(RUN.run, 0.0), (NEXT_RUN.run, 1 / 2)]


def test_figures_can_be_read_again_as_the_run_noted_them(warehouse: Connection, project: Project) -> None:
    gathered = gather_health(warehouse, project, RUN)
    fill_landed(warehouse, events=1, invalid=1)
    assert read_health(warehouse, project, RUN) == gathered


def test_a_run_that_noted_nothing_measures_when_it_is_asked(warehouse: Connection, project: Project) -> None:
    gather_health(warehouse, project, RUN)
    fill_landed(warehouse, events=1, invalid=1)
    assert read_health(warehouse, project, NEXT_RUN)[0].value == 1 / 2
    assert len(noted(warehouse)) == 2 * len(EXPECTED)


def test_nothing_stays_behind_when_noting_fails(warehouse: Connection, project: Project) -> None:
    warehouse.run_text("DROP TABLE shared.metrics", {}, "drop")
    with pytest.raises(WarehouseError, match=r"health\.record"):
        gather_health(warehouse, project, RUN)
    with pytest.raises(WarehouseError, match="health_figures"):
        warehouse.fetch(from_tree("left", exp.select("*").from_("health_figures")))
    with warehouse.transaction():
        """None is open still, or this would be refused."""

"""The example shop on DuckDB and on PostgreSQL: the same tables, row by row, and the same people whatever the cut."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from cdp_pipeline.demo import generate
from cdp_pipeline.events.customer_events import land_events
from cdp_pipeline.operations.pipeline import run_stages
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.validation import load_valid_project
from cdp_pipeline_tests import engines
from cdp_pipeline_tests.postgres.comparison import differences, every_table, groups, read

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "project.yaml"
PEOPLE, DAYS = 60, 4


class World(NamedTuple):
    """What a warehouse says: every table; of each kind the groups of identifiers, and the profiles without ids."""

    tables: dict[str, list[str]]
    groups: dict[str, set[tuple[str, ...]]]
    profiles: dict[str, list[str]]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few days of the shop."""
    folder = tmp_path_factory.mktemp("shop")
    start = load_valid_project(SHOP.parent, {}).start
    generate(folder, people=PEOPLE, days=DAYS, start=start, seed=7)
    return folder / "landing"


@pytest.fixture(scope="module")
def worlds(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], World]:
    """Return what each engine says after each cut."""
    days = sorted({path.name for path in landed.glob("*/*")})
    cuts = {"in one go": [days], "day by day": [[day] for day in days]}
    return {
        (engine, name): run(engine, cut, landed, tmp_path_factory.mktemp("world"))
        for engine in engines.ENGINES
        for name, cut in cuts.items()
    }


def run(engine: str, cut: Sequence[Sequence[str]], landed: Path, folder: Path) -> World:
    """Run the shop after each part of a cut, and read all of it."""
    with engines.on(engine):
        (folder / "project.yaml").write_text(engines.placed(SHOP.read_text("utf-8"), folder), encoding="utf-8")
        (folder / "landing").mkdir()
        project = load_valid_project(folder, {})
        for days in cut:
            for day in days:
                for place in landed.glob(f"*/{day}"):
                    shutil.copytree(place, folder / "landing" / place.parent.name / day)
            with open_session(project, "run", lambda holder: None) as session:
                land_events(session.connection, project, session.run)
                # What has landed tells as of when the others calculate.
                list(run_stages(session.connection, project, session.run))
        with open_session(project, "look", lambda holder: None) as session:
            schemas = {kind: entity.schema_name for kind, entity in project.entities.items()}
            return World(
                every_table(session.connection, project),
                {kind: groups(session.connection, schema) for kind, schema in schemas.items()},
                {kind: read(session.connection, schema, "profiles", ["entity_id"]) for kind, schema in schemas.items()},
            )


@pytest.mark.parametrize("cut", ["in one go", "day by day"])
def test_the_same_cut_gives_the_same_tables_on_both_engines(worlds: dict[tuple[str, str], World], cut: str) -> None:
    first, second = worlds["duckdb", cut].tables, worlds["postgresql", cut].tables
    assert differences(first, second) == {}
    filled = {name for name, rows in first.items() if rows}
    assert {"cdp.customer_events", "cdp.rejected_events", "customer.identity_graph", "account.profiles"} <= filled
    assert "customer.refused_links" in filled
    assert any("None" not in span for span in first["customer.entity_map"]), "somebody's for a part of the time"


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_another_cut_gives_the_same_groups_attributes_and_counts(
    worlds: dict[tuple[str, str], World], engine: str
) -> None:
    whole, daily = worlds[engine, "in one go"], worlds[engine, "day by day"]
    assert whole.groups == daily.groups
    assert whole.profiles == daily.profiles
    counted = ("cdp.customer_events", "cdp.rejected_events", "customer.identifiers", "customer.identity_graph")
    assert {name: len(whole.tables[name]) for name in counted} == {name: len(daily.tables[name]) for name in counted}

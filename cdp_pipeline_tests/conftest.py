"""What every test starts from: no settings of the developer's machine, one seed, a time zone that is not UTC.

Everything random in the suite comes from one seed, so that a failure can be run again: hypothesis derives its examples
from each test's own code, and other generators ask for the fixture `seed`. With `CDP_TEST_SEED=7 make test`, both try
other histories.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cdp_pipeline_tests.engines import ENGINES, Engine, on

HERE = Path(__file__).parent
ORDINARY_SEED = 20260101
GIVEN_SEED = os.environ.get("CDP_TEST_SEED")
SEED = ORDINARY_SEED if GIVEN_SEED is None else int(GIVEN_SEED)

# The files that take longest, longest first: one that began late would run on while other workers have nothing to do.
LONGEST = (
    "pipeline/test_limited_histories.py",
    "pipeline/test_histories.py",
    "operations/test_killed_runs.py",
    "operations/test_explain_pair.py",
    "pipeline/test_corrections.py",
    "pipeline/test_erasure.py",
    "operations/test_plan.py",
    "operations/test_scenarios.py",
    "postgres/test_same_on_both.py",
    "pipeline/test_limits.py",
    "crash/test_crash.py",
)
# Services that are stopped with a run at work have a minute of Dagster's for it: last, when fewer workers are at work.
LAST = "deploy/test_services.py"


def empty_environment() -> None:
    """Forget every setting that would lead a test to somebody's real project or Dagster instance.

    Settings of the suite itself (`CDP_TEST_…`) stay, for pytest-xdist's workers read them again.
    """
    for name in list(os.environ):
        if name.startswith("DAGSTER_") or (name.startswith("CDP_") and not name.startswith("CDP_TEST_")):
            del os.environ[name]


def leave_utc() -> None:
    """Set the process to a zone half an hour off, where a session or a conversion that forgot UTC gives wrong times."""
    os.environ["TZ"] = "America/St_Johns"
    time.tzset()


empty_environment()
leave_utc()
# No deadline and no complaint about slowness: examples open a warehouse, and the cores are shared.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("exploring", settings.get_profile("repeatable"), derandomize=False, database=None)
settings.load_profile("repeatable" if GIVEN_SEED is None else "exploring")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give hypothesis the seed that somebody asked for, unless they gave it one of its own."""
    if GIVEN_SEED is not None and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = GIVEN_SEED


def pytest_report_header() -> str:
    """Say which histories are tried, and how to try others."""
    how = "each run the same; CDP_TEST_SEED=… tries others" if GIVEN_SEED is None else "from CDP_TEST_SEED"
    return f"seed: {SEED} ({how}), time zone: {os.environ['TZ']}"


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the one seed that a test's own random generator may start from."""
    return SEED


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Run the module's tests once on each engine; a package asks for it in its conftest."""
    with on(request.param) as chosen:
        yield chosen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, end with the services; expect the error that a test declares for an engine.

    It is declared by `gap(engine, reason, raises)`.
    """
    ranks = {HERE / name: rank for rank, name in enumerate(LONGEST)}
    ranks[HERE / LAST] = len(ranks) + 1
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))
    for item in items:
        for gap in item.iter_markers("gap"):
            name, reason, raises = gap.args
            callspec = getattr(item, "callspec", None)
            if callspec is not None and callspec.params.get("engine") == name:
                item.add_marker(pytest.mark.xfail(strict=True, reason=f"{name}: {reason}", raises=raises))

"""The judgement on a run's health figures: Great Expectations over one small frame, once per run.

The frame has one row and a column per figure; the engine has done the counting, so Great Expectations never sees a
table or a connection. It reports a crash of its own as an unmet expectation: whatever raised an exception is a
`HealthError` here, never a failed check. It and pandas take seconds to import and are an extra of this package, so they
are imported when there is something to judge.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cdp_pipeline.errors import HealthError
from cdp_pipeline.quality.health import HealthFigure

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from pandas import DataFrame


@dataclass(frozen=True)
class Verdict:
    """What was made of a health figure.

    Attributes:
        figure: the figure.
        passed: whether it lies within its limits; a figure that is no number does not.
        observed: what Great Expectations saw; NaN for a figure that is no number.
        expectation: what was expected of it, in words.
    """

    figure: HealthFigure
    passed: bool
    observed: float
    expectation: str


def expectations_available() -> bool:
    """Whether figures can be judged: the extra `quality` is installed. Nothing is imported to find out."""
    return all(find_spec(library) is not None for library in ("great_expectations", "pandas"))


def judge(figures: Sequence[HealthFigure]) -> list[Verdict]:
    """Holds every figure against its limits, which are part of what passes.

    Returns:
        A verdict for each figure, in their order.

    Raises:
        HealthError: a check could not run, which says nothing about the data; or the extra `quality` is missing.
    """
    if not figures:
        return []
    if not expectations_available():
        raise HealthError(
            "The health checks could not run: Great Expectations is not installed. Install it by "
            "pip install 'cdp-pipeline[quality]'."
        )
    columns = {f"figure_{number}": figure for number, figure in enumerate(figures)}
    try:
        results = _validate(columns)
    except Exception as error:
        raise HealthError(f"The health checks could not run: {type(error).__name__}: {error}") from error
    return [_verdict(figure, results.get(column)) for column, figure in columns.items()]


def _validate(columns: Mapping[str, HealthFigure]) -> "dict[str, ExpectationValidationResult]":
    """What Great Expectations says about each column; its own order is another."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween

    # Nothing on disk, on the terminal or on the net: 1.24 has no analytics left, earlier releases heed the setting.
    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=settings)
    asset = context.data_sources.add_pandas("health").add_dataframe_asset("figures")
    batch = asset.add_batch_definition_whole_dataframe("run").get_batch({"dataframe": _frame(columns)})
    # The greatest value of one row is that value, and NaN has none: the expectation is then not met. One about each
    # value would pass over NaN.
    suite = gx.ExpectationSuite(
        "health",
        expectations=[
            ExpectColumnMaxToBeBetween(column=column, min_value=figure.minimum, max_value=figure.maximum)
            for column, figure in columns.items()
        ],
    )
    results = batch.validate(suite).results
    return {str(result.expectation_config.kwargs["column"]): result for result in results if result.expectation_config}


def _frame(columns: Mapping[str, HealthFigure]) -> "DataFrame":
    import pandas as pd

    return pd.DataFrame({column: [figure.value] for column, figure in columns.items()}, dtype="float64")


def _verdict(figure: HealthFigure, result: "ExpectationValidationResult | None") -> Verdict:
    crash = "there is no result" if result is None else _crash(result.exception_info)
    if result is None or crash is not None:
        raise HealthError(f"The health check {figure.check} of {figure.asset} could not run: {crash}")
    observed = result.result.get("observed_value")
    return Verdict(figure, bool(result.success), math.nan if observed is None else float(observed), _in_words(figure))


def _crash(exception_info: Mapping[str, Any]) -> str | None:
    """What Great Expectations choked on, if it did: told for the expectation, or for each metric that it needs."""
    told = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    return next((str(one["exception_message"]) for one in told if one["raised_exception"]), None)


def _in_words(figure: HealthFigure) -> str:
    limits = [
        f"{words} {limit:,.15g}"
        for words, limit in (("at least", figure.minimum), ("at most", figure.maximum))
        if limit is not None
    ]
    return " and ".join(limits) or "a number"

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
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult


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
            "Health figures are judged by Great Expectations, which is not installed: pip install "
            "'cdp-pipeline[quality]'."
        )
    columns = {f"figure_{number}": figure for number, figure in enumerate(figures)}
    try:
        outcome = _validate(columns)
    except Exception as error:
        raise HealthError(f"The health checks could not run: {type(error).__name__}: {error}") from error
    results = {result.expectation_config.kwargs["column"]: result for result in outcome.results if _of_a_column(result)}
    return [_verdict(figure, results.get(column)) for column, figure in columns.items()]


def _validate(columns: Mapping[str, HealthFigure]) -> "ExpectationSuiteValidationResult":
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations import ExpectColumnMaxToBeBetween

    # Nothing on disk, nothing on the terminal, nothing sent: 1.24 has no analytics left, others of 1.x heed the setting.
    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=settings)
    frame = pd.DataFrame({column: [figure.value] for column, figure in columns.items()}, dtype="float64")
    # The greatest value of one row is that value. Unlike an expectation about values, which passes over what is NULL,
    # it is not met where there is none.
    suite = gx.ExpectationSuite(
        "health",
        expectations=[
            ExpectColumnMaxToBeBetween(column=column, min_value=_lowest(figure), max_value=figure.maximum)
            for column, figure in columns.items()
        ],
    )
    asset = context.data_sources.add_pandas("figures").add_dataframe_asset("figures")
    batch = asset.add_batch_definition_whole_dataframe("run").get_batch({"dataframe": frame})
    return batch.validate(suite)


def _lowest(figure: HealthFigure) -> float | None:
    return figure.minimum


def _of_a_column(result: "ExpectationValidationResult") -> bool:
    return result.expectation_config is not None


def _verdict(figure: HealthFigure, result: "ExpectationValidationResult | None") -> Verdict:
    name = f"The health check {figure.check} of {figure.asset}"
    if result is None:
        raise HealthError(f"{name} could not run: Great Expectations gave no result for it.")
    crash = _crash(result.exception_info)
    if crash is not None:
        raise HealthError(f"{name} could not run: {crash}")
    observed = result.result.get("observed_value")
    passed = bool(result.success) and not math.isnan(figure.value)
    return Verdict(figure, passed, math.nan if observed is None else float(observed), _in_words(figure))


def _crash(information: Any) -> str | None:
    raise NotImplementedError


def _in_words(figure: HealthFigure) -> str:
    least, most = (f"{limit:,.15g}" for limit in (figure.minimum, figure.maximum))
    return least + most

"""What the tests of statistics share: running the components, and reading what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.components.statistics_gen import MergeStatistics, StatisticsGen
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_statistics

EPSILON = 0.01  # TFDV's default error of quantiles, as a share of the rows
FN_API = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def compute(
    examples: Examples | Sequence[Examples],
    root: Any,
    schema: Schema | None = None,
    beam_args: Sequence[str] = (),
    **parameters: Any,
) -> ExampleStatistics:
    """Runs StatisticsGen by itself."""
    inputs: dict[str, Any] = {"examples": examples} | ({"schema": schema} if schema else {})
    component = StatisticsGen(**parameters)
    if beam_args:
        component = component.with_beam_pipeline_args(list(beam_args))
    (statistics,) = run_component(component, inputs, root)["statistics"]
    assert isinstance(statistics, ExampleStatistics)
    return statistics


def merge(statistics: Sequence[ExampleStatistics], root: Any, **parameters: Any) -> ExampleStatistics:
    """Runs MergeStatistics by itself."""
    outputs = run_component(MergeStatistics(**parameters), {"span_statistics": list(statistics)}, root)
    (merged,) = outputs["statistics"]
    assert isinstance(merged, ExampleStatistics)
    return merged


def datasets_of(statistics: ExampleStatistics, split: str = "all") -> dict[str, Any]:
    """The datasets of a split by name; the only one without slices is called ''."""
    datasets = read_statistics(f"{statistics.path(split)}/FeatureStats.pb").datasets
    return {dataset.name: dataset for dataset in datasets}


def features_in(dataset: Any) -> dict[str, Any]:
    """The features of a dataset, by path."""
    return {".".join(feature.path.step): feature for feature in dataset.features}


def features_of(statistics: ExampleStatistics, split: str = "all", name: str = "") -> dict[str, Any]:
    """The features of one dataset, by path."""
    return features_in(datasets_of(statistics, split)[name])


def common_of(feature: Any) -> Any:
    """The common statistics, whatever the type."""
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def check_rank(value: float, quantile: float, values: np.ndarray, epsilon: float = EPSILON) -> None:
    """A quantile is right if its rank is, within the sketch's error; with ties, a value has a range of ranks."""
    low, high = (values < value).mean(), (values <= value).mean()
    assert low - 2 * epsilon <= quantile <= high + 2 * epsilon, (value, quantile, low, high)


def check_equal(ours: Any, theirs: Any, values: np.ndarray | None = None) -> None:
    """Two statistics of one feature over the same rows: exact figures equal, quantiles within the error.

    Args:
        ours: a FeatureNameStatistics.
        theirs: another.
        values: the feature's values, to look up the ranks of quantiles.
    """
    assert ours.type == theirs.type
    mine, other = common_of(ours), common_of(theirs)
    for common in (mine, other):
        common.ClearField("num_values_histogram")
    assert mine == other
    assert ours.string_stats == theirs.string_stats
    if ours.WhichOneof("stats") == "num_stats":
        check_equal_numbers(ours.num_stats, theirs.num_stats, values)


def check_equal_numbers(ours: Any, theirs: Any, values: np.ndarray | None) -> None:
    """The numeric half of `check_equal`."""
    assert (ours.min, ours.max, ours.num_zeros) == (theirs.min, theirs.max, theirs.num_zeros)
    for mine, other in ((ours, theirs), (ours.weighted_numeric_stats, theirs.weighted_numeric_stats)):
        np.testing.assert_allclose((mine.mean, mine.std_dev), (other.mean, other.std_dev), rtol=1e-9, atol=1e-12)
    kinds = [(histogram.type, len(histogram.buckets)) for histogram in ours.histograms]
    assert kinds == [(histogram.type, len(histogram.buckets)) for histogram in theirs.histograms]
    for mine, other in zip(ours.histograms, theirs.histograms, strict=True):
        counts = [sum(bucket.sample_count for bucket in histogram.buckets) for histogram in (mine, other)]
        np.testing.assert_allclose(*counts, rtol=1e-6)
    if values is None:
        return
    check_rank(ours.median, 0.5, values)
    (quantiles,) = [histogram for histogram in ours.histograms if histogram.type == histogram.QUANTILES]
    for index, bucket in enumerate(quantiles.buckets):
        check_rank(bucket.high_value, (index + 1) / len(quantiles.buckets), values)

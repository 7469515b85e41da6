"""Distances between statistics: TFDV's figures against a second computation with numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.validation.distances import (
    Distance,
    all_rows,
    describe_distances,
    judged_distances,
    largest,
    measure_distances,
    ranked,
)
from tests.golden.statistics.real_data import to_batch


def statistics_of(frame: pd.DataFrame) -> Any:
    from tensorflow_data_validation.statistics import stats_impl

    return stats_impl.generate_statistics_in_memory(to_batch(frame))


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    parts = [np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0])) for x in (p, q)]
    return float(sum(parts) / 2)


def histogram(statistics: Any, feature: str) -> Any:
    found = next(f for f in statistics.datasets[0].features if f.path.step[0] == feature)
    return next(h for h in found.num_stats.histograms if h.type == h.STANDARD)


def spread(buckets: Any, low: float, high: float) -> float:
    """Rows of a histogram in an interval that no edge cuts; a bucket's rows are spread evenly over it."""
    total = 0.0
    for bucket in buckets:
        if bucket.low_value == bucket.high_value:
            total += bucket.sample_count if low == high == bucket.low_value else 0.0
        elif bucket.low_value <= low and high <= bucket.high_value and high > low:
            total += bucket.sample_count * (high - low) / (bucket.high_value - bucket.low_value)
    return total


def numeric_distance(first: Any, second: Any, feature: str) -> float:
    """The divergence of two histograms, both cut at the edges of either."""
    a, b = histogram(first, feature), histogram(second, feature)
    edges = sorted({edge for h in (a, b) for bucket in h.buckets for edge in (bucket.low_value, bucket.high_value)})
    intervals = [*itertools.pairwise(edges)]
    p = np.array([spread(a.buckets, *interval) for interval in intervals] + [a.num_nan])
    q = np.array([spread(b.buckets, *interval) for interval in intervals] + [b.num_nan])
    return jensen_shannon(p, q)


def shares(first: pd.Series, second: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    values = sorted({*first.dropna(), *second.dropna()})
    counts = [series.value_counts().reindex(values, fill_value=0).to_numpy(float) for series in (first, second)]
    return counts[0], counts[1]


def by_measure(items: list[Distance], feature: str) -> dict[str, float]:
    return {item.measure: item.value for item in items if item.feature == feature}


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(7)
    first = pd.DataFrame(
        {
            "count": rng.integers(0, 50, 1000),
            "measure": rng.normal(size=1000),
            "letter": rng.choice(list("abc"), 1000),
            "same": rng.choice(list("xy"), 1000),
            "only_here": 1,
        }
    )
    second = pd.DataFrame(
        {
            "count": rng.integers(10, 90, 700),
            "measure": rng.normal(size=700) + 0.5,
            "letter": rng.choice(list("bcde"), 700),
            "same": first["same"][:700].to_numpy(),
            "only_there": "x",
        }
    )
    first.loc[:99, "measure"] = None
    second.loc[:9, "letter"] = None
    return first, second


def test_every_feature_of_both_is_measured(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    first, second = frames
    found = measure_distances(statistics_of(first), statistics_of(second), "previous_statistics")
    assert {item.feature for item in found} == {"count", "measure", "letter", "same"}
    assert {item.compared_with for item in found} == {"previous_statistics"}
    assert {item.threshold for item in found} == {None}
    assert set(by_measure(found, "count")) == {"JENSEN_SHANNON_DIVERGENCE"}
    measures = {"JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "NORMALIZED_ABSOLUTE_DIFFERENCE"}
    assert set(by_measure(found, "letter")) == measures


def test_categorical_distances_against_numpy(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    first, second = frames
    found = measure_distances(statistics_of(first), statistics_of(second), "control")
    for feature in ("letter", "same"):
        p, q = shares(first[feature], second[feature])
        expected = {
            "L_INFTY": np.abs(p / p.sum() - q / q.sum()).max(),
            "JENSEN_SHANNON_DIVERGENCE": jensen_shannon(p, q),
            "NORMALIZED_ABSOLUTE_DIFFERENCE": np.abs(p - q).max() / (p.sum() + q.sum()),
        }
        assert by_measure(found, feature) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("feature", ["count", "measure"])
def test_numeric_distances_against_numpy(frames: tuple[pd.DataFrame, pd.DataFrame], feature: str) -> None:
    first, second = map(statistics_of, frames)
    found = by_measure(measure_distances(first, second, "control"), feature)
    assert found["JENSEN_SHANNON_DIVERGENCE"] == pytest.approx(numeric_distance(first, second, feature), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    first=st.lists(st.integers(-1000, 1000), min_size=2, max_size=60, unique=True),
    second=st.lists(st.integers(-1000, 1000), min_size=2, max_size=60, unique=True),
)
def test_any_numbers(first: list[int], second: list[int]) -> None:
    a, b = (statistics_of(pd.DataFrame({"x": values})) for values in (first, second))
    (found,) = measure_distances(a, b, "control")
    assert 0 <= found.value <= 1 + 1e-9
    assert found.value == pytest.approx(numeric_distance(a, b, "x"), abs=1e-9)


def test_equal_to_a_comparator_in_the_schema(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    import tensorflow_data_validation as tfdv

    first, second = map(statistics_of, frames)
    schema = tfdv.infer_schema(second)
    for name, measure in (("letter", "infinity_norm"), ("count", "jensen_shannon_divergence")):
        getattr(tfdv.get_feature(schema, name).drift_comparator, measure).threshold = 0.1
    judged = judged_distances(tfdv.validate_statistics(first, schema, previous_statistics=second), {"drift": "p"})
    assert len(judged) == 2
    found = {(item.feature, item.measure): item for item in measure_distances(first, second, "p", judged)}
    for item in judged:
        assert found[item.feature, item.measure] == item
        assert item.threshold == 0.1
        assert item.exceeded


def test_features_that_cannot_be_compared() -> None:
    first = statistics_of(pd.DataFrame({"kind": [1, 2], "empty": [None, None], "fine": ["a", "b"]}))
    second = statistics_of(pd.DataFrame({"kind": ["a", "b"], "empty": [1.0, 2.0], "fine": ["a", "b"]}))
    assert {item.feature for item in measure_distances(first, second, "c")} == {"fine"}
    nothing = type(first)()
    nothing.datasets.add()
    assert measure_distances(first, nothing, "c") == []


def test_statistics_of_slices() -> None:
    whole = statistics_of(pd.DataFrame({"x": [1, 2, 3]}))
    whole.datasets[0].name = "All Examples"
    sliced = type(whole)()
    sliced.datasets.add(name="x_1")
    sliced.datasets.append(whole.datasets[0])
    assert all_rows(sliced) == whole.datasets[0]
    del sliced.datasets[1]
    sliced.datasets.add(name="x_2")
    with pytest.raises(ValueError, match=r"expected statistics of 'All Examples', received \['x_1', 'x_2'\]"):
        all_rows(sliced)


def test_order_and_table() -> None:
    near = Distance("near", "previous_statistics", "JENSEN_SHANNON_DIVERGENCE", 0.1)
    far = Distance("far", "previous_statistics", "JENSEN_SHANNON_DIVERGENCE", 0.9, 0.5)
    norm = Distance("far", "previous_statistics", "L_INFTY", 0.25, 0.5)
    assert ranked([near, norm, far]) == [far, norm, near]
    assert largest([near, norm, far]) is far
    assert largest([norm]) is None
    assert describe_distances(ranked([near, norm, far])).splitlines() == [
        "feature         JS      L_inf   abs diff  compared with",
        "far        0.9000*    0.2500           -  previous_statistics",
        "near       0.1000           -          -  previous_statistics",
    ]
    assert describe_distances([far, norm, near], most=1).splitlines()[-1] == "and 1 more, nearer"

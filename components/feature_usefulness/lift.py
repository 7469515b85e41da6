"""Lift: how much more (or less) often a label comes with a value than without looking: P(y | x) / P(y)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_tfx.components.feature_usefulness.encoding import Feature


@dataclass(frozen=True)
class Lift:
    """The lift of one value of a feature for one label; counts are of rows, or of their weights.

    Attributes:
        value: the feature's value.
        lift: P(label | value) / P(label).
        x_count: rows with the value.
        xy_count: rows with value and label.
    """

    value: Any
    lift: float
    x_count: float
    xy_count: float


@dataclass(frozen=True)
class LiftSeries:
    """The lifts of one label, the highest first.

    Attributes:
        label: the label, or its interval ``(low, high)``, half open, if it is numeric.
        y_count: rows with the label.
        lifts: of the values of a feature.
    """

    label: Any
    y_count: float
    lifts: tuple[Lift, ...]


def bin_label(label: Feature, bins: int) -> tuple[NDArray[np.int64], list[Any]]:
    """Codes per row and what they stand for: categories, or intervals that hold equally many rows."""
    import numpy as np

    if label.categories is not None:
        return label.values, label.categories
    inner = np.unique(np.quantile(label.values, np.arange(1, bins) / bins))
    edges = [-np.inf, *inner.tolist(), np.inf]
    return np.digitize(label.values, inner), list(itertools.pairwise(edges))


def compute_lift(
    feature: Feature,
    codes: NDArray[np.int64],
    labels: list[Any],
    weights: NDArray[np.float64] | None,
    min_rows: int,
    top: int,
) -> list[LiftSeries]:
    """The highest and lowest ``top`` lifts per label, of values in at least ``min_rows`` rows.

    Args:
        feature: a categorical feature; a row has a value if it is among the row's values.
        codes: label per row, as indices of ``labels``.
        labels: what the codes stand for.
        weights: one per row; None counts every row once.
        min_rows: see above; always rows, not weights.
        top: see above.
    """
    import numpy as np

    categories = feature.categories or []
    pairs = np.unique(feature.parents * len(categories) + feature.values)
    rows, values = pairs // len(categories), pairs % len(categories)
    weight = np.ones(feature.rows) if weights is None else weights
    shape = (len(categories), len(labels))
    flat = values * len(labels) + codes[rows]
    together = np.bincount(flat, weight[rows], minlength=shape[0] * shape[1]).reshape(shape)
    of_label = np.bincount(codes, weight, minlength=len(labels))
    of_value = together.sum(axis=1)
    often = np.flatnonzero((np.bincount(values, minlength=len(categories)) >= min_rows) & (of_value > 0))
    found = []
    for place, label in enumerate(labels):
        if not of_label[place]:
            continue
        lifts = together[often, place] / of_value[often] / (of_label[place] / weight.sum())
        order = np.argsort(-lifts, kind="stable")
        order = order if len(order) <= 2 * top else np.concatenate([order[:top], order[-top:]])
        entries = tuple(
            Lift(categories[x], float(lifts[i]), float(of_value[x]), float(together[x, place]))
            for i, x in zip(order.tolist(), often[order].tolist(), strict=True)
        )
        found.append(LiftSeries(label, float(of_label[place]), entries))
    return found

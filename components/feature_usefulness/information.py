"""Adjusted mutual information with the label, in bits, as TFDV estimates it.

Between categories it is exact, otherwise it is estimated from nearest neighbours (Kraskov et al.; Ross). Adjusted
means: less what remains when the rows are shuffled, so that features of many values get no credit for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_tfx.components.feature_usefulness.encoding import Feature

_SEED = 12345  # TFDV's
_NEIGHBOURS = 3


def adjusted_mutual_information(label: Feature, feature: Feature, weights: NDArray[np.float64] | None = None) -> float:
    """Bits that the feature says about the label; 0 for one without values, or whose every value is another category.

    Args:
        label: the label; every row has exactly one.
        feature: a feature of the same rows.
        weights: one per row; the mean of the rows' contributions is weighted by them.
    """
    import numpy as np
    from tensorflow_data_validation.utils import mutual_information_util as tfdv

    usable = feature.present
    if feature.categories is None:
        usable = np.zeros(feature.rows, bool)
        usable[feature.parents[~np.isnan(feature.values)]] = True
    unique = feature.categories is not None and not feature.multivalent and len(feature.categories) == usable.sum()
    if label.rows <= _NEIGHBOURS or not usable.any() or (unique and usable.all()):
        return 0.0
    columns, categorical = feature.columns()
    found = tfdv.adjusted_mutual_information(
        [label.column()], columns, [label.categories is not None], [categorical] * len(columns),
        k=_NEIGHBOURS, seed=_SEED, weight_feature=None if weights is None else weights / weights.mean(),
    )  # fmt: skip
    return float(found)


def entropy(label: Feature) -> float | None:
    """Bits in a categorical label: the most that any feature can say about it; None for a numeric one."""
    import numpy as np

    if label.categories is None:
        return None
    shares = np.bincount(label.values) / len(label.values)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def noise(label: Feature, feature: Feature) -> float:
    """Bits that a feature that says nothing may reach.

    Between categories: three standard deviations of the difference of two chi-squared variables. For estimates from
    neighbours: 2.5 / sqrt(rows), which 50 random features with 1,000 rows stayed below (at most 2.24).
    """
    import math

    if label.categories is None or feature.categories is None or feature.multivalent:
        return float(2.5 / math.sqrt(label.rows))
    freedom = max(len(label.categories) - 1, 1) * len(feature.categories)
    return float(3 * math.sqrt(4 * freedom) / (2 * math.log(2) * label.rows))

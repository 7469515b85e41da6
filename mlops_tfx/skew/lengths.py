"""How many values each row of a sparse or ragged feature has, which padding hides: [5] and [5, 0] are padded alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from mlops_tfx.skew.comparison import FEATURE, NUMBERS_OF_VALUES, Outcome, Tolerance, compare

NO_LIST = -1
"""Stands in the place of a list that a shorter row does not have."""


def lengths(tensor: Any) -> list[Any]:
    """Returns the numbers of values as int64 arrays, from the outside: ``[rows]``, ``[rows, lists]`` and so on.

    A dense tensor has none, a sparse one those of its rows, a ragged one an array for each of its ragged dimensions.
    """
    if isinstance(tensor, tf.SparseTensor):
        rows = int(tensor.dense_shape[0])
        return [np.bincount(tensor.indices[:, 0].numpy(), minlength=rows).astype(np.int64)]
    if not isinstance(tensor, tf.RaggedTensor):
        return []
    found, splits = [], tensor.nested_row_splits
    for level, counts in enumerate(tensor.nested_row_lengths()):
        counts = tf.cast(counts, tf.int64)
        if level:
            counts = tf.RaggedTensor.from_nested_row_splits(counts, splits[:level]).to_tensor(NO_LIST)
        found.append(counts.numpy())
    return found


def compare_lengths(name: str, training: Sequence[Any], served: Sequence[Any]) -> list[Outcome]:
    """Returns how the outermost numbers of values that differ do; nothing if all are equal.

    Args:
        name: the feature.
        training: from `lengths`.
        served: likewise.
    """
    for expected, received in zip(training, served, strict=False):
        outcome = compare(name, FEATURE, expected, received, Tolerance())
        if not outcome.equal:
            return [replace(outcome, counted=NUMBERS_OF_VALUES)]
    return []

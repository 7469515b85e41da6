"""Histograms and confusion matrices on arrays: what AUC, precision, recall and most other metrics are derived from."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlops_tfx.components.evaluator.combiners import ArrayCombiner, PairCache, check_fractional, refuse_custom_pairs
from mlops_tfx.components.evaluator.pairing import Array, NotVectorizable, Rows
from mlops_tfx.errors import DataError

# Weights below this many thresholds x rows are compared in one array.
_MAX_COMPARISONS = 1 << 22


class CalibrationHistogram(ArrayCombiner):
    """Sums of labels, predictions and weights in equal buckets of the prediction (10,000 of them for AUC).

    The state holds the buckets that occur: their ids, sorted, and three sums each.
    """

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        labels, predictions, weights = super().columns(rows, pairs)
        if self.settings["_fractional_labels"]:
            check_fractional(labels)
        if self.settings["_prediction_based_bucketing"]:
            buckets = self._bucket(predictions)
        elif self.settings["_fractional_labels"]:
            # Every row counts once as 0 and once as 1; only when labels are bucketed does it matter which.
            weights = np.concatenate([weights * (1 - labels), weights * labels], axis=1)
            labels = np.concatenate([np.zeros(labels.shape), np.ones(labels.shape)], axis=1)
            predictions = np.concatenate([predictions, predictions], axis=1)
            buckets = self._bucket(labels)
        else:
            buckets = self._bucket(labels)
        return labels, predictions, weights, buckets

    def _bucket(self, values: Array) -> Array:
        last = self.settings["_num_buckets"] + 1
        position = (values.astype(np.float64) - self.settings["_left"]) / self.settings["_range"] * (last - 1) + 1
        return np.asarray(np.clip(position, 0, last).astype(np.int64))

    def create(self) -> tuple[Array, Array]:
        return np.zeros(0, np.int64), np.zeros((0, 3))

    def add(self, state: tuple[Array, Array], *columns: Array) -> tuple[Array, Array]:
        labels, predictions, weights, buckets = (column.reshape(-1) for column in columns)
        if self.settings["_fractional_labels"] and not weights.all():
            # TFMA skips halves of no weight, so a row of no weight makes no bucket.
            used = weights != 0
            labels, predictions, weights, buckets = labels[used], predictions[used], weights[used], buckets[used]
        ids, position = np.unique(np.concatenate([state[0], buckets]), return_inverse=True)
        position = position.reshape(-1)
        sums = np.zeros((len(ids), 3))
        sums[position[: len(state[0])]] = state[1]
        position = position[len(state[0]) :]
        for index, values in enumerate((labels * weights, predictions * weights, weights)):
            sums[:, index] += np.bincount(position, weights=values, minlength=len(ids))
        return ids, sums

    def accumulator(self, state: tuple[Array, Array]) -> dict[int, Any]:
        from tensorflow_model_analysis.metrics.calibration_histogram import Bucket

        return {id_: Bucket(id_, *sums) for id_, sums in zip(state[0].tolist(), state[1].tolist(), strict=True)}


class BinaryConfusionMatrices(ArrayCombiner):
    """Weights of true and false positives and negatives at every threshold.

    The state is an array of shape (thresholds, 4): tp, tn, fp, fn.
    """

    def __init__(self, combiner: Any) -> None:
        super().__init__(combiner)
        refuse_custom_pairs(self.settings)
        given = vars(self.settings["_binary_confusion_matrices"])["_thresholds"]
        self._thresholds = np.asarray(given, np.float64)
        self._names = list(given)

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        labels, predictions, weights = super().columns(rows, pairs)
        if self.settings["_enable_fractional_labels"]:
            check_fractional(labels)
        return labels, predictions.astype(np.float64), weights

    def create(self) -> Array:
        return np.zeros((len(self._thresholds), 4))

    def add(self, state: Array, *columns: Array) -> Array:
        labels, predictions, weights = (column.reshape(-1) for column in columns)
        if self.settings["_enable_fractional_labels"]:
            return state + self._by_probability(labels, predictions, weights)
        if labels.size * len(self._thresholds) > _MAX_COMPARISONS and labels.size > 1:
            half = labels.size // 2
            state = self.add(state, labels[:half], predictions[:half], weights[:half])
            return self.add(state, labels[half:], predictions[half:], weights[half:])
        return state + self._by_threshold(labels, predictions, weights)

    def _by_probability(self, labels: Array, predictions: Array, weights: Array) -> Array:
        order = np.argsort(self._thresholds, kind="stable")
        # How many thresholds lie below the prediction: there it counts as positive.
        above = np.searchsorted(self._thresholds[order], predictions, side="left")
        size = len(self._thresholds) + 1
        positive = np.bincount(above, weights=weights * labels, minlength=size)
        negative = np.bincount(above, weights=weights * (1 - labels), minlength=size)
        result = np.zeros((size - 1, 4))
        for target, counts in ((0, positive), (2, negative)):
            result[order, target] = counts[::-1].cumsum()[::-1][1:]
        for target, counts in ((3, positive), (1, negative)):
            result[order, target] = counts.cumsum()[:-1]
        return result

    def _by_threshold(self, labels: Array, predictions: Array, weights: Array) -> Array:
        true = labels[:, None] > self._thresholds
        said = predictions[:, None] > self._thresholds
        cells = (true & said, ~true & ~said, ~true & said, true & ~said)
        return np.stack([weights @ cell for cell in cells], axis=1)

    def accumulator(self, state: Array) -> Any:
        # An empty accumulator comes back filled with zeros for every threshold.
        accumulator = self.combiner.extract_output(self.combiner.create_accumulator())[self.settings["_key"]]
        for threshold, (tp, tn, fp, fn) in zip(self._names, state.tolist(), strict=True):
            entry = accumulator[threshold]
            accumulator[threshold] = entry._replace(matrix=entry.matrix._replace(tp=tp, tn=tn, fp=fp, fn=fn))
        return accumulator


class MultiClassConfusionMatrices(ArrayCombiner):
    """Weight of every pair (actual class, predicted class), at every threshold that the best prediction must exceed.

    The state is, for each threshold, a dict from pair to weight.
    """

    FLATTEN = False

    def __init__(self, combiner: Any) -> None:
        super().__init__(combiner)
        refuse_custom_pairs(self.settings)

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        labels, predictions, weights = super().columns(rows, pairs)
        if predictions.shape[1] < 2:
            raise DataError(
                f"expected several predictions a row for a multi-class matrix, received {predictions.shape[1]}"
            )
        if labels.dtype.kind not in "iufb":
            raise NotVectorizable("labels are not numbers")
        actual = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0].astype(np.int64)
        return actual, predictions.argmax(axis=1), predictions.max(axis=1), weights[:, 0].astype(np.float64)

    def create(self) -> list[dict[tuple[int, int], float]]:
        return [{} for _ in self.settings["_thresholds"]]

    def add(self, state: list[dict[tuple[int, int], float]], *columns: Array) -> list[dict[tuple[int, int], float]]:
        actual, predicted, score, weights = columns
        for matrix, threshold in zip(state, self.settings["_thresholds"], strict=True):
            # TFMA never takes back "no prediction" at a later threshold of its list.
            predicted = np.where(score <= threshold, -1, predicted)
            cells, position = np.unique(np.stack([actual, predicted], axis=1), axis=0, return_inverse=True)
            totals = np.bincount(position.reshape(-1), weights=weights, minlength=len(cells))
            for cell, total in zip(map(tuple, cells.tolist()), totals.tolist(), strict=True):
                matrix[cell] = matrix.get(cell, 0.0) + total
        return state

    def accumulator(self, state: list[dict[tuple[int, int], float]]) -> Any:
        from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import MatrixEntryKey

        accumulator = self.combiner.create_accumulator()
        for threshold, matrix in zip(self.settings["_thresholds"], state, strict=True):
            if matrix:
                accumulator[threshold] = {MatrixEntryKey(*cell): weight for cell, weight in matrix.items()}
        return accumulator

"""Exact counts of values, as a TFDV combiner.

TFDV counts values with a Beam transform over Python tuples. This combiner does the same on Arrow arrays, without Beam,
and its partial result can be merged and stored. Memory grows with the number of different values (about their bytes
and 16 more each); ``use_sketch_based_topk_uniques`` bounds it, by estimating.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_data_validation.arrow import arrow_util
from tensorflow_data_validation.statistics.generators import stats_generator
from tensorflow_data_validation.utils import schema_util, stats_util, top_k_uniques_stats_util
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.arrow import array_util

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tensorflow_data_validation import types

_LEAST_PENDING = 4096
_FEATURE_TYPES = statistics_pb2.FeatureNameStatistics


class ValueCounts:
    """How often each value of a feature occurs, and its weight.

    Attributes:
        values: the different values, as large_binary or int64.
        counts: int64, per value.
        weights: float64, per value, or None without weights.
    """

    __slots__ = ("_pending", "_pending_size", "counts", "values", "weights")

    def __init__(self, values: pa.Array, counts: NDArray[np.int64], weights: NDArray[np.float64] | None) -> None:
        self.values = values
        self.counts = counts
        self.weights = weights
        self._pending: list[ValueCounts] = []
        self._pending_size = 0

    @classmethod
    def of(cls, values: pa.Array, weights: NDArray[Any] | None) -> ValueCounts:
        """Counts the values of one array. ``weights`` has one weight per value."""
        if pa.types.is_binary(values.type) or pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = values.cast(pa.large_binary())
        encoded = values.dictionary_encode()
        codes, size = encoded.indices.to_numpy(), len(encoded.dictionary)
        sums = None if weights is None else _sums(codes, weights, size)
        return cls(encoded.dictionary, np.bincount(codes, minlength=size).astype(np.int64), sums)

    def add(self, other: ValueCounts) -> None:
        """Adds other counts. They are kept aside until there are as many of them as here, so that adding is linear."""
        self._pending.append(other)
        self._pending_size += len(other.values)
        if self._pending_size > max(len(self.values), _LEAST_PENDING):
            self.compact()

    def compact(self) -> None:
        """Adds up what was kept aside."""
        if not self._pending:
            return
        for other in self._pending:
            other.compact()
        parts = [self, *self._pending]
        encoded = pa.concat_arrays([part.values for part in parts]).dictionary_encode()
        codes, size = encoded.indices.to_numpy(), len(encoded.dictionary)
        # Sums in float64 are exact up to 2**53 rows.
        counts = np.concatenate([part.counts for part in parts])
        self.counts = np.bincount(codes, weights=counts, minlength=size).astype(np.int64)
        if self.weights is not None:
            weights = np.concatenate([_weights(part) for part in parts])
            self.weights = _sums(codes, weights, size)
        self.values = encoded.dictionary
        self._pending, self._pending_size = [], 0

    def top(self, size: int, *, weighted: bool) -> list[Any]:
        """The values of the largest counts (or weights); of equal ones, the larger values."""
        numbers = self.weights if weighted else self.counts
        table = pa.table({"number": numbers, "value": self.values})
        order = [("number", "descending"), ("value", "descending")]
        rows = pc.select_k_unstable(table, k=min(size, len(table)), sort_keys=order)
        pair = top_k_uniques_stats_util.FeatureValueCount
        best = table.take(rows)
        return [pair(*both) for both in zip(best["value"].to_pylist(), best["number"].to_pylist(), strict=True)]


def _sums(codes: NDArray[Any], weights: NDArray[Any], size: int) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.bincount(codes, weights=weights, minlength=size).astype(np.float64)
    return sums


def _weights(counts: ValueCounts) -> NDArray[np.float64]:
    assert counts.weights is not None, "a feature has weights in all batches or in none"
    return counts.weights


class ExactTopValues(stats_generator.CombinerStatsGenerator):
    """Number of different values, and the most frequent, of string features and of integers that are categories.

    Args:
        options: a ``tfdv.StatsOptions``.
    """

    def __init__(self, options: Any) -> None:
        super().__init__("ExactTopValues", options.schema)
        schema = options.schema
        self._options = options
        self._weights = options.example_weight_map
        self._bytes = frozenset(schema_util.get_bytes_features(schema) if schema else [])
        self._categorical = schema_util.get_categorical_numeric_feature_types(schema) if schema else {}

    def create_accumulator(self) -> dict[types.FeaturePath, ValueCounts]:
        """Counts by feature."""
        return {}

    def add_input(
        self, accumulator: dict[types.FeaturePath, ValueCounts], batch: pa.RecordBatch
    ) -> dict[types.FeaturePath, ValueCounts]:
        """Counts the values of a batch."""
        arrays = arrow_util.enumerate_arrays(batch, example_weight_map=self._weights, enumerate_leaves_only=True)
        for path, array, weights in arrays:
            if not self._counts(path, array.type):
                continue
            values, rows = array_util.flatten_nested(array, weights is not None)
            if len(values):
                _add(accumulator, path, ValueCounts.of(values, None if weights is None else weights[rows]))
        return accumulator

    def _counts(self, path: types.FeaturePath, array_type: pa.DataType) -> bool:
        kind = stats_util.get_feature_type_from_arrow_type(path, array_type)
        if kind == _FEATURE_TYPES.STRING:
            return path not in self._bytes
        return kind == _FEATURE_TYPES.INT and bool(
            top_k_uniques_stats_util.output_categorical_numeric(self._categorical, path, kind)
        )

    def merge_accumulators(
        self, accumulators: Iterable[dict[types.FeaturePath, ValueCounts]]
    ) -> dict[types.FeaturePath, ValueCounts]:
        """Adds the counts up, in the first accumulator."""
        first, *others = accumulators
        for other in others:
            for path, counts in other.items():
                _add(first, path, counts)
        return first

    def compact(self, accumulator: dict[types.FeaturePath, ValueCounts]) -> dict[types.FeaturePath, ValueCounts]:
        """Adds up what was kept aside."""
        for counts in accumulator.values():
            counts.compact()
        return accumulator

    def extract_output(
        self, accumulator: dict[types.FeaturePath, ValueCounts]
    ) -> statistics_pb2.DatasetFeatureStatistics:
        """TFDV's message."""
        options = self._options
        size = max(options.num_top_values, options.num_rank_histogram_buckets)
        result = statistics_pb2.DatasetFeatureStatistics()
        for path, counts in accumulator.items():
            counts.compact()
            weighted = None if counts.weights is None else counts.top(size, weighted=True)
            message = top_k_uniques_stats_util.make_feature_stats_proto_topk_uniques(
                feature_path=path,
                num_top_values=options.num_top_values,
                num_rank_histogram_buckets=options.num_rank_histogram_buckets,
                num_unique=len(counts.values),
                value_count_list=counts.top(size, weighted=False),
                weighted_value_count_list=weighted,
                frequency_threshold=options.frequency_threshold,
                weighted_frequency_threshold=options.weighted_frequency_threshold,
            )
            result.features.add().CopyFrom(message)
        return result


def _add(accumulator: dict[types.FeaturePath, ValueCounts], path: types.FeaturePath, counts: ValueCounts) -> None:
    if path in accumulator:
        accumulator[path].add(counts)
    else:
        accumulator[path] = counts

"""Which row goes to which split: TFX's rule, so that the same input gives the same splits.

The key of a row is its serialized tf.Example (map entries sorted), or the serialized feature named by
``partition_feature_name``. Row's bucket: SHA-256 of the key, as a number, modulo the sum of all ``hash_buckets``; the
splits share the buckets in their order.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import ConfigError, DataError, did_you_mean
from mlops_tfx.io import wire

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_tfx import config
    from mlops_tfx.io.rows import Rows

DEFAULT_SPLITS = (("train", 2), ("eval", 1))
_SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Partition:
    """Assigns rows to output splits.

    Args:
        splits: name and number of hash buckets of every output split, in order.
        feature: partition by this feature's value instead of by the whole row.
        order_by: divide the rows in the order of this feature; `time_order.fit` makes the partition that does.
    """

    def __init__(
        self, splits: Sequence[tuple[str, int]], feature: str | None = None, order_by: str | None = None
    ) -> None:
        self.names = tuple(name for name, _ in splits)
        self.shares = tuple(buckets for _, buckets in splits)
        self.feature = feature
        self.order_by = order_by
        self._ends = np.cumsum([buckets for _, buckets in splits], dtype=np.uint64)

    def assign(self, rows: Rows) -> NDArray[np.int64]:
        """Returns the position of every row's split.

        Raises:
            DataError: the feature to partition by is not there, or is neither int64 nor bytes.
        """
        keys = rows.records if self.feature is None else _feature_keys(rows.batch, self.feature)
        buckets = hash_modulo(keys, int(self._ends[-1]))
        return np.searchsorted(self._ends, buckets, side="right")


def output_partition(output_config: config.Output | None, input_splits: Sequence[str]) -> Partition | None:
    """Returns how rows are divided, or None if the input is already in splits, which then stay as they are.

    Raises:
        ConfigError: output splits for an input that is already in splits, or names or buckets that cannot be.
    """
    split_config = output_config.split_config if output_config else None
    splits = [(split.name, split.hash_buckets) for split in split_config.splits] if split_config else []
    if len(input_splits) > 1:
        if splits:
            raise ConfigError(
                f"expected no output splits, because the input is already in splits {list(input_splits)}, received "
                f"output_config with splits {[name for name, _ in splits]}; leave output_config out"
            )
        _check_names(input_splits)
        return None
    partition = splits or list(DEFAULT_SPLITS)
    _check_names([name for name, _ in partition])
    if any(buckets < 1 for _, buckets in partition):
        listing = ", ".join(f"{name}: {buckets}" for name, buckets in partition)
        raise ConfigError(f"expected at least one hash bucket for every output split, received {listing}")
    if split_config and split_config.order_by:
        return Partition(partition, order_by=split_config.order_by)
    return Partition(partition, split_config.partition_feature_name if split_config else None)


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _SPLIT_NAME.fullmatch(name):
            raise ConfigError(f"expected a split name of letters, digits, '_' and '-', received name={name!r}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f"expected every split name once, received {', '.join(twice)} several times")


def hash_modulo(keys: pa.BinaryArray, modulus: int) -> NDArray[np.uint64]:
    """``int(sha256(key).hexdigest(), 16) % modulus`` of every key; ``modulus`` is below 2**32."""
    data, edges = keys.buffers()[2], wire.binary_offsets(keys).tolist()
    raw = data.to_pybytes() if data is not None else b""
    sha256 = hashlib.sha256
    digests = b"".join([sha256(raw[a:b]).digest() for a, b in itertools.pairwise(edges)])
    words = np.frombuffer(digests, ">u4").reshape(-1, 8).astype(np.uint64)
    rest = np.zeros(len(words), np.uint64)
    for index in range(8):
        rest = ((rest << np.uint64(32)) + words[:, index]) % np.uint64(modulus)
    return rest


def _feature_keys(batch: pa.RecordBatch, name: str) -> pa.BinaryArray:
    column = feature_column(batch, name, "rows are partitioned")
    value_type = column.type.value_type
    if not (pa.types.is_int64(value_type) or wire.is_bytes(value_type)):
        raise DataError(f"column {name!r}: expected integers or bytes to partition by, received type={value_type}")
    return wire.encode_feature(column)


def feature_column(batch: pa.RecordBatch, name: str, purpose: str) -> pa.Array:
    """The column of a feature that every row must have.

    Raises:
        DataError: there is no such feature, or a row has no value of it.
    """
    place = batch.schema.get_field_index(name)
    if place < 0:
        hint = did_you_mean(name, batch.schema.names)
        raise DataError(f"expected a feature by which {purpose}, received {name!r}, which there is not{hint}")
    column = batch.column(place)
    if column.null_count:
        first = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise DataError(
            f"column {name!r}: expected a value in every row, because {purpose} by it, received none in row {first} "
            f"of a batch; choose another feature"
        )
    return column

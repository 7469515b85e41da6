"""Serialized tf.Examples to Arrow record batches through TensorFlow's parser: ten times as fast as tfx_bsl's decoder.

For programs that have imported TensorFlow anyway, and know the features and their types: importing it only to decode
would take longer than decoding a million rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_KINDS = {1: "BYTES", 2: "INT", 3: "FLOAT"}  # tensorflow_metadata's FeatureType


def feature_kinds(schema: Any) -> dict[str, str] | None:
    """Returns name to ``BYTES``, ``INT`` or ``FLOAT``, or None if a feature of the schema has another type."""
    kinds = {feature.name: _KINDS.get(feature.type) for feature in schema.feature}
    return None if None in kinds.values() or not kinds else kinds  # type: ignore[return-value]  # no None in it


def decode_records(records: Sequence[bytes], kinds: Mapping[str, str]) -> pa.RecordBatch:
    """Decodes tf.Examples to a batch in tf.Example form.

    Args:
        records: serialized tf.Examples.
        kinds: the features to decode, from `feature_kinds`.

    Returns:
        One row per record and one column per feature, in the order of ``kinds``; no value is a null row.

    Raises:
        DataError: a record is no tf.Example, or a feature has another type.
    """
    import tensorflow as tf

    dtypes = {"BYTES": tf.string, "INT": tf.int64, "FLOAT": tf.float32}
    with tf.device("/cpu:0"):
        try:
            parsed = tf.raw_ops.ParseExampleV2(
                serialized=tf.constant(list(records), tf.string, shape=[len(records)]),
                names=[],
                sparse_keys=[],
                dense_keys=[],
                ragged_keys=list(kinds),
                dense_defaults=[],
                num_sparse=0,
                sparse_types=[],
                ragged_value_types=[dtypes[kind] for kind in kinds.values()],
                ragged_split_types=[tf.int64] * len(kinds),
                dense_shapes=[],
            )
        except tf.errors.InvalidArgumentError as error:
            raise DataError(_reason(str(error.message))) from error
        pairs = zip(parsed.ragged_values, parsed.ragged_row_splits, strict=True)
        columns = [_column(values, splits.numpy()) for values, splits in pairs]
    return pa.RecordBatch.from_arrays(columns, list(kinds))


def _reason(message: str) -> str:
    # TensorFlow puts the operation around what matters: "{{function_node ...}} Key: month ... [Op:ParseExampleV2]".
    text = re.sub(r"^\{\{.*?\}\} ", "", message).partition("[Op:")[0]
    return text.replace("Name: <unknown>, ", "").strip()[:500]


def _column(values: Any, offsets: NDArray[np.int64]) -> pa.Array:
    rows = len(offsets) - 1
    items = _strings(values) if values.dtype == "string" else pa.array(values.numpy())
    present = np.diff(offsets) > 0
    missing = rows - int(np.count_nonzero(present))
    bitmap = pa.py_buffer(np.packbits(present, bitorder="little")) if missing else None
    buffers = [bitmap, pa.py_buffer(offsets)]
    return pa.Array.from_buffers(pa.large_list(items.type), rows, buffers, missing, children=[items])


def _strings(values: Any) -> pa.Array:
    import tensorflow as tf

    # One string of all, cut by lengths: no Python object per value.
    ends = np.cumsum(tf.strings.length(values).numpy(), dtype=np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    data = tf.strings.reduce_join(values).numpy()
    return pa.Array.from_buffers(pa.large_binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])

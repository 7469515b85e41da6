"""Raw features as plain dense tensors: what ``serving_raw`` takes, and how it becomes what a parsed tf.Example gives.

Every input may have the shape ``[rows]``, ``[rows, 1]`` or ``[rows, values]``; a scalar counts for all rows. A value
that is missing is NaN (float), ``""`` (string) or -2**63 (int64). An input that may be missing altogether has a
default in the signature: that marker, or the default of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mlops_tfx.errors import ExportError

MISSING: Mapping[tf.DType, Any] = {tf.float32: float("nan"), tf.string: b"", tf.int64: -(2**63)}


def default_value(spec: Any, needed: bool) -> Any | None:
    """Returns the value that stands for an input that is not sent, or None if it must be sent."""
    if isinstance(spec, tf.io.FixedLenFeature):
        if spec.default_value is not None:
            return _first(spec.default_value)
        return None if needed else MISSING[spec.dtype]
    return MISSING[spec.dtype]


def _first(value: Any) -> Any:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value


def check_dense(name: str, spec: Any) -> None:
    """Raises ExportError if no dense tensor can express the feature."""
    simple_ragged = isinstance(spec, tf.io.RaggedFeature) and not spec.partitions
    if isinstance(spec, (tf.io.FixedLenFeature, tf.io.VarLenFeature)) or simple_ragged:
        return
    raise ExportError(
        f"feature {name!r} is a {type(spec).__name__}, which serving_raw cannot take as one dense tensor; "
        "export with raw_signature=False, or leave it out with exclude"
    )


def parse_dense(tensors: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns features as ``tf.io.parse_example`` with ``spec`` would.

    Args:
        tensors: feature -> dense tensor of any rank.
        spec: feature -> its parsing configuration.
    """
    tables = {name: _as_table(tensors[name]) for name in spec}
    rows = _common_rows([tensors[name] for name in spec])
    return {name: _parse(tables[name], rows, spec[name]) for name in spec}


def _leading(tensor: Any) -> tuple[Any, Any]:
    # First dimension and rank, both dynamic; a scalar has one row.
    shape = tf.concat([tf.shape(tensor), [1]], axis=0)
    return shape[0], tf.rank(tensor)


def _as_table(tensor: Any) -> Any:
    rows, _ = _leading(tensor)
    # Zero rows leave -1 undetermined, so the number of values is computed.
    columns = tf.reduce_prod(tf.concat([tf.shape(tensor)[1:], [1]], axis=0))
    return tf.reshape(tensor, tf.stack([rows, columns]))


def _common_rows(tensors: list[Any]) -> Any:
    counts = []
    for tensor in tensors:
        rows, rank = _leading(tensor)
        counts.append(tf.where(rank > 0, rows, -1))
    most = tf.reduce_max(tf.stack(counts))
    return tf.where(most < 0, 1, most)


def _parse(table: Any, rows: Any, spec: Any) -> Any:
    columns = tf.shape(table)[1]
    # Fails if two inputs have different numbers of rows, other than one.
    table = tf.broadcast_to(table, tf.stack([rows, columns]))
    if isinstance(spec, tf.io.FixedLenFeature):
        return tf.ensure_shape(tf.reshape(table, tf.stack([rows, *spec.shape])), [None, *spec.shape])
    present = _present(table)
    where = tf.where(present)
    values = tf.gather_nd(table, where)
    if isinstance(spec, tf.io.RaggedFeature):
        ragged = tf.RaggedTensor.from_value_rowids(values, where[:, 0], tf.cast(rows, tf.int64), validate=False)
        return ragged.with_row_splits_dtype(spec.row_splits_dtype)
    # Values move left over missing ones, as in an example, which cannot hold a gap.
    counts = tf.cumsum(tf.cast(present, tf.int64), axis=1)
    position = tf.gather_nd(counts, where) - 1
    width = tf.reduce_max(tf.pad(counts, [[0, 1], [0, 1]]))
    return tf.SparseTensor(
        tf.stack([where[:, 0], position], axis=1), values, tf.stack([tf.cast(rows, tf.int64), width])
    )


def _present(table: Any) -> Any:
    if table.dtype.is_floating:
        return tf.logical_not(tf.math.is_nan(table))
    return tf.not_equal(table, tf.constant(MISSING[table.dtype], table.dtype))


def widen_empty(features: Mapping[str, Any]) -> dict[str, Any]:
    """Gives sparse features at least one column.

    A batch in which a feature is missing from every row is parsed to the dense shape ``[rows, 0]``. Preprocessing
    rarely sees one in training, and often at serving, where a batch is one row.
    """
    return {name: _widen(value) if isinstance(value, tf.SparseTensor) else value for name, value in features.items()}


def _widen(sparse: Any) -> Any:
    if sparse.shape.rank != 2:
        return sparse
    return tf.SparseTensor(sparse.indices, sparse.values, tf.maximum(sparse.dense_shape, [0, 1]))

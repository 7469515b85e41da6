"""Rows as the inputs of a signature: serialized records, or one feature per input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.errors import DataError, did_you_mean
from mlops_tfx.io import wire

if TYPE_CHECKING:
    from mlops_tfx.inference.batches import Batch
    from mlops_tfx.inference.signatures import InputTensor, Task


def feeds_of(task: Task, batch: Batch) -> dict[str, Any]:
    """Returns what to feed: name in the graph to array. Raises DataError for rows that do not fit the signature."""
    if task.takes_records:
        return {task.inputs[0].tensor: batch.records.to_numpy(zero_copy_only=False)}
    return {tensor.tensor: _dense(tensor, task.signature, batch) for tensor in task.inputs}


def _dense(tensor: InputTensor, signature: str, batch: Batch) -> Any:
    """The feature of an input's name as an array ``[rows, ...]``."""
    table = batch.columns
    where = f"{batch.where}: input {tensor.alias!r} of signature {signature!r}"
    if tensor.alias not in table.schema.names:
        hint = did_you_mean(tensor.alias, table.schema.names)
        raise DataError(f"{where}: expected a feature of this name, received none{hint}")
    column = table.column(table.schema.names.index(tensor.alias))
    if not hasattr(column.type, "value_type"):
        raise DataError(f"{where}: expected a list of values in every row, received type={column.type}")
    offsets = wire.binary_offsets(column)
    counts = np.where(np.asarray(column.is_null()), 0, np.diff(offsets))
    inner = () if tensor.shape is None else tensor.shape[1:]
    width = int(counts[0]) if None in inner or tensor.shape is None else math.prod(inner)  # type: ignore[arg-type]
    wrong = np.flatnonzero(counts != width)
    if len(wrong):
        raise DataError(
            f"{where}: expected {width} values in every row, received {counts[wrong[0]]} in row {wrong[0]} of these"
        )
    # All rows have the same number of values, so those of null rows (if any) are none.
    values = column.flatten().to_numpy(zero_copy_only=False)
    sizes = [-1 if size is None else size for size in inner] if inner.count(None) < 2 else [width]
    return values.astype(_numpy_type(tensor, values, where)).reshape(len(batch), *(sizes if inner else ()))


def _numpy_type(tensor: InputTensor, values: Any, where: str) -> Any:
    expected = tensor.dtype.as_numpy_dtype
    kinds = (np.dtype(expected).kind, values.dtype.kind)
    if kinds[0] == kinds[1] or kinds in (("f", "i"), ("u", "i"), ("b", "i")):
        return expected
    raise DataError(f"{where}: expected values for {tensor.dtype.name}, received {values.dtype}")

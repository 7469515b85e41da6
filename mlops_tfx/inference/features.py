"""Rows as the inputs of a signature: serialized records, or one feature per input.

`export_model` gives every model the signature ``serving_raw``, in which NaN, ``""`` and -2**63 say that there is no
value. Its inputs have these as defaults, so rows that lack features, or have different numbers of values, fit it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError, did_you_mean
from mlops_tfx.io import wire
from mlops_tfx.serving.input_names import RAW_SIGNATURE, input_aliases

if TYPE_CHECKING:
    from mlops_tfx.inference.batches import Batch
    from mlops_tfx.inference.signatures import InputTensor, Task


# What inputs of serialized records are usually called; rows need not be decoded to see that they are no features.
_RECORD_INPUTS = frozenset({"examples", "example", "inputs", "input", "input_example_tensor", "serialized_examples"})


def feeds_of(task: Task, batch: Batch) -> dict[str, Any]:
    """Returns what to feed: name in the graph to array. Raises DataError for rows that do not fit the signature."""
    if gives_records(task, batch):
        return {task.inputs[0].tensor: batch.records.to_numpy(zero_copy_only=False)}
    names = batch.columns.schema.names
    # Names that TensorFlow does not accept for inputs are changed in that signature.
    aliases = {alias: name for name, alias in input_aliases(names).items()} if task.signature == RAW_SIGNATURE else {}
    return {tensor.tensor: _feed(tensor, aliases.get(tensor.alias, tensor.alias), task.signature, batch)
            for tensor in task.inputs}  # fmt: skip


def gives_records(task: Task, batch: Batch) -> bool:
    """Whether a signature is given whole records: its only input may also be a feature that is a text.

    Then it has the feature's name.
    """
    if not task.takes_records:
        return False
    alias = task.inputs[0].alias
    return alias in _RECORD_INPUTS or alias not in batch.columns.schema.names


def _feed(tensor: InputTensor, name: str, signature: str, batch: Batch) -> Any:
    """The feature of an input's name as an array ``[rows, ...]``."""
    table = batch.columns
    where = f"{batch.where}: input {tensor.alias!r} of signature {signature!r}"
    optional = signature == RAW_SIGNATURE and tensor.default is not None
    if name not in table.schema.names:
        if optional:
            return np.full(len(batch), tensor.default, tensor.dtype.as_numpy_dtype)
        hint = did_you_mean(name, table.schema.names)
        raise DataError(f"{where}: expected a feature of this name, received none{hint}")
    column = table.column(table.schema.names.index(name))
    if optional and pa.types.is_null(column.type):
        return np.full(len(batch), tensor.default, tensor.dtype.as_numpy_dtype)
    if not hasattr(column.type, "value_type"):
        raise DataError(f"{where}: expected a list of values in every row, received type={column.type}")
    offsets = wire.binary_offsets(column)
    counts = np.where(np.asarray(column.is_null()), 0, np.diff(offsets))
    return _padded(tensor, column, counts, where) if optional else _dense(tensor, column, counts, where)


def _padded(tensor: InputTensor, column: pa.Array, counts: Any, where: str) -> Any:
    """Values ``[rows]`` or ``[rows, most]``; the input's default where a row has fewer."""
    values = column.flatten().to_numpy(zero_copy_only=False)
    array = np.full((len(counts), max(1, int(counts.max(initial=0)))), tensor.default, tensor.dtype.as_numpy_dtype)
    if len(values):
        rows = np.repeat(np.arange(len(counts)), counts)
        array[rows, np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)] = values.astype(
            _numpy_type(tensor, values, where)
        )
    return array[:, 0] if array.shape[1] == 1 else array


def _dense(tensor: InputTensor, column: pa.Array, counts: Any, where: str) -> Any:
    """Values ``[rows, ...]``, as many in every row as the input has."""
    first = int(counts[0]) if len(counts) else 1
    # An input of any rank gets scalars where it can.
    inner = tensor.shape[1:] if tensor.shape is not None else () if first == 1 else (first,)
    width = first if None in inner or tensor.shape is None else math.prod(inner)  # type: ignore[arg-type]
    wrong = np.flatnonzero(counts != width)
    if len(wrong):
        raise DataError(
            f"{where}: expected {width} values in every row, received {counts[wrong[0]]} in row {wrong[0]} of these"
        )
    # All rows have the same number of values, so those of null rows (if any) are none.
    values = column.flatten().to_numpy(zero_copy_only=False)
    sizes = [-1 if size is None else size for size in inner] if inner.count(None) < 2 else [width]
    return values.astype(_numpy_type(tensor, values, where)).reshape(len(counts), *(sizes if inner else ()))


def _numpy_type(tensor: InputTensor, values: Any, where: str) -> Any:
    expected = tensor.dtype.as_numpy_dtype
    kinds = (np.dtype(expected).kind, values.dtype.kind)
    if kinds[0] == kinds[1] or kinds in (("f", "i"), ("u", "i"), ("b", "i")):
        return expected
    raise DataError(f"{where}: expected values for {tensor.dtype.name}, received {values.dtype}")

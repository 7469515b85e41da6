"""Predictions as Arrow columns in tf.Example form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from mlops_tfx.inference.batches import Batch
    from mlops_tfx.inference.signatures import Task

_INT64_MAX = np.iinfo(np.int64).max


def with_predictions(
    batch: Batch, keep: Sequence[str] | None, tasks: Sequence[Task], outputs: Sequence[dict[str, Any]]
) -> pa.RecordBatch:
    """Returns the kept features and the predictions side by side.

    Args:
        batch: the rows.
        keep: features to keep; None for all.
        tasks: what was run.
        outputs: what came out, per task.

    Raises:
        DataError: an output is more than a list per row.
    """
    names, arrays = kept_features(batch, keep)
    for task, values in zip(tasks, outputs, strict=True):
        for key, column in task.columns:
            names.append(column)
            arrays.append(_column(values[key], f"{batch.where}: output {key!r} of signature {task.signature!r}"))
    return pa.RecordBatch.from_arrays(arrays, names)


def kept_features(batch: Batch, keep: Sequence[str] | None) -> tuple[list[str], list[pa.Array]]:
    """Returns names and columns of the features to keep; one that no row of the batch has is of type null."""
    if keep is not None and not keep:
        return [], []
    table = batch.columns
    known = {name: table.column(index) for index, name in enumerate(table.schema.names)}
    names = list(known) if keep is None else list(keep)
    return names, [known[name] if name in known else pa.nulls(len(batch)) for name in names]


def features_in(batch: Batch) -> list[str]:
    """Names of the features that a row of the batch has."""
    return [field.name for field in batch.columns.schema if str(field.type) != "null"]


def check_free(batch: Batch, keep: Sequence[str] | None, tasks: Sequence[Task]) -> None:
    """Raises DataError if a column for predictions has the name of a kept feature."""
    if keep is not None:
        return  # compared when the pipeline was wired
    taken = set(batch.columns.schema.names)
    for task in tasks:
        for _, column in task.columns:
            if column in taken:
                raise DataError(
                    f"{batch.where}: the rows have a feature {column!r} already; choose another column in "
                    "output_example_spec, or name the features to keep (keep_features)"
                )


def _column(value: Any, where: str) -> pa.Array:
    """An array ``[rows, ...]`` as a list of int64, float32 or binary values per row."""
    array = np.asarray(value)
    rows = len(array)
    if len([size for size in array.shape[1:] if size != 1]) > 1:
        raise DataError(f"{where}: expected one number, or one list of numbers, per row, received {array.shape}")
    values = _values(array.reshape(-1), where)
    width = len(values) // rows if rows else 0
    if not width:
        return pa.nulls(rows)
    offsets = pa.array(np.arange(0, rows * width + 1, width, dtype=np.int64))
    return pa.LargeListArray.from_arrays(offsets, values)


def _values(flat: Any, where: str) -> pa.Array:
    if flat.dtype.kind in "OSU":
        return pa.array(flat, pa.large_binary())
    if flat.dtype.kind in "iub":
        if flat.dtype == np.uint64 and flat.size and int(flat.max()) > _INT64_MAX:
            raise DataError(f"{where}: {int(flat.max())} is too large for an int64, which is what a tf.Example has")
        return pa.array(flat.astype(np.int64))
    if flat.dtype.kind == "c":
        raise DataError(f"{where}: expected real numbers or text, received {flat.dtype}")
    return pa.array(flat.astype(np.float32))

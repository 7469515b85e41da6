"""One set of columns for all files of an input split, whatever differs between the files.

What is inferred or declared per file is brought together before the first row is written: columns in the order in which
they first occur, one kind of value in each. So the files that are written, and every row's split, do not depend on how
rows are spread over files.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns


def agree(files: Mapping[str, Mapping[str, pa.DataType]]) -> dict[str, pa.DataType]:
    """Returns the value type (int64, float32, large_binary or null) of every column.

    An integer column that is a float column in another file becomes a float column, as in CSV files.

    Args:
        files: by file, the plain Arrow type of every column.

    Raises:
        DataError: a type has no counterpart in a tf.Example, or files disagree about numbers and text; names files and
            column.
    """
    agreed: dict[str, pa.DataType] = {}
    source: dict[str, str] = {}
    for path, types in files.items():
        for name, data_type in types.items():
            found = _value_type(path, name, data_type)
            before = agreed.get(name, pa.null())
            wider = _wider(before, found)
            if wider is None:
                raise DataError(
                    f"{path}: column {name!r}: expected {_KINDS[before]} as in {source[name]}, received "
                    f"{_KINDS[found]} ({data_type}); convert one of the files"
                )
            agreed[name] = wider
            if name not in source or pa.types.is_null(before):
                source[name] = path
    return agreed


_KINDS = {pa.int64(): "integers", pa.float32(): "floats", pa.large_binary(): "text or bytes"}


def _value_type(path: str, name: str, data_type: pa.DataType) -> pa.DataType:
    try:
        return columns.feature_type(name, data_type)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _wider(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    return pa.float32() if {first, second} == {pa.int64(), pa.float32()} else None


def conform(batch: pa.RecordBatch, agreed: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Returns a batch in tf.Example form with exactly the agreed columns; absent ones are missing values.

    Raises:
        DataError: there is no column.
    """
    if not agreed:
        raise DataError(f"expected at least one column, received {batch.num_rows} rows without any")
    known = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    missing = pa.nulls(batch.num_rows)
    arrays = [_to_type(known.get(name, missing), value_type) for name, value_type in agreed.items()]
    return pa.RecordBatch.from_arrays(arrays, list(agreed))


def _to_type(column: pa.Array, value_type: pa.DataType) -> pa.Array:
    if pa.types.is_null(column.type) or column.type.value_type == value_type:
        return column
    # Only integers have to become floats.
    lengths = np.diff(np.asarray(column.offsets)) * np.asarray(column.is_valid())
    return columns.make_lists(column.flatten().cast(value_type, safe=False), lengths)

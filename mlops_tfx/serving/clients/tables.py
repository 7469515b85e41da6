"""Frames, tables, dicts and rows as Arrow's record batches and columns; answers as tables.

Arrow is imported when a table comes, not before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.serving.tensor_messages import Array


def is_table(value: Any) -> bool:
    """Whether a value is a pandas frame or Arrow's; imports neither: who has one has imported it."""
    pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return True
    return arrow is not None and isinstance(value, (arrow.RecordBatch, arrow.Table))


def is_series(value: Any) -> bool:
    """Whether a value is a pandas series, of which it cannot be told whether it is a row or a column."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def to_batch(value: Any) -> pa.RecordBatch:
    """Returns a frame, table or batch as one record batch. In a frame NaN, None and NA are missing, as pandas has it.

    Raises ValueError for a column that Arrow cannot hold.
    """
    import pyarrow as pa

    if isinstance(value, pa.RecordBatch):
        return _with_names_of_their_own(value)
    if not isinstance(value, pa.Table):
        try:
            value = pa.Table.from_pandas(value, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError) as error:
            raise ValueError(
                f"expected columns of one type each, received a frame that Arrow refuses: {error}"
            ) from error
    columns = [_one_chunk(column) for column in value.columns]
    return _with_names_of_their_own(make_batch(columns, value.column_names, value.num_rows))


def _with_names_of_their_own(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = batch.schema.names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"expected every column name once, received {', '.join(map(repr, twice))} several times")
    return batch


def to_column(value: Any) -> pa.Array | None:
    """Returns Arrow's and pandas' columns, and numpy's dates and times, as one array of Arrow; None for all others.

    Raises ValueError for a column that Arrow cannot hold.
    """
    is_array = isinstance(value, np.ndarray)
    if isinstance(value, (list, tuple)) or (is_array and value.dtype.kind not in "mM"):
        return None
    arrow, pandas = sys.modules.get("pyarrow"), sys.modules.get("pandas")
    if arrow is not None and isinstance(value, arrow.ChunkedArray):
        return _one_chunk(value)
    if arrow is not None and isinstance(value, arrow.Array):
        return value
    if (is_array and value.ndim == 1) or (pandas is not None and isinstance(value, _pandas_columns(pandas))):
        return _column(value)
    return None


def _pandas_columns(pandas: Any) -> tuple[type, ...]:
    return (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


def make_batch(columns: list[Any], names: list[str], rows: int) -> pa.RecordBatch:
    """Returns columns as a record batch, which has its rows also without any."""
    from mlops_tfx.io import columns as io_columns

    return io_columns.make_batch(columns, names, rows)


def from_columns(columns: Mapping[str, Any]) -> pa.RecordBatch:
    """Returns a dict of lists or arrays as a record batch; None is missing, NaN only in a Series. Raises ValueError."""
    arrays = {}
    for name, values in columns.items():
        try:
            column = to_column(values)
            arrays[name] = _column(values) if column is None else column
        except ValueError as error:
            raise ValueError(f"feature {name!r}: {error}") from error
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected as many values in every feature, received {lengths}")
    return make_batch(list(arrays.values()), list(arrays), next(iter(lengths.values()), 0))


def from_rows(rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pa.RecordBatch | None:
    """Returns rows as a record batch if every value is a plain one of the dtype that the model parses; else None."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    types = {"DT_FLOAT": pa.float64(), "DT_INT64": pa.int64(), "DT_STRING": pa.large_binary()}
    if not names or any(dtypes.get(name) not in types for name in names):
        return None
    try:
        columns = [_typed_column([row.get(name) for row in rows], types[dtypes[name]]) for name in names]
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    return make_batch(columns, list(names), len(rows))


def _typed_column(values: list[Any], kind: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_integer(kind):
        return pa.array(values, kind)
    # Asked for integers, Arrow would cut 1.5 to 1 without a word.
    column = pa.array(values)
    if not (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise pa.ArrowTypeError(f"expected integers, received {column.type}")
    return column


def _column(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray):
        # Rows of several values are lists; text goes by Python objects, as numpy pads it.
        values = values.tolist() if values.ndim > 1 or values.dtype.kind in "OUS" else values
    elif isinstance(values, (str, bytes)) or not (hasattr(values, "__len__") and hasattr(values, "__getitem__")):
        raise ValueError(
            f"expected a list of values, one per row, received {type(values).__name__}; a row is a dict in a list"
        )
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        mixed = [item.encode() if isinstance(item, str) else item for item in values]
        if all(item is None or isinstance(item, bytes) for item in mixed):
            return pa.array(mixed, pa.binary())
        raise ValueError(f"expected values of one type per column: {error}") from error


def from_outputs(outputs: Mapping[str, Array]) -> pa.RecordBatch:
    """Returns outputs as columns. Raises ValueError if they differ in their number of rows, or have none."""
    sizes = {name: np.shape(array)[0] if np.ndim(array) else None for name, array in outputs.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values():
        raise ValueError(f"expected outputs of one row per row asked for, received the rows {sizes}")
    rows = next(iter(sizes.values()))
    return make_batch([_to_column(array) for array in outputs.values()], list(outputs), rows or 0)


def _to_column(array: Array) -> Any:
    import pyarrow as pa

    if array.ndim > 1:
        inner = _to_column(array.reshape(-1, *array.shape[2:]))
        offsets = np.arange(len(array) + 1, dtype=np.int32) * array.shape[1]
        return pa.ListArray.from_arrays(pa.array(offsets), inner)
    if array.dtype != object:
        return pa.array(array)
    binary = pa.array(array.tolist(), pa.binary())
    try:
        return binary.cast(pa.string())
    except pa.ArrowInvalid:
        return binary

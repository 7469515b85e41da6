"""Arrow record batches and pandas frames as tensors and as tf.Examples; answers as tables.

Arrow is imported when a table comes, not before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.serving.clients.fitting import fit

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
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"expected columns of one type each, received a frame that Arrow refuses: {error}"
            ) from error
    columns = [_one_chunk(column) for column in value.columns]
    return _with_names_of_their_own(_make_batch(columns, value.column_names, value.num_rows))


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
    arrow, pandas = sys.modules.get("pyarrow"), sys.modules.get("pandas")
    if arrow is not None and isinstance(value, arrow.ChunkedArray):
        return _one_chunk(value)
    if arrow is not None and isinstance(value, arrow.Array):
        return value
    is_time = isinstance(value, np.ndarray) and value.dtype.kind in "mM" and value.ndim == 1
    if is_time or (pandas is not None and isinstance(value, _pandas_columns(pandas))):
        return _column(value)
    return None


def _pandas_columns(pandas: Any) -> tuple[type, ...]:
    return (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


def _make_batch(columns: list[Any], names: list[str], rows: int) -> Any:
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
    return _make_batch(list(arrays.values()), list(arrays), next(iter(lengths.values()), 0))


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
    return _make_batch(columns, list(names), len(rows))


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


def to_examples(batch: pa.RecordBatch, dtypes: Mapping[str, str]) -> list[bytes]:
    """Returns rows as serialized tf.Examples, by the data plane's encoder: no Python runs per row.

    Args:
        batch: plain columns, or lists of values.
        dtypes: feature -> dtype that the model parses, as far as it is known; other features go by their values.

    Raises:
        ValueError: a column that no feature can hold, or values that do not fit the dtype.
    """
    from mlops_tfx.errors import DataError
    from mlops_tfx.io import columns, wire

    for index, name in enumerate(batch.schema.names):
        _check_range(name, batch.column(index))
    try:
        form = columns.to_example_form(batch)
        fitted = [_fit_feature(name, form.column(i), dtypes.get(name)) for i, name in enumerate(form.schema.names)]
        examples = wire.encode_examples(_make_batch(fitted, form.schema.names, form.num_rows))
    except DataError as error:
        raise ValueError(str(error)) from error
    encoded: list[bytes] = examples.to_numpy(zero_copy_only=False).tolist()
    if len(encoded) != batch.num_rows:
        raise ValueError(f"expected {batch.num_rows} examples, received {len(encoded)}: an error of the encoder")
    return encoded


def _check_range(name: str, column: Any) -> None:
    """Raises ValueError for a wide float that a feature, which is a float32, would turn into infinity."""
    import pyarrow as pa

    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    values = column.flatten() if is_list else column
    if not pa.types.is_float64(values.type):
        return
    try:
        fit(values.drop_null().to_numpy(), "DT_FLOAT")
    except ValueError as error:
        raise ValueError(f"feature {name!r}: {error}") from error


def _fit_feature(name: str, column: Any, dtype: str | None) -> Any:
    import pyarrow as pa

    types = {"DT_FLOAT": pa.float32(), "DT_INT64": pa.int64(), "DT_STRING": pa.large_binary()}
    if dtype not in types or pa.types.is_null(column.type) or column.type.value_type == types[dtype]:
        return column
    if pa.types.is_large_binary(column.type.value_type):
        raise ValueError(f"feature {name!r}: expected values for {dtype}, received text")
    try:
        values = pa.array(fit(np.asarray(column.values), dtype))
    except ValueError as error:
        raise ValueError(f"feature {name!r}: {error}") from error
    mask = column.is_null() if column.null_count else None
    lists = pa.LargeListArray.from_arrays(column.offsets, values)
    return lists if mask is None else _with_nulls(column, values)


def _with_nulls(column: Any, values: Any) -> Any:
    import pyarrow as pa

    kind = pa.large_list(values.type)
    return pa.Array.from_buffers(kind, len(column), column.buffers()[:2], column.null_count, column.offset, [values])


def to_tensor(name: str, column: Any, dtype: str | None) -> Array:
    """Returns a column as an array ``[rows]``, or ``[rows, values]`` for lists, shorter ones filled up as missing.

    Raises ValueError for a missing value where the dtype has none, and for values that do not fit.
    """
    import pyarrow as pa

    if isinstance(column.type, pa.DictionaryType):
        column = column.dictionary_decode()
    if _is_time(column.type):
        column = _time_numbers(name, column)
    if _is_number(column.type) and not column.null_count:
        return fit(column.to_numpy(zero_copy_only=False), dtype)
    if _is_text(column.type) and dtype in ("DT_STRING", None):
        # One call for all values: to_pylist makes an object of Arrow's for every one.
        return fit(column.cast(pa.large_binary()).to_numpy(zero_copy_only=False), "DT_STRING")
    values = column.to_pylist()
    if values and any(isinstance(value, list) for value in values):
        width = max(len(value) for value in values if value is not None)
        values = [(value or []) + [None] * (width - len(value or [])) for value in values]
    elif dtype in ("DT_FLOAT", "DT_DOUBLE") and _is_number(column.type):
        # A column of null and numbers: numpy's NaN is the marker. Wide integers are rounded, as everywhere.
        return fit(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype)
    return fit(values, dtype or _dtype(column.type))


def _is_time(kind: Any) -> bool:
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(pa.types.is_temporal(kind.value_type if is_list else kind))


def _time_numbers(name: str, column: Any) -> Any:
    """Dates and times as the pipeline's ingestion has them: days, or microseconds."""
    from mlops_tfx.errors import DataError
    from mlops_tfx.io import columns

    try:
        form = columns.to_example_form(_make_batch([column], [name], len(column)))
    except DataError as error:
        raise ValueError(str(error)) from error
    return columns.to_plain(form).column(0)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_text(kind: Any) -> bool:
    from mlops_tfx.io import wire

    return wire.is_bytes(kind)


def _dtype(kind: Any) -> str | None:
    import pyarrow as pa

    return "DT_STRING" if pa.types.is_null(kind) else None


def from_outputs(outputs: Mapping[str, Array]) -> pa.RecordBatch:
    """Returns outputs as columns. Raises ValueError if they differ in their number of rows, or have none."""
    sizes = {name: np.shape(array)[0] if np.ndim(array) else None for name, array in outputs.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values():
        raise ValueError(f"expected outputs of one row per row asked for, received the rows {sizes}")
    rows = next(iter(sizes.values()))
    return _make_batch([_to_column(array) for array in outputs.values()], list(outputs), rows or 0)


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

"""Arrow's columns as tensors and as tf.Examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.serving.clients.fitting import fit
from mlops_tfx.serving.clients.tables import make_batch

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.serving.tensor_messages import Array


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
        examples = wire.encode_examples(make_batch(fitted, form.schema.names, form.num_rows))
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
    elif dtype in ("DT_FLOAT", "DT_DOUBLE") and _is_number(column.type) and not pa.types.is_float16(column.type):
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
        form = columns.to_example_form(make_batch([column], [name], len(column)))
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

"""Between plain Arrow columns (as in a Parquet file or a DataFrame) and tf.Example form.

tf.Example form: every column is a large_list of int64, float32 or large_binary; a missing feature is a null row; a
column without any value has type null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_example_form(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Converts plain columns (scalars or lists of them) to tf.Example form.

    Booleans and integers become int64, floats float32, text and bytes large_binary; categories are taken for what they
    stand for. Dates become days since 1970-01-01, timestamps microseconds since then in UTC (one without a time zone is
    taken as UTC), times of day and durations microseconds, all int64. Decimals become int64 if they have no digits
    behind the point, else float32. Empty lists become null: in a tf.Example both mean that the feature has no value.

    Raises:
        DataError: a column's type has no counterpart in a tf.Example, a name occurs twice, or a value does not fit.
    """
    names = batch.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"expected every column name once, received {', '.join(map(repr, twice))} several times")
    columns = [_to_lists(name, column) for name, column in zip(names, batch.columns, strict=True)]
    return make_batch(columns, names, batch.num_rows)


def empty_to_null(batch: pa.RecordBatch, *, keep_types: bool = False) -> pa.RecordBatch:
    """The same batch (in tf.Example form) with large lists and with null where a list is empty.

    A column without any value gets the type null, unless ``keep_types``.
    """
    columns = [_empty_to_null(_large(column), keep_types) for column in batch.columns]
    return make_batch(columns, batch.schema.names, batch.num_rows)


def to_plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Converts tf.Example form to plain columns: scalars where no row has two values, text where all is UTF-8."""
    columns = [_to_plain(column) for column in batch.columns]
    return make_batch(columns, batch.schema.names, batch.num_rows)


def make_batch(arrays: Sequence[pa.Array], names: Sequence[str], rows: int) -> pa.RecordBatch:
    """A record batch that keeps its rows also when there are no columns, as Arrow's own constructor does not."""
    if arrays:
        return pa.RecordBatch.from_arrays(list(arrays), list(names))
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def widest_type(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The plain type that holds values of both, as `to_plain` may choose differently from batch to batch.

    Raises:
        DataError: the two hold different kinds of values, such as int64 and text.
    """
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if pa.types.is_list(first) or pa.types.is_list(second):
        return pa.list_(widest_type(_item(first), _item(second)))
    if {first, second} == {pa.string(), pa.binary()}:
        return pa.binary()
    raise DataError(f"expected one kind of value in a column, received {first} and then {second}")


def widen(column: pa.Array, target: pa.DataType) -> pa.Array:
    """Casts a plain column to a type from `widest_type`."""
    if column.type == target:
        return column
    if pa.types.is_list(target) and not pa.types.is_list(column.type):
        return _scalars_to_lists(column.cast(target.value_type)).cast(target)
    return column.cast(target)


def _item(data_type: pa.DataType) -> pa.DataType:
    return data_type.value_type if pa.types.is_list(data_type) else data_type


def feature_type(name: str, data_type: pa.DataType) -> pa.DataType:
    """The type that values of a plain column, or of the lists in it, have in tf.Example form; null for a null column.

    Raises:
        DataError: there is none; names the column, or the one inside it.
    """
    if isinstance(data_type, pa.BaseExtensionType):
        data_type = data_type.storage_type
    return _item_type(name, data_type.value_type if _is_listing(data_type) else data_type)


def _item_type(name: str, data_type: pa.DataType) -> pa.DataType:
    if isinstance(data_type, pa.DictionaryType):
        data_type = data_type.value_type
    target = _value_type(data_type)
    if target is not None:
        return target
    if pa.types.is_struct(data_type):
        inner = ", ".join(f"{name}.{data_type.field(index).name}" for index in range(data_type.num_fields))
        raise DataError(
            f"column {name!r}: expected values or lists of values, received a structure ({inner}); "
            f"give each of its fields a column of its own before ingesting it"
        )
    raise DataError(
        f"column {name!r}: expected numbers, booleans, text, bytes, dates, times or lists of these, received "
        f"type={data_type}; convert or drop the column before ingesting it"
    )


def _is_listing(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(data_type) or types.is_large_list(data_type) or types.is_fixed_size_list(data_type))


def _value_type(data_type: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_boolean(data_type) or types.is_integer(data_type) or _is_time(data_type):
        return pa.int64()
    if types.is_decimal(data_type):
        return pa.int64() if data_type.scale <= 0 else pa.float32()
    if types.is_floating(data_type):
        return pa.float32()
    texts = types.is_string(data_type) or types.is_large_string(data_type)
    if texts or types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_fixed_size_binary(data_type):
        return pa.large_binary()
    return pa.null() if types.is_null(data_type) else None


def _is_time(data_type: pa.DataType) -> bool:
    types = pa.types
    days = types.is_date32(data_type) or types.is_date64(data_type)
    return bool(days or types.is_timestamp(data_type) or types.is_time(data_type) or types.is_duration(data_type))


def _to_lists(name: str, column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count == len(column):
        feature_type(name, column.type)
        return pa.nulls(len(column))
    types = pa.types
    if types.is_fixed_size_list(column.type):
        column = make_lists(column.drop_null().flatten(), np.asarray(column.is_valid()) * column.type.list_size)
    if not (types.is_list(column.type) or types.is_large_list(column.type)):
        return _scalars_to_lists(_to_values(name, column))
    column = _large(column)
    flat = column.flatten()
    if types.is_dictionary(flat.type):
        flat = flat.dictionary_decode()
    if flat.null_count:
        raise DataError(f"column {name!r}: expected lists without nulls inside, received {flat.null_count} nulls")
    lengths = np.diff(_offsets(column)) * np.asarray(column.is_valid())
    if not lengths.any():
        return pa.nulls(len(column))
    return make_lists(_to_values(name, flat), lengths)


def _to_values(name: str, values: pa.Array) -> pa.Array:
    target = _item_type(name, values.type)
    if values.type == target:
        return values
    try:
        if pa.types.is_fixed_size_binary(values.type):
            values = values.cast(pa.binary())
        elif _is_time(values.type):
            values = _time_numbers(values)
        elif pa.types.is_float16(values.type):
            values = _half_floats(values)
        elif pa.types.is_decimal(values.type) and target == pa.float32():
            values = values.cast(pa.float64())
        # Wide floats are rounded, as tf.Example has float32 only; integers must fit.
        return values.cast(target, safe=not pa.types.is_floating(values.type))
    except pa.ArrowInvalid as error:
        advice = "; cast the column to microseconds, or to integers" if _is_time(values.type) else ""
        raise DataError(
            f"column {name!r}: a value of type {values.type} does not fit into {target}: {error}{advice}"
        ) from error


def _half_floats(values: pa.Array) -> pa.Array:
    # Arrow does not cast them.
    halves = np.asarray(values.view(pa.uint16()).fill_null(0)).view(np.float16)
    return pa.array(halves.astype(np.float32), mask=np.asarray(values.is_null()))


def _time_numbers(values: pa.Array) -> pa.Array:
    """Days for dates, microseconds for everything else, so that the unit of a file does not matter."""
    types = pa.types
    if types.is_date(values.type):
        return values.cast(pa.date32()).cast(pa.int32())
    if types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz))
    elif types.is_duration(values.type):
        values = values.cast(pa.duration("us"))
    else:
        values = values.cast(pa.time64("us"))
    return values.cast(pa.int64())


def _scalars_to_lists(column: pa.Array) -> pa.Array:
    return make_lists(column.drop_null(), np.asarray(column.is_valid()).astype(np.int64))


def make_lists(values: pa.Array, lengths: NDArray[np.int64]) -> pa.Array:
    """Builds a large_list column from all values and the number of values per row; 0 makes a null row."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    validity = None if lengths.all() else pa.array(lengths > 0).buffers()[1]
    buffers = [validity, pa.py_buffer(offsets)]
    return pa.Array.from_buffers(pa.large_list(values.type), len(lengths), buffers, children=[values])


def _large(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return column.cast(pa.large_list(column.type.value_type))
    return column


def _offsets(column: pa.Array) -> NDArray[np.int64]:
    return np.asarray(column.offsets)


def _empty_to_null(column: pa.Array, keep_type: bool = False) -> pa.Array:
    if not pa.types.is_large_list(column.type):
        return column
    lengths = np.diff(_offsets(column))
    if column.null_count:
        lengths = lengths * np.asarray(column.is_valid())
    if lengths.all():
        return column
    if not lengths.any():
        return pa.nulls(len(column), column.type if keep_type else None)
    return make_lists(column.flatten(), lengths)


def _to_plain(column: pa.Array) -> pa.Array:
    column = _empty_to_null(_large(column))
    if pa.types.is_null(column.type):
        return column
    values: Any = column.flatten()
    if pa.types.is_large_binary(values.type):
        values = _text_if_possible(values)
    lengths = np.diff(_offsets(column)) * np.asarray(column.is_valid())
    if lengths.max(initial=0) > 1:
        return make_lists(values, lengths).cast(pa.list_(values.type))
    if column.null_count == 0:
        return values
    places = np.cumsum(lengths) - 1
    return values.take(pa.array(places, mask=lengths == 0))


def _text_if_possible(values: pa.Array) -> pa.Array:
    values = values.cast(pa.binary())
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:  # not UTF-8: stays bytes
        return values


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Puts batches in tf.Example form below each other; a column that one lacks, or has without type, is null there.

    Raises:
        DataError: a column has values of different types.
    """
    if len(batches) == 1:
        return batches[0]
    names = list(dict.fromkeys(name for batch in batches for name in batch.schema.names))
    return make_batch([_concat(name, batches) for name in names], names, sum(batch.num_rows for batch in batches))


def _concat(name: str, batches: Sequence[pa.RecordBatch]) -> pa.Array:
    places = [batch.schema.get_field_index(name) for batch in batches]
    parts = [
        batch.column(place) if place >= 0 else pa.nulls(batch.num_rows)
        for batch, place in zip(batches, places, strict=True)
    ]
    types = {part.type for part in parts if not pa.types.is_null(part.type)}
    if len(types) > 1:
        listing = ", ".join(sorted(str(data_type) for data_type in types))
        raise DataError(f"column {name!r}: expected values of one type, received {listing}")
    if not types:
        return pa.nulls(sum(len(part) for part in parts))
    target = types.pop()
    return pa.concat_arrays([pa.nulls(len(p), target) if pa.types.is_null(p.type) else p for p in parts])

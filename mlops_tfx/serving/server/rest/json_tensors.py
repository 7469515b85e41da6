"""JSON values to arrays and back, by TF Serving's typing rules.

Written for whole levels of nested lists at a time: no Python code runs per number.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence, Set
from itertools import chain
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server import statuses, tensors
from mlops_tfx.serving.server.rest import json_values

_B64 = "b64"
# dtype -> (numpy dtype, the least and the greatest number of it)
_INTEGERS: dict[int, tuple[Any, int, int]] = {
    dtype: (kind, int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for dtype, kind in (
        (types_pb2.DT_INT8, np.int8),
        (types_pb2.DT_INT16, np.int16),
        (types_pb2.DT_INT32, np.int32),
        (types_pb2.DT_INT64, np.int64),
        (types_pb2.DT_UINT8, np.uint8),
        (types_pb2.DT_UINT16, np.uint16),
        (types_pb2.DT_UINT32, np.uint32),
        (types_pb2.DT_UINT64, np.uint64),
    )
}
# dtype -> (numpy dtype, the largest integer that JSON may have for it)
_FLOATS: dict[int, tuple[Any, int]] = {
    types_pb2.DT_FLOAT: (np.float32, 2**24 - 1),
    types_pb2.DT_DOUBLE: (np.float64, 2**53 - 1),
}
# A float in between is one of any dtype.
_LOW, _HIGH = -(2.0**127), 2.0**127
# Of fewer values each is looked at in less time than numpy takes to begin.
_FEW = 16
# Beyond these a number without a point is a double to RapidJSON, and to orjson.
_JSON_INTEGERS = range(-(2**63), 2**64)
# What arrays can have with every numpy.
_MAX_DIMENSIONS = 32
_BYTES_SUFFIX = "_bytes"
_NONE: Set[type] = frozenset()


def is_b64(value: Any) -> bool:
    """Whether a value is an object that stands for bytes."""
    return type(value) is dict and len(value) == 1 and type(value.get(_B64)) is str


def to_array(value: Any, dtype: int) -> Any:
    """Returns nested lists, or a single value, as an array of a DataType. Raises StatusError."""
    types = set(map(type, value)) if type(value) is list else _NONE
    if types and list not in types:
        return _convert(value, types, dtype)
    shape, leaves = _flatten(value)
    return _convert(leaves, set(map(type, leaves)), dtype).reshape(shape)


def _flatten(value: Any) -> tuple[list[int], list[Any]]:
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list}:
            raise _no_list(level, len(shape))
        size = len(level[0])
        sizes = set(map(len, level))
        if len(sizes) > 1:
            other = next(length for length in map(len, level) if length != size)
            raise statuses.invalid(
                f"Encountered list at unexpected size: {other} at level: {len(shape)} expected size: {size}"
            )
        shape.append(size)
        if len(shape) > _MAX_DIMENSIONS:
            raise statuses.invalid(f"Encountered list at unexpected level: {len(shape)} expected < {_MAX_DIMENSIONS}")
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise statuses.invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return shape, level


def _no_list(level: list[Any], depth: int) -> statuses.StatusError:
    """Lists beside a value on one level; ``depth`` is how many there are above it."""
    value = next(item for item in level if type(item) is not list)
    rank, first = depth, level[0]
    while type(first) is list:
        rank += 1
        first = first[0] if first else None
    return statuses.invalid(
        f"JSON Value: {json_values.show(value)} found at incorrect level: {depth + 1} in the JSON DOM. Expected at "
        f"level: {rank}"
    )


def _convert(leaves: list[Any], types: Set[type], dtype: int) -> Any:
    if dtype in _FLOATS:
        _check(leaves, types <= {int, float}, (int, float), dtype)
        return _floats(leaves, dtype, int in types)
    if dtype in _INTEGERS:
        _check(leaves, types <= {int}, (int,), dtype)
        return _integers(leaves, dtype)
    if dtype == types_pb2.DT_BOOL:
        _check(leaves, types <= {bool}, (bool,), dtype)
        return np.array(leaves, np.bool_)
    if dtype == types_pb2.DT_STRING:
        array = np.empty(len(leaves), object)
        array[:] = [leaf.encode() if type(leaf) is str else _bytes(leaf, dtype) for leaf in leaves]
        return array
    shown = json_values.show(leaves[0]) if leaves else "[]"
    text = f"Conversion of JSON Value: {shown} to type: {tensors.dtype_name(dtype)}"
    raise statuses.StatusError(grpc.StatusCode.UNIMPLEMENTED, text)


def _check(leaves: list[Any], fits: bool, allowed: tuple[type, ...], dtype: int) -> None:
    if not fits:
        raise _wrong_type(next(leaf for leaf in leaves if type(leaf) not in allowed), dtype)


def _floats(leaves: list[Any], dtype: int, integers: bool) -> Any:
    kind, largest = _FLOATS[dtype]
    if not integers and len(leaves) < _FEW and all(_LOW < leaf < _HIGH for leaf in leaves):
        return np.array(leaves, kind)
    name = tensors.dtype_name(dtype)
    try:
        array = np.array(leaves, np.float64)
    except OverflowError as error:
        raise lossy(max(leaves, key=abs), name) from error
    if integers and (np.abs(array) > largest).any():
        for leaf in leaves:
            if type(leaf) is int and abs(leaf) > largest and leaf in _JSON_INTEGERS:
                raise lossy(leaf, name)
    with np.errstate(over="ignore"):
        result = array.astype(kind, copy=False)
    if kind is np.float32 and not np.isfinite(result).all():
        lost = np.isinf(result) & np.isfinite(array)
        if lost.any():
            raise lossy(leaves[int(lost.argmax())], name)
    return result


def lossy(value: Any, name: str) -> statuses.StatusError:
    """A number that a float of this name does not hold."""
    return statuses.invalid(
        f"Cannot convert JSON value: {json_values.show(value)} to {name} without loss of precision."
    )


def _integers(leaves: list[Any], dtype: int) -> Any:
    kind, low, high = _INTEGERS[dtype]
    if leaves and (min(leaves) < low or max(leaves) > high):
        raise _wrong_type(next(leaf for leaf in leaves if not low <= leaf <= high), dtype)
    return np.array(leaves, kind)


def _bytes(value: Any, dtype: int) -> bytes:
    if type(value) is not dict:
        raise _wrong_type(value, dtype)
    if not is_b64(value):
        raise statuses.invalid(f"JSON Value: {json_values.show(value)} not formatted correctly for base64 data")
    return decode_b64(value)


def decode_b64(value: dict[str, str]) -> bytes:
    """Returns the bytes that an object with base64 stands for. Raises StatusError."""
    text = value[_B64]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return _decode_loosely(text)


def _decode_loosely(text: str) -> bytes:
    # As absl::Base64Unescape: white space is skipped, and there need be no padding.
    text = "".join(text.split())
    try:
        return base64.b64decode(text if "=" in text else text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise statuses.invalid("Unable to base64 decode") from error


def _wrong_type(value: Any, dtype: int) -> statuses.StatusError:
    return statuses.invalid(
        f"JSON Value: {json_values.show(value)} Type: {json_values.kind(value)} is not of expected type: "
        f"{tensors.dtype_name(dtype)}"
    )


def by_column(outputs: Sequence[str], arrays: Sequence[Any]) -> bytes:
    """Returns the answer to a request in columns."""
    columns = [_readable(name, array) for name, array in zip(outputs, arrays, strict=True)]
    return _write({"outputs": columns[0] if len(columns) == 1 else dict(zip(outputs, columns, strict=True))}, columns)


def by_row(outputs: Sequence[str], arrays: Sequence[Any]) -> bytes:
    """Returns the answer to a request in rows. Raises StatusError if outputs differ in their number of rows."""
    rows = None
    for name, array in zip(outputs, arrays, strict=True):
        if not np.ndim(array):
            raise statuses.invalid(f"Tensor name: {name} has no shape information ")
        size = np.shape(array)[0]
        if rows is not None and rows != size:
            raise statuses.invalid(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {rows}")
        rows = size
    columns = [_readable(name, array) for name, array in zip(outputs, arrays, strict=True)]
    if len(columns) == 1:
        return _write({"predictions": columns[0]}, columns)
    rows_by_name = [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]
    return _write({"predictions": rows_by_name}, columns)


def _write(value: Any, columns: Sequence[Any]) -> bytes:
    numbers = [column for column in columns if isinstance(column, np.ndarray | np.generic)]
    finite = all(column.dtype.kind != "f" or np.isfinite(column).all() for column in numbers)
    return json_values.write(value) if finite else json_values.write_non_finite(value)


def _readable(name: str, array: Any) -> Any:
    # A single text is no array, and would become one without the zeros at its end.
    array = np.asarray(array, object) if isinstance(array, bytes) else np.asarray(array)
    if array.dtype == object:
        return _texts(array.tolist(), name.endswith(_BYTES_SUFFIX))
    if array.dtype.name in ("float16", "bfloat16"):
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        # Quantised numbers are records of one field, which has the name of the dtype.
        kind = array.dtype.names[0] if array.dtype.names else array.dtype.name
        raise statuses.invalid(f"Failed to write JSON value for tensor type: {kind}")
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _texts(value: Any, as_b64: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_b64) for item in value]
    if as_b64:
        return {_B64: base64.b64encode(value).decode("ascii")}
    # TF Serving writes bytes that are not UTF-8 as they are, which no client can read.
    return value.decode("utf-8", "replace")

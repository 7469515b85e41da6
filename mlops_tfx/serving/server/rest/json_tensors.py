"""JSON values to arrays and back, by TF Serving's typing rules.

Written for whole levels of nested lists at a time: no Python code runs per number.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import chain
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server import statuses, tensors
from mlops_tfx.serving.server.rest import json_values

_B64 = "b64"
_INTEGERS: dict[int, Any] = {
    types_pb2.DT_INT8: np.int8,
    types_pb2.DT_INT16: np.int16,
    types_pb2.DT_INT32: np.int32,
    types_pb2.DT_INT64: np.int64,
    types_pb2.DT_UINT8: np.uint8,
    types_pb2.DT_UINT16: np.uint16,
    types_pb2.DT_UINT32: np.uint32,
    types_pb2.DT_UINT64: np.uint64,
}
_FLOATS: dict[int, Any] = {types_pb2.DT_FLOAT: np.float32, types_pb2.DT_DOUBLE: np.float64}
# What arrays can have with every numpy.
_MAX_DIMENSIONS = 32
_BYTES_SUFFIX = "_bytes"


def is_b64(value: Any) -> bool:
    """Whether a value is an object that stands for bytes."""
    return type(value) is dict and len(value) == 1 and _B64 in value


def to_array(value: Any, dtype: int) -> Any:
    """Returns nested lists, or a single value, as an array of a DataType. Raises StatusError."""
    shape, leaves = _flatten(value)
    return _convert(leaves, dtype).reshape(shape)


def to_batch(values: list[Any], dtype: int) -> Any:
    """Returns one value per row as an array ``[rows, ...]``. Raises StatusError if rows differ in shape."""
    try:
        return to_array(values, dtype)
    except _UnevenError:
        _compare_rows(values)
        raise


class _UnevenError(statuses.StatusError):
    """Lists of different lengths on one level, or lists beside values."""


def _uneven(text: str) -> _UnevenError:
    return _UnevenError(grpc.StatusCode.INVALID_ARGUMENT, text)


def _flatten(value: Any) -> tuple[list[int], list[Any]]:
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list}:
            raise _uneven(f"Encountered value at unexpected level: {len(shape)} expected a list")
        size = len(level[0])
        sizes = set(map(len, level))
        if len(sizes) > 1:
            other = next(length for length in map(len, level) if length != size)
            raise _uneven(f"Encountered list at unexpected size: {other} at level: {len(shape)} expected size: {size}")
        shape.append(size)
        if len(shape) > _MAX_DIMENSIONS:
            raise statuses.invalid(f"Encountered list at unexpected level: {len(shape)} expected < {_MAX_DIMENSIONS}")
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise _uneven(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return shape, level


def _compare_rows(rows: list[Any]) -> None:
    """Says how rows differ in shape."""
    first = _flatten(rows[0])[0]
    for row in rows:
        shape = _flatten(row)[0]
        sizes = int(np.prod(first)), int(np.prod(shape))
        if sizes[0] != sizes[1]:
            raise statuses.invalid(f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}")
        if shape != first:
            raise statuses.invalid(
                f"Expecting shape {statuses.shape_text(first)} but got: {statuses.shape_text(shape)}"
            )


def _convert(leaves: list[Any], dtype: int) -> Any:
    types = set(map(type, leaves))
    if dtype in _FLOATS:
        _check(leaves, types <= {int, float}, (int, float), dtype)
        return _floats(leaves, dtype)
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


def _floats(leaves: list[Any], dtype: int) -> Any:
    try:
        # What is too large for the dtype becomes an infinity.
        with np.errstate(over="ignore"):
            return np.array(leaves, np.float64).astype(_FLOATS[dtype])
    except OverflowError as error:
        raise _wrong_type(max(leaves, key=abs), dtype) from error


def _integers(leaves: list[Any], dtype: int) -> Any:
    limits = np.iinfo(_INTEGERS[dtype])
    low, high = int(limits.min), int(limits.max)
    if leaves and (min(leaves) < low or max(leaves) > high):
        raise _wrong_type(next(leaf for leaf in leaves if not low <= leaf <= high), dtype)
    return np.array(leaves, _INTEGERS[dtype])


def _bytes(value: Any, dtype: int) -> bytes:
    if not is_b64(value) or type(value[_B64]) is not str:
        raise _wrong_type(value, dtype)
    return decode_b64(value[_B64])


def decode_b64(text: str) -> bytes:
    """Returns the bytes that base64 stands for. Raises StatusError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise statuses.invalid(f"JSON Value: {json_values.show(text)} is not valid base64: {error}") from error


def _wrong_type(value: Any, dtype: int) -> statuses.StatusError:
    return statuses.invalid(
        f"JSON Value: {json_values.show(value)} Type: {json_values.kind(value)} is not of expected type: "
        f"{tensors.dtype_name(dtype)}"
    )


def by_column(outputs: Sequence[str], arrays: Sequence[Any]) -> bytes:
    """Returns the answer to a request in columns."""
    values = {name: _readable(name, array) for name, array in zip(outputs, arrays, strict=True)}
    return _write({"outputs": next(iter(values.values())) if len(values) == 1 else values}, arrays)


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
        return _write({"predictions": columns[0]}, arrays)
    return _write({"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]}, arrays)


def _write(value: Any, arrays: Sequence[Any]) -> bytes:
    finite = all(array.dtype.kind != "f" or np.isfinite(array).all() for array in map(np.asarray, arrays))
    return json_values.write(value) if finite else json_values.write_non_finite(value)


def _readable(name: str, array: Any) -> Any:
    # A single text is no array, and would become one without the zeros at its end.
    array = np.asarray(array, object) if isinstance(array, bytes) else np.asarray(array)
    if array.dtype == object:
        return _texts(array.tolist(), name.endswith(_BYTES_SUFFIX))
    if array.dtype.kind not in "biuf" or array.dtype.name == "bfloat16":
        text = f"JSON conversion of output {name} of type {array.dtype.name} is not supported"
        raise statuses.StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _texts(value: Any, as_b64: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_b64) for item in value]
    if as_b64:
        return {_B64: base64.b64encode(value).decode("ascii")}
    # TF Serving writes bytes that are not UTF-8 as they are, which no client can read.
    return value.decode("utf-8", "replace")

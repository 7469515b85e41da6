"""TensorProto to numpy and back, as TensorFlow's C++ does it: typed fields or tensor_content, last value repeated.

Written for one-row requests, where ``tf.make_ndarray`` and ``tf.make_tensor_proto`` would cost more than the model.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server.varints import varint

# dtype -> (numpy dtype, typed field of TensorProto)
_NUMERIC: dict[int, tuple[Any, str]] = {
    types_pb2.DT_FLOAT: (np.dtype(np.float32), "float_val"),
    types_pb2.DT_DOUBLE: (np.dtype(np.float64), "double_val"),
    types_pb2.DT_INT64: (np.dtype(np.int64), "int64_val"),
    types_pb2.DT_INT32: (np.dtype(np.int32), "int_val"),
    types_pb2.DT_BOOL: (np.dtype(np.bool_), "bool_val"),
    types_pb2.DT_UINT8: (np.dtype(np.uint8), "int_val"),
    types_pb2.DT_INT8: (np.dtype(np.int8), "int_val"),
    types_pb2.DT_INT16: (np.dtype(np.int16), "int_val"),
    types_pb2.DT_UINT16: (np.dtype(np.uint16), "int_val"),
    types_pb2.DT_UINT32: (np.dtype(np.uint32), "uint32_val"),
    types_pb2.DT_UINT64: (np.dtype(np.uint64), "uint64_val"),
}
# dtype -> (typed field, numpy dtype): the bytes of an array are what a message has (protobuf's packed encoding, of
# fixed size and little-endian; a bool is a varint of one byte). For 512 floats a fiftieth of the time of ``extend``.
_PACKED: dict[int, tuple[str, Any]] = {
    types_pb2.DT_FLOAT: ("float_val", np.dtype("<f4")),
    types_pb2.DT_DOUBLE: ("double_val", np.dtype("<f8")),
    types_pb2.DT_BOOL: ("bool_val", np.dtype(np.bool_)),
}
_PACKED_FROM = 16
# Floats of 16 bits travel as the integer of their bits.
_HALF: dict[int, Any] = {
    types_pb2.DT_HALF: np.dtype(np.float16),
    types_pb2.DT_BFLOAT16: np.dtype(tf.bfloat16.as_numpy_dtype),
}
_COMPLEX: dict[int, tuple[Any, Any, str]] = {
    types_pb2.DT_COMPLEX64: (np.dtype(np.complex64), np.dtype(np.float32), "scomplex_val"),
    types_pb2.DT_COMPLEX128: (np.dtype(np.complex128), np.dtype(np.float64), "dcomplex_val"),
}
# Quantised numbers: numpy has them as records of one field, and they travel as the integer in it.
_QUANTISED: dict[int, tuple[Any, Any]] = {
    types_pb2.DT_QINT8: (np.dtype(tf.qint8.as_numpy_dtype), np.dtype(np.int8)),
    types_pb2.DT_QUINT8: (np.dtype(tf.quint8.as_numpy_dtype), np.dtype(np.uint8)),
    types_pb2.DT_QINT16: (np.dtype(tf.qint16.as_numpy_dtype), np.dtype(np.int16)),
    types_pb2.DT_QUINT16: (np.dtype(tf.quint16.as_numpy_dtype), np.dtype(np.uint16)),
    types_pb2.DT_QINT32: (np.dtype(tf.qint32.as_numpy_dtype), np.dtype(np.int32)),
}
# Typed fields that carry smaller dtypes as well.
_INT32_FIELDS = ("int_val", "half_val")
_FIXED_SIZE = _NUMERIC.keys() | _HALF.keys() | _COMPLEX.keys() | _QUANTISED.keys()
# A tensor whose last value is to be repeated further than this is not a request but an attack.
_MAX_FILLED_BYTES = 1 << 27
# TensorFlow's own limit; the product of a million sizes would take minutes.
_MAX_DIMENSIONS = 254
_MAX_VARINT_BITS = 63
# Values of an output that are Python objects at a time.
_ENCODED_AT_ONCE = 1 << 18


def dtype_name(dtype: int) -> str:
    """Returns the name that TensorFlow's error texts use: ``float``, ``int64``, ``string``."""
    name: str = types_pb2.DataType.Name(dtype)
    return name[len("DT_") :].lower()


def decode(proto: Any) -> Any:
    """Returns the value of a TensorProto as an array.

    Raises:
        ValueError: shape, dtype and content do not fit each other.
    """
    if proto.tensor_shape.unknown_rank:
        raise ValueError("the shape has no rank")
    dims = proto.tensor_shape.dim
    if len(dims) > _MAX_DIMENSIONS:
        raise ValueError(f"{len(dims)} dimensions")
    shape = [dim.size for dim in dims]
    count = math.prod(shape)
    if shape and min(shape) < 0:
        raise ValueError(f"the shape {shape} has negative sizes")
    dtype = proto.dtype
    if dtype in _NUMERIC:
        numpy_dtype, field = _NUMERIC[dtype]
        return _decode_numbers(proto, numpy_dtype, numpy_dtype, field, count).reshape(shape)
    if dtype == types_pb2.DT_STRING:
        return _decode_strings(proto, count).reshape(shape)
    if dtype in _HALF:
        return _decode_numbers(proto, _HALF[dtype], np.dtype(np.uint16), "half_val", count).reshape(shape)
    if dtype in _COMPLEX:
        return _decode_numbers(proto, *_COMPLEX[dtype], count).reshape(shape)
    if dtype in _QUANTISED:
        return _decode_numbers(proto, *_QUANTISED[dtype], "int_val", count).reshape(shape)
    raise ValueError(f"dtype {dtype} is not supported")


def _decode_numbers(proto: Any, dtype: Any, part: Any, field: str, count: int) -> Any:
    # `part` is the dtype of the typed field's values, which are halves of complex numbers and bits of short floats.
    content = proto.tensor_content
    if content:
        if len(content) != count * dtype.itemsize:
            raise ValueError(f"{len(content)} bytes for {count} values of {dtype}")
        return np.frombuffer(content, dtype)
    values = getattr(proto, field)
    if field in _INT32_FIELDS:
        # What is too large for the dtype is cut, as in C++; numpy would warn of it, or refuse it, by its version.
        array = np.fromiter(values, np.int32, len(values)).astype(part, copy=False)
    else:
        array = np.fromiter(values, part, len(values))
    if part is not dtype:
        parts = dtype.itemsize // part.itemsize
        array = array[: len(array) // parts * parts].view(dtype)
    given = len(array)
    if given == count:
        return array
    if given > count:
        return array[:count]
    _check_filled(count * dtype.itemsize)
    filled = np.full(count, array[-1] if given else 0, dtype)
    filled[:given] = array
    return filled


def _decode_strings(proto: Any, count: int) -> Any:
    if proto.tensor_content:
        values = _split_content(proto.tensor_content, count)
    else:
        values = list(proto.string_val)
    given = len(values)
    if given == count:
        return np.array(values, object)
    if given < count:
        _check_filled(count * 8)
    array = np.empty(count, object)
    array[:given] = values[:count]
    array[given:] = values[-1] if given else b""
    return array


def _split_content(content: bytes, count: int) -> list[bytes]:
    # All lengths as varints, then all bytes.
    lengths, position = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if position >= len(content) or shift > _MAX_VARINT_BITS:
                raise ValueError("the string content ends early, or a length does not")
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError("the lengths in the string content do not add up")
    values = []
    for length in lengths:
        values.append(content[position : position + length])
        position += length
    return values


def _check_filled(size: int) -> None:
    if size > _MAX_FILLED_BYTES:
        raise ValueError(f"{size} bytes from a shape without as many values")


def encode(value: Any, dtype: int, proto: Any, as_content: bool = False) -> None:
    """Writes an array into a TensorProto: into its typed field, or ``as_content`` into tensor_content if not text."""
    proto.dtype = dtype
    array = np.asarray(value, object) if dtype == types_pb2.DT_STRING else np.asarray(value)
    dims = proto.tensor_shape.dim
    for size in array.shape:
        dims.add().size = size
    if as_content and dtype in _FIXED_SIZE:
        proto.tensor_content = array.tobytes()
    elif dtype in _PACKED and array.size >= _PACKED_FROM:
        _pack(proto, *_PACKED[dtype], array)
    elif dtype in _NUMERIC:
        _extend(getattr(proto, _NUMERIC[dtype][1]), array.ravel())
    elif dtype == types_pb2.DT_STRING:
        proto.string_val.extend(array.ravel().tolist())
    elif dtype in _HALF:
        _extend(proto.half_val, np.ascontiguousarray(array).view(np.uint16).ravel())
    elif dtype in _COMPLEX:
        _, part, field = _COMPLEX[dtype]
        _extend(getattr(proto, field), np.ascontiguousarray(array).ravel().view(part))
    elif dtype in _QUANTISED:
        _extend(proto.int_val, np.ascontiguousarray(array).ravel().view(_QUANTISED[dtype][1]))
    else:
        proto.CopyFrom(tf.make_tensor_proto(value))


def _pack(proto: Any, field: str, dtype: Any, array: Any) -> None:
    """Appends values as they are in a message: field number and wire type 2, how many bytes, and the bytes."""
    content = np.ascontiguousarray(array, dtype).tobytes()
    number = proto.DESCRIPTOR.fields_by_name[field].number
    proto.MergeFromString(varint(number << 3 | 2) + varint(len(content)) + content)


def _extend(values: Any, array: Any) -> None:
    # In pieces: as Python objects numbers take eight times the memory of the array.
    if len(array) <= _ENCODED_AT_ONCE:
        values.extend(array.tolist())
        return
    for start in range(0, len(array), _ENCODED_AT_ONCE):
        values.extend(array[start : start + _ENCODED_AT_ONCE].tolist())

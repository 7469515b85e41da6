"""Arrays and rows as TensorFlow's messages, and back, without TensorFlow."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_tfx.serving.protos import enum_values, message

Array = npt.NDArray[Any]

# dtype name -> (numpy dtype, typed field of TensorProto)
_TYPES: dict[str, tuple[Any, str]] = {
    "DT_FLOAT": (np.dtype(np.float32), "float_val"),
    "DT_DOUBLE": (np.dtype(np.float64), "double_val"),
    "DT_INT64": (np.dtype(np.int64), "int64_val"),
    "DT_INT32": (np.dtype(np.int32), "int_val"),
    "DT_INT16": (np.dtype(np.int16), "int_val"),
    "DT_INT8": (np.dtype(np.int8), "int_val"),
    "DT_UINT64": (np.dtype(np.uint64), "uint64_val"),
    "DT_UINT32": (np.dtype(np.uint32), "uint32_val"),
    "DT_UINT16": (np.dtype(np.uint16), "int_val"),
    "DT_UINT8": (np.dtype(np.uint8), "int_val"),
    "DT_BOOL": (np.dtype(np.bool_), "bool_val"),
    "DT_HALF": (np.dtype(np.float16), "half_val"),
    "DT_STRING": (np.dtype(object), "string_val"),
}
_NAMES = {dtype: name for name, (dtype, _) in _TYPES.items()}
# What a missing value is in the raw signature of an exported model, see serving/export/raw_inputs.py.
_MISSING: Mapping[str, Any] = {"DT_FLOAT": math.nan, "DT_DOUBLE": math.nan, "DT_STRING": b"", "DT_INT64": -(2**63)}
# The least number that is rounded to an infinite float32.
_NO_FLOAT32 = 2.0**128 - 2.0**103


def dtype_name(number: int) -> str:
    """Returns the name of a DataType number; ``DT_<number>`` if it is not one the client knows."""
    return {value: name for name, value in enum_values("tensorflow.DataType").items()}.get(number, f"DT_{number}")


def to_array(value: Any, dtype: str | None = None) -> Array:
    """Returns a value as an array that can be sent.

    Args:
        value: an array, which keeps its type; or a number, text, bytes or nested lists of them, in which ``None`` is a
            missing value.
        dtype: the type that the receiver expects, for values that are not arrays. Default: by value: float32 for
            floats, int64 for ints, string for text.

    Raises:
        ValueError: values that do not fit together, or not the type.
    """
    if isinstance(value, np.ndarray) or (isinstance(value, np.generic) and not isinstance(value, (bytes, str))):
        array = np.asarray(value)
        return _encode_text(array) if array.dtype.kind in "OUS" else array
    if isinstance(value, (str, bytes)):
        return _encode_text(np.array(value, object))
    array = np.array(value, object)
    flat = array.ravel()
    present = [item for item in flat if item is not None]
    if any(isinstance(item, (list, tuple, np.ndarray, Mapping)) for item in present):
        raise ValueError("expected lists of equal length, received lists of different lengths or mappings")
    name = dtype if dtype in _TYPES else _dtype_by_value(present)
    if len(present) < len(flat):
        if name not in _MISSING:
            raise ValueError(f"None is not possible among values of {name}")
        array = _fill_missing(array, _MISSING[name])
    if name == "DT_STRING":
        return _encode_text(array)
    try:
        with np.errstate(over="raise"):  # not infinite without a word
            return array.astype(_TYPES[name][0])
    except (TypeError, ValueError, OverflowError, FloatingPointError) as error:
        raise ValueError(f"expected values for {name}, received {reprlib.repr(value)}: {error}") from error


def _fill_missing(array: Array, marker: Any) -> Array:
    filled = array.copy()
    # Not by assignment through a mask of `array == None`, which numpy would compare with every element's own rules.
    for index, item in np.ndenumerate(array):
        if item is None:
            filled[index] = marker
    return filled


def _dtype_by_value(values: Sequence[Any]) -> str:
    kinds = {_kind(value) for value in values}
    if not kinds or kinds in ({"float"}, {"int", "float"}):
        return "DT_FLOAT"
    if len(kinds) > 1:
        raise ValueError(f"expected values of one type, received {', '.join(sorted(kinds))} together")
    return {"int": "DT_INT64", "bool": "DT_BOOL", "text": "DT_STRING"}[kinds.pop()]


def _kind(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, np.integer)):
        return "int"
    if isinstance(value, (float, np.floating)):
        return "float"
    if isinstance(value, (str, bytes)):
        return "text"
    raise ValueError(f"expected numbers, text or bytes, received {type(value).__name__}: {reprlib.repr(value)}")


def _encode_text(array: Array) -> Array:
    flat = [_to_bytes(item) for item in array.ravel().tolist()]
    encoded = np.empty(len(flat), object)
    encoded[:] = flat
    return encoded.reshape(array.shape)


def _to_bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode("utf-8")
    if isinstance(item, bytes):
        return item
    if item is None:
        return b""
    raise ValueError(f"expected text or bytes, received {type(item).__name__}: {reprlib.repr(item)}")


def fill_tensor(array: Array, proto: Any) -> None:
    """Writes an array into a TensorProto; numbers as bytes, which costs nothing per value."""
    name = _NAMES.get(array.dtype)
    if name is None:
        raise ValueError(f"arrays of {array.dtype} cannot be sent")
    proto.dtype = enum_values("tensorflow.DataType")[name]
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if name == "DT_STRING":
        proto.string_val.extend(array.ravel().tolist())
    else:
        # TensorFlow reads little-endian bytes in row order.
        proto.tensor_content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def read_tensor(proto: Any) -> Array:
    """Returns the value of a TensorProto, whose values lie in the typed field or in ``tensor_content``.

    Strings come as an array of bytes objects. Raises ValueError for a type that the client does not know.
    """
    name = dtype_name(proto.dtype)
    if name == "DT_BFLOAT16":
        # numpy has none; the upper half of a float32.
        bits = _numbers(proto, np.dtype(np.uint16), "half_val").astype(np.uint32) << 16
        return bits.view(np.float32).reshape(_shape(proto))
    if name not in _TYPES:
        raise ValueError(f"the client cannot read tensors of {name}")
    dtype, field = _TYPES[name]
    if name == "DT_STRING":
        values = np.empty(len(proto.string_val), object)
        values[:] = list(proto.string_val)
        return _filled(values, _shape(proto), b"")
    if name == "DT_HALF":
        return _numbers(proto, np.dtype(np.uint16), field).view(np.float16).reshape(_shape(proto))
    return _numbers(proto, dtype, field).reshape(_shape(proto))


def _shape(proto: Any) -> tuple[int, ...]:
    return tuple(dim.size for dim in proto.tensor_shape.dim)


def _numbers(proto: Any, dtype: Any, field: str) -> Array:
    if proto.tensor_content:
        # A copy, because an array over the message's bytes is read-only.
        return np.frombuffer(proto.tensor_content, dtype.newbyteorder("<")).astype(dtype)
    return _filled(np.array(getattr(proto, field), dtype), _shape(proto), 0).ravel()


def _filled(values: Array, shape: tuple[int, ...], empty: Any) -> Array:
    # A tensor may leave out the values at its end that repeat.
    count = math.prod(shape)
    if len(values) < count:
        last = values[-1] if len(values) else empty
        values = np.concatenate([values, np.full(count - len(values), last, values.dtype)])
    return values.reshape(shape)


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Returns a row as a serialized tf.Example; the type of a feature is that of its value.

    Args:
        row: feature -> number, text, bytes, a list of them, or None for a missing one. Ints and bools become an
            int64_list, floats a float_list, text (UTF-8) and bytes (bytearray, memoryview) a bytes_list.

    Raises:
        ValueError: a value of another type, a list of several types, a number too large; a name that is no text.
    """
    example = message("tensorflow.Example")()
    features = example.features.feature
    for name, value in row.items():
        if not isinstance(name, str):
            raise ValueError(f"expected names of features, received {type(name).__name__}: {name!r}")
        present = [item for item in to_list(value) if item is not None]
        if present:
            _fill_feature(name, present, features[name])
    return bytes(example.SerializeToString(deterministic=True))


def to_list(value: Any) -> list[Any]:
    """Returns the values of a feature in a row, which may be a single one, as a list."""
    if isinstance(value, (bytearray, memoryview)):
        return [bytes(value)]
    if isinstance(value, (list, tuple)):
        return list(value)
    return [value] if value is None or isinstance(value, (str, bytes)) or np.ndim(value) == 0 else list(value)


def _fill_feature(name: str, values: list[Any], feature: Any) -> None:
    try:
        kinds = {_kind(value) for value in values}
    except ValueError as error:
        raise ValueError(f"feature {name!r}: {error}") from error
    if kinds <= {"int", "bool"}:
        feature.int64_list.value.extend(_whole_numbers(name, values))
    elif kinds <= {"int", "float"}:
        feature.float_list.value.extend(_floats(name, values))
    elif kinds == {"text"}:
        feature.bytes_list.value.extend(_to_bytes(value) for value in values)
    else:
        raise ValueError(f"feature {name!r}: expected values of one type, received {values!r}")


def _whole_numbers(name: str, values: list[Any]) -> list[int]:
    numbers = [int(value) for value in values]
    if min(numbers) < -(2**63) or max(numbers) >= 2**63:
        raise ValueError(f"feature {name!r}: expected integers of 64 bits, received {reprlib.repr(values)}")
    return numbers


def _floats(name: str, values: list[Any]) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except OverflowError as error:
        raise ValueError(f"feature {name!r}: expected floats, received {reprlib.repr(values)}") from error
    if any(abs(number) >= _NO_FLOAT32 and not math.isinf(number) for number in numbers):
        # protobuf would make it infinite without a word.
        raise ValueError(f"feature {name!r}: expected floats of 32 bits, received {reprlib.repr(values)}")
    return numbers


def numpy_dtype(name: str) -> Any | None:
    """Returns the numpy dtype of a dtype such as ``DT_FLOAT`` (object for strings); None for one that is not known."""
    return _TYPES[name][0] if name in _TYPES else None


def missing_marker(name: str) -> Any | None:
    """Returns what a missing value is in a tensor of a dtype such as ``DT_FLOAT``; None if there is no such value."""
    return _MISSING.get(name)

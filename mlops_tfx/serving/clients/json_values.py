"""Arrays and examples as TF Serving's JSON, and back, without losing a bit.

A float32 travels as the decimal digits of the float64 that equals it, and an answer's digits are rounded once: reading
``7.038531e-26`` as a float64 and rounding that to float32 gives its neighbour.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.protos import message
from mlops_tfx.serving.tensor_messages import Array


def write(value: Any) -> bytes:
    """Returns JSON with bare NaN and Infinity, which orjson would write as null."""
    return json.dumps(value).encode()


def write_finite(value: Any) -> bytes:
    """Returns JSON of values in which all floats are finite."""
    return orjson.dumps(value)


def read(body: bytes) -> Any:
    """Reads JSON, also with bare NaN and Infinity. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def is_finite(array: Array) -> bool:
    """Whether no float of an array is NaN or infinite."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def from_array(array: Array) -> Any:
    """Returns an array as nested lists, or a scalar as a value; bytes that are no UTF-8 as ``{"b64": ...}``."""
    if array.dtype.kind == "O":
        return _map_texts(array.tolist())
    # tolist makes Python floats, which are float64.
    return array.tolist()


def _map_texts(value: Any) -> Any:
    return [_map_texts(item) for item in value] if isinstance(value, list) else from_bytes(value)


def from_bytes(value: bytes) -> Any:
    """Returns text for bytes that are UTF-8, else ``{"b64": ...}``."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}


def to_array(value: Any, dtype: str) -> Array:
    """Returns an answer's nested lists as an array of a dtype. Raises ValueError for one that JSON does not carry."""
    wanted = tensor_messages.numpy_dtype(dtype)
    if wanted is None:
        raise ValueError(f"expected an output of a type that JSON carries, received {dtype}; ask over gRPC")
    if wanted.kind == "O":
        return _texts(value)
    if wanted == np.float32:
        return narrow(np.array(value, np.float64))
    return np.array(value, wanted)


def narrow(wide: Array) -> Array:
    """Returns the float32 nearest to the decimal digits that were read as a float64, which are the shortest for it."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = wide.astype(np.float32)
        rest = wide - single
        other = np.nextafter(single, np.where(rest > 0, np.float32(np.inf), np.float32(-np.inf)), dtype=np.float32)
        # Only a float64 halfway between two float32 can have hidden on which side the digits were.
        halfway = np.isfinite(rest) & (rest != 0) & (other.astype(np.float64) - wide == rest)
    for index in np.argwhere(halfway):
        place = tuple(index)
        middle, digits = float(wide[place]), Decimal(repr(float(wide[place])))
        if digits != Decimal(middle):
            pair = sorted((single[place], other[place]))
            single[place] = pair[1] if digits > Decimal(middle) else pair[0]
    return single


def _texts(value: Any) -> Array:
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        shape.append(len(level[0]))
        level = [item for inner in level for item in inner]
    array = np.empty(len(level), object)
    array[:] = [base64.b64decode(item["b64"]) if isinstance(item, dict) else item.encode() for item in level]
    return array.reshape(shape)


def from_example(serialized: bytes) -> dict[str, Any]:
    """Returns a tf.Example as the object that ``:classify`` and ``:regress`` take, without features that are empty."""
    example = message("tensorflow.Example").FromString(serialized)
    row = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        if values:
            row[name] = [from_bytes(value) for value in values] if kind == "bytes_list" else values
    return row


def describe_shape(shape: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """Returns a TensorShapeProto in JSON as a tuple; None if the rank is free."""
    if shape.get("unknown_rank"):
        return None
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    return tuple(size if size >= 0 else None for size in sizes)

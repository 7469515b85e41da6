"""The server's TensorProto codec against TensorFlow's own, in C++ (parse_tensor) and Python (make_ndarray)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tensorflow.core.framework import tensor_pb2, types_pb2

from mlops_tfx.serving.server import tensors

DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
          "float16", "complex64", "complex128"]  # fmt: skip


def parsed_by_cpp(proto: Any, dtype: Any) -> Any:
    return tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(dtype)).numpy()


@given(st.sampled_from(DTYPES).flatmap(lambda d: arrays.arrays(d, arrays.array_shapes(min_dims=0, min_side=0))))
def test_decodes_what_tensorflow_writes_and_the_other_way_round(array: Any) -> None:
    np.testing.assert_array_equal(tensors.decode(tf.make_tensor_proto(array)), array)
    proto = tensor_pb2.TensorProto()
    tensors.encode(array, tf.as_dtype(array.dtype).as_datatype_enum, proto)
    assert proto.tensor_content == b""
    np.testing.assert_array_equal(parsed_by_cpp(proto, array.dtype), array)
    np.testing.assert_array_equal(tensors.decode(proto), array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(15,), (16,), (127,), (128,), (3, 50), (20_000,)])
def test_many_values_are_written_as_one_by_one(dtype: Any, shape: tuple[int, ...]) -> None:
    """Also of arrays that do not lie in one piece, and with the other order of bytes."""
    random = np.random.default_rng(1)
    array = np.where(random.random(shape) < 0.1, np.nan, random.normal(size=shape)).astype(dtype)
    expected = tf.make_tensor_proto(array)
    expected.ClearField("tensor_content")
    field = {"f4": expected.float_val, "f8": expected.double_val, "b1": expected.bool_val}[array.dtype.str[1:]]
    del field[:]
    field.extend(array.ravel().tolist())
    strided = np.repeat(array, 2, axis=-1)[..., ::2]
    for same in (array, strided, array.astype(array.dtype.newbyteorder(">"))):
        proto = tensor_pb2.TensorProto()
        tensors.encode(same, expected.dtype, proto)
        assert proto.SerializeToString() == expected.SerializeToString()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_strings(values: list[bytes]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    proto = tensor_pb2.TensorProto()
    tensors.encode(array, types_pb2.DT_STRING, proto)
    assert tensors.decode(proto).tolist() == values == parsed_by_cpp(proto, tf.string).tolist()
    # As the C++ server writes strings with --enable_serialization_as_tensor_content.
    lengths = b"".join(varint(len(value)) for value in values)
    content = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_content=lengths + b"".join(values))
    content.tensor_shape.dim.add().size = len(values)
    assert tensors.decode(content).tolist() == values


def varint(number: int) -> bytes:
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def proto_of(dtype: int, shape: list[int], **fields: Any) -> Any:
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


@pytest.mark.parametrize(
    ("proto", "dtype"),
    [
        (proto_of(types_pb2.DT_FLOAT, [2, 2], float_val=[1.0, 2.0]), tf.float32),
        (proto_of(types_pb2.DT_FLOAT, [3]), tf.float32),
        (proto_of(types_pb2.DT_INT64, [2], int64_val=[1, 2, 3]), tf.int64),
        (proto_of(types_pb2.DT_STRING, [2], string_val=[b"a"]), tf.string),
        (proto_of(types_pb2.DT_STRING, [2]), tf.string),
        (proto_of(types_pb2.DT_BFLOAT16, [2], half_val=[0x3FC0]), tf.bfloat16),
        (proto_of(types_pb2.DT_COMPLEX64, [2], scomplex_val=[1.0, 2.0]), tf.complex64),
    ],
)
def test_fills_up_as_tensorflow_does(proto: Any, dtype: Any) -> None:
    assert tensors.decode(proto).tolist() == parsed_by_cpp(proto, dtype).tolist()


@pytest.mark.parametrize(
    "proto",
    [
        proto_of(types_pb2.DT_FLOAT, [2], tensor_content=b"123"),
        proto_of(types_pb2.DT_FLOAT, [-1]),
        proto_of(types_pb2.DT_INVALID, [1]),
        proto_of(types_pb2.DT_RESOURCE, [1]),
        proto_of(types_pb2.DT_STRING, [2], tensor_content=b"\x05ab"),
        proto_of(types_pb2.DT_STRING, [1], tensor_content=b"\xff"),
        proto_of(types_pb2.DT_FLOAT, [1 << 20, 1 << 20], float_val=[1.0]),
        tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape={"unknown_rank": True}),
    ],
)
def test_what_does_not_fit_is_refused(proto: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        tensors.decode(proto)


def test_names_of_dtypes() -> None:
    # Those of TensorFlow's C++ error texts.
    names = {tf.float32: "float", tf.float64: "double", tf.int64: "int64", tf.string: "string", tf.half: "half"}
    assert {d: tensors.dtype_name(d.as_datatype_enum) for d in names} == names

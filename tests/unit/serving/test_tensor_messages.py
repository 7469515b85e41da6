"""Arrays and rows to messages and back, checked against numpy and against TensorFlow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlops_tfx.serving.protos import enum_values, message
from mlops_tfx.serving.tensor_messages import encode_row, fill_tensor, read_tensor, to_array

DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "bool"]  # fmt: skip


def tensor(dtype: str, shape: tuple[int, ...] = (), **fields: Any) -> Any:
    proto = message("tensorflow.TensorProto")(dtype=enum_values("tensorflow.DataType")[dtype], **fields)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


@given(st.sampled_from(DTYPES).flatmap(lambda d: arrays.arrays(d, arrays.array_shapes(min_dims=0, min_side=0))))
def test_numbers_come_back(array: Any) -> None:
    proto = message("tensorflow.TensorProto")()
    fill_tensor(array, proto)
    back = read_tensor(proto)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(st.lists(st.lists(st.binary(max_size=5), min_size=2, max_size=2), max_size=4))
def test_text_comes_back(rows: list[list[bytes]]) -> None:
    array = np.array(rows, object).reshape(-1, 2)
    proto = message("tensorflow.TensorProto")()
    fill_tensor(array, proto)
    assert read_tensor(proto).tolist() == rows


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (tensor("DT_FLOAT", (3,), float_val=[1.0, 2.0, 3.0]), np.array([1, 2, 3], np.float32)),
        (tensor("DT_FLOAT", (2, 2), float_val=[1.0, 2.0]), np.array([[1, 2], [2, 2]], np.float32)),
        (tensor("DT_INT64", (2,)), np.array([0, 0], np.int64)),
        (tensor("DT_INT8", (2,), int_val=[-1, 5]), np.array([-1, 5], np.int8)),
        (tensor("DT_UINT32", (), uint32_val=[7]), np.array(7, np.uint32)),
        (tensor("DT_BOOL", (2,), bool_val=[True, False]), np.array([True, False])),
        (tensor("DT_HALF", (1,), half_val=[0x3E00]), np.array([1.5], np.float16)),
        (tensor("DT_BFLOAT16", (1,), half_val=[0x3FC0]), np.array([1.5], np.float32)),
    ],
)
def test_typed_fields(proto: Any, expected: Any) -> None:
    array = read_tensor(proto)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_repeated_text() -> None:
    assert read_tensor(tensor("DT_STRING", (3,), string_val=[b"a", b"b"])).tolist() == [b"a", b"b", b"b"]


def test_unreadable_type() -> None:
    with pytest.raises(ValueError, match="cannot read tensors of DT_COMPLEX64"):
        read_tensor(tensor("DT_COMPLEX64", (0,)))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1, 2], None, np.array([1, 2], np.int64)),
        ([1, 2.5], None, np.array([1, 2.5], np.float32)),
        ([1, 2], "DT_FLOAT", np.array([1, 2], np.float32)),
        ([[True], [False]], None, np.array([[True], [False]])),
        (3.5, None, np.array(3.5, np.float32)),
        (np.float64(2.5), "DT_FLOAT", np.array(2.5, np.float64)),
        ([None, 1], "DT_INT64", np.array([-(2**63), 1], np.int64)),
        ([], "DT_INT64", np.array([], np.int64)),
    ],
)
def test_values_become_arrays(value: Any, dtype: str | None, expected: Any) -> None:
    array = to_array(value, dtype)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_text_and_missing_values_become_arrays() -> None:
    assert to_array(["a", None, b"\xff", "é"]).tolist() == [b"a", b"", b"\xff", "é".encode()]
    assert to_array("a").shape == ()
    assert to_array(np.array(["ab", "c"])).tolist() == [b"ab", b"c"]
    floats = to_array([None, 1.0])
    assert math.isnan(floats[0])
    assert floats[1] == 1.0


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        ([1, "a"], None, "values of one type, received int, text"),
        ([[1], [2, 3]], None, "lists of equal length"),
        ([1.5, "a"], "DT_FLOAT", "expected values for DT_FLOAT"),
        ([{"a": 1}], None, "mappings"),
        ([True, None], None, "None is not possible among values of DT_BOOL"),
        ([object()], None, "received object"),
        ([1.0], "DT_STRING", "expected text or bytes, received float"),
        ([1e300], None, "expected values for DT_FLOAT, received .1e.300.: overflow"),
        ([np.array([1, 2]), np.array([3])], "DT_FLOAT", "lists of equal length"),
    ],
)
def test_values_that_cannot_be_sent(value: Any, dtype: str | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        to_array(value, dtype)


def test_arrays_that_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="arrays of complex64 cannot be sent"):
        fill_tensor(np.zeros(2, np.complex64), message("tensorflow.TensorProto")())


def test_rows_become_the_examples_that_tensorflow_reads() -> None:
    import tensorflow as tf

    row = {"f": 1.5, "i": 3, "b": True, "s": "é", "raw": b"\xff", "many": [1.0, 2], "np": np.int32(4),
           "array": np.array([1, 2]), "missing": None, "empty": [], "gap": [None, 5], "buffer": bytearray(b"xy"),
           "view": memoryview(b"z"), "infinite": [np.inf]}  # fmt: skip
    features = tf.train.Example.FromString(encode_row(row)).features.feature
    assert {name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in features.items()} == {
        "f": [1.5], "i": [3], "b": [1], "s": ["é".encode()], "raw": [b"\xff"], "many": [1.0, 2.0], "np": [4],
        "array": [1, 2], "gap": [5], "buffer": [b"xy"], "view": [b"z"], "infinite": [math.inf],
    }  # fmt: skip
    assert features["many"].WhichOneof("kind") == "float_list"


@pytest.mark.parametrize("value", [object(), ["a", 1], {"a": 1}, 1e300, [1, 10**400, 0.5], 2**63, -(2**63) - 1, [[1]]])
def test_rows_that_cannot_be_encoded(value: Any) -> None:
    with pytest.raises(ValueError, match="feature 'x'"):
        encode_row({"x": value})

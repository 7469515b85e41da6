"""Whatever a client sends is decoded, or refused as the client's fault: no other error, and no memory for it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from mlops_tfx.serving.server import statuses, tensors
from mlops_tfx.serving.server.rest import example_body, json_tensors, json_values, predict_body
from mlops_tfx.serving.server.signatures import Signature

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
SIZES = st.sampled_from([0, 1, 2, 3, -1, 1 << 20, 1 << 40, (1 << 63) - 1, -(1 << 63)])
DTYPES = st.sampled_from(sorted(types_pb2.DataType.values()))


@st.composite
def protos(draw: Any) -> Any:
    proto = tensor_pb2.TensorProto(dtype=draw(DTYPES), tensor_content=draw(st.binary(max_size=40)))
    for size in draw(st.lists(SIZES, max_size=5)):
        proto.tensor_shape.dim.add().size = size
    proto.float_val.extend(draw(st.lists(st.floats(width=32), max_size=4)))
    proto.int_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)))
    proto.int64_val.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)))
    proto.half_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)))
    proto.string_val.extend(draw(st.lists(st.binary(max_size=4), max_size=4)))
    proto.scomplex_val.extend(draw(st.lists(st.floats(width=32), max_size=5)))
    return proto


@MANY
@given(proto=protos())
def test_tensors(proto: Any) -> None:
    try:
        array = tensors.decode(proto)
    except (ValueError, OverflowError):
        return
    assert list(array.shape) == [dim.size for dim in proto.tensor_shape.dim]
    assert array.nbytes <= 1 << 27


@MANY
@given(data=st.binary(max_size=300))
def test_bytes_as_tensors(data: bytes) -> None:
    try:
        proto = tensor_pb2.TensorProto.FromString(data)
        tensors.decode(proto)
    except (DecodeError, ValueError, OverflowError):
        return


@pytest.mark.parametrize(
    ("shape", "content"),
    [([1] * 255, b""), ([1 << 26], b""), ([1 << 30, 1 << 30], b""), ([1], b"\xff" * 100_000),
     ([1], b"\x80" * 11 + b"\x01")],
    ids=["dimensions", "megabytes", "exabytes", "a length without end", "a length of eleven bytes"],
)  # fmt: skip
def test_tensors_that_cost_more_than_they_say(shape: list[int], content: bytes) -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_content=content)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    with pytest.raises(ValueError, match=r"dimensions|bytes from a shape|ends early"):
        tensors.decode(proto)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"b64": "/w=="}),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@MANY
@given(value=VALUES, dtype=DTYPES)
@example(value=[10**400], dtype=types_pb2.DT_FLOAT)
def test_json_values_as_tensors(value: Any, dtype: int) -> None:
    try:
        array = json_tensors.to_array(value, dtype)
    except statuses.StatusError as error:
        assert error.code.name in ("INVALID_ARGUMENT", "UNIMPLEMENTED")
        return
    assert array.size == np.size(np.array(value, object)) or isinstance(value, dict | list)


@MANY
@given(
    document=st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "examples", "context"]), VALUES)
)
def test_documents(document: dict[str, Any]) -> None:
    from tensorflow_serving.apis import classification_pb2

    signature = meta_graph_pb2.SignatureDef()
    signature.inputs["a"].dtype, signature.inputs["b"].dtype = types_pb2.DT_FLOAT, types_pb2.DT_STRING
    for use in (
        lambda: predict_body.arrays(document, signature.inputs, ()),
        lambda: predict_body.signature_name(document, "serving_default"),
        lambda: example_body.fill_request(document, classification_pb2.ClassificationRequest()),
    ):
        try:
            use()
        except statuses.StatusError as error:
            assert error.code.name in ("INVALID_ARGUMENT", "UNIMPLEMENTED")


@MANY
@given(
    body=st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-NaInfity \\u', max_size=60).map(str.encode)
)
@example(body=b"9" * 5000 + b" NaN")
@example(body=b"[NaN, " + b"[" * 100_000)
@example(body=b'{"a":' * 5000)
def test_texts(body: bytes) -> None:
    try:
        json_values.read(body)
    except statuses.StatusError as error:
        assert error.message.startswith("JSON Parse error: ")


def test_lists_that_are_too_deep() -> None:
    with pytest.raises(statuses.StatusError, match="Encountered list at unexpected level: 33 expected < 32"):
        json_tensors.to_array(json.loads("[" * 900 + "1" + "]" * 900), types_pb2.DT_FLOAT)


def test_long_values_are_cut_in_messages() -> None:
    assert len(json_values.show(list(range(100_000)))) < 10_100
    assert json_values.show([1, {"a": "é"}]) == '[\n    1,\n    {\n        "a": "é"\n    }\n]'


def test_plans_of_every_choice_of_outputs_are_not_all_kept() -> None:
    definition = meta_graph_pb2.SignatureDef()
    definition.inputs["x"].name, definition.inputs["x"].dtype = "x:0", types_pb2.DT_FLOAT
    names = [f"y{index}" for index in range(10)]
    for name in names:
        definition.outputs[name].name = f"{name}:0"
    made: list[tuple[str, ...]] = []

    def make_runner(feeds: Any, fetches: Any) -> Any:
        made.append(tuple(fetches))
        return lambda values: fetches

    signature = Signature(definition, make_runner)
    for number in range(1, 1 << 10):
        chosen = [name for bit, name in enumerate(names) if number >> bit & 1]
        plan = signature.plan(signature.select(chosen[::-1]))
        assert plan.run([]) == [f"{name}:0" for name in chosen]
    assert len(signature._plans) <= 64
    # The one for all outputs is kept, and the order of a filter makes no difference.
    count = len(made)
    signature.plan(signature.select(()))
    signature.plan(signature.select(names[::-1]))
    assert len(made) == count

"""Predict over gRPC, asked by tensorflow-serving-api's own stubs: answers, and TF Serving's failure table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from mlops_tfx.serving.client import Client


@pytest.fixture(scope="module")
def status_stub(server: Any) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture(scope="module")
def kinds_stub(kinds_server: Any) -> Iterator[Any]:
    with grpc.insecure_channel(kinds_server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def make_request(model: str, signature: str = "", **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        proto = value if isinstance(value, tf.make_tensor_proto(0.0).__class__) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    return request


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


def test_half_plus_two(stub: Any) -> None:
    response = stub.Predict(make_request("half_plus_two", x=floats(2, 3, 4)), timeout=60)
    # Typed fields, as the C++ server answers by default.
    assert list(response.outputs["y"].float_val) == [3.0, 3.5, 4.0]
    assert response.outputs["y"].tensor_content == b""
    assert [dim.size for dim in response.outputs["y"].tensor_shape.dim] == [3]
    assert response.model_spec.name == "half_plus_two"
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 123


def test_version_by_number(stub: Any) -> None:
    request = make_request("half_plus_two", x=floats(1))
    request.model_spec.version.value = 123
    assert list(stub.Predict(request, timeout=60).outputs["y"].float_val) == [2.5]


def test_equals_the_model_in_process(stub: Any, half_plus_two: Path) -> None:
    values = np.random.default_rng(7).normal(size=257).astype(np.float32)
    in_process = tf.saved_model.load(str(half_plus_two / "00000123")).signatures["serving_default"](x=values)["y"]
    answer = tf.make_ndarray(stub.Predict(make_request("half_plus_two", x=values), timeout=60).outputs["y"])
    np.testing.assert_allclose(answer, in_process.numpy(), rtol=0, atol=1e-6)


_DTYPES = (
    "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string half bfloat16 complex64 complex128"
)


@pytest.mark.parametrize("name", _DTYPES.split())
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_every_dtype_comes_back(kinds_stub: Any, name: str, shape: tuple[int, ...]) -> None:
    dtype = tf.as_dtype(name)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    value = tf.strings.as_string(numbers) if name == "string" else tf.cast(numbers, dtype)
    # make_tensor_proto writes tensor_content for numbers; the copy below uses the typed field.
    content = tf.make_tensor_proto(value.numpy(), dtype)
    response = kinds_stub.Predict(make_request("kinds", f"same_{name}", v=content), timeout=60)
    answer = response.outputs["v"]
    assert answer.dtype == dtype.as_datatype_enum
    np.testing.assert_array_equal(tf.make_ndarray(answer), value.numpy())
    typed = kinds_stub.Predict(make_request("kinds", f"same_{name}", v=answer), timeout=60).outputs["v"]
    np.testing.assert_array_equal(tf.make_ndarray(typed), value.numpy())


@pytest.mark.parametrize("name", "qint8 quint8 qint16 quint16 qint32".split())
def test_quantised_numbers_come_back(kinds_stub: Any, name: str) -> None:
    dtype = tf.as_dtype(name)
    part = np.dtype(dtype.as_numpy_dtype)[0]
    numbers = [np.iinfo(part).min, 0, np.iinfo(part).max]
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, int_val=numbers)
    proto.tensor_shape.dim.add().size = 3
    answer = kinds_stub.Predict(make_request("kinds", f"same_{name}", v=proto), timeout=60).outputs["v"]
    assert answer == proto
    proto.ClearField("int_val")
    proto.tensor_content = np.array(numbers, part).tobytes()
    assert kinds_stub.Predict(make_request("kinds", f"same_{name}", v=proto), timeout=60).outputs["v"] == answer


def test_output_filter(kinds_stub: Any) -> None:
    request = make_request("kinds", "add", a=floats(2), b=floats(5))
    assert sorted(kinds_stub.Predict(request, timeout=60).outputs) == ["product", "sum"]
    request.output_filter.append("product")
    response = kinds_stub.Predict(request, timeout=60)
    assert list(response.outputs) == ["product"]
    assert list(response.outputs["product"].float_val) == [10.0]


def test_default_of_an_input(kinds_stub: Any) -> None:
    response = kinds_stub.Predict(make_request("kinds", "add_default", a=floats(1, 2)), timeout=60)
    assert list(response.outputs["sum"].float_val) == [11.0, 12.0]


def metadata_request(model: str, *fields: str) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_metadata(stub: Any) -> None:
    response = stub.GetModelMetadata(metadata_request("half_plus_two", "signature_def"), timeout=60)
    assert (response.model_spec.name, response.model_spec.version.value) == ("half_plus_two", 123)
    assert response.metadata["signature_def"].type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in signature.outputs["y"].tensor_shape.dim] == [-1]
    assert signature.method_name == "tensorflow/serving/predict"


def test_status(status_stub: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half_plus_two"
    (entry,) = status_stub.GetModelStatus(request, timeout=60).model_version_status
    assert (entry.version, entry.state) == (123, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    assert entry.HasField("status")
    assert (entry.status.error_code, entry.status.error_message) == (0, "")


def test_own_client_gets_what_the_stubs_get(kinds_client: Client) -> None:
    answer = kinds_client.predict("kinds", {"s": ["a", "längst", ""]}, signature_name="text")
    assert answer["same"].tolist() == [b"a", "längst".encode(), b""]
    assert answer["length"].tolist() == [1, 7, 0]
    # Whole numbers in a list take the type that the signature wants.
    assert kinds_client.predict("kinds", {"a": [1], "b": [2]}, signature_name="add")["sum"].tolist() == [3.0]

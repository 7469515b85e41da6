"""The same calls by tensorflow-serving-api's stubs and by our own messages, for tests that run with both."""

from __future__ import annotations

import importlib
from typing import Any

import grpc
import pytest

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
MODULES = {
    "PredictRequest": "predict",
    "PredictResponse": "predict",
    "ClassificationRequest": "classification",
    "ClassificationResponse": "classification",
    "RegressionRequest": "regression",
    "RegressionResponse": "regression",
    "MultiInferenceRequest": "inference",
    "MultiInferenceResponse": "inference",
    "GetModelStatusRequest": "get_model_status",
    "GetModelStatusResponse": "get_model_status",
    "GetModelMetadataRequest": "get_model_metadata",
    "GetModelMetadataResponse": "get_model_metadata",
    "ReloadConfigRequest": "model_management",
    "ReloadConfigResponse": "model_management",
}
METHODS = {
    "Predict": (PREDICTION, "PredictResponse"),
    "Classify": (PREDICTION, "ClassificationResponse"),
    "Regress": (PREDICTION, "RegressionResponse"),
    "MultiInference": (PREDICTION, "MultiInferenceResponse"),
    "GetModelMetadata": (PREDICTION, "GetModelMetadataResponse"),
    "GetModelStatus": (MODEL, "GetModelStatusResponse"),
    "HandleReloadConfigRequest": (MODEL, "ReloadConfigResponse"),
}


class Peer:
    """A client of one kind: makes messages, and calls methods with them."""

    def __init__(self, kind: str, address: str) -> None:
        self.kind = kind
        self.channel = grpc.insecure_channel(address)

    def type(self, name: str) -> Any:
        if self.kind == "own":
            from mlops_tfx.serving.protos import message

            return message(f"tensorflow.serving.{name}")
        return getattr(importlib.import_module(f"tensorflow_serving.apis.{MODULES[name]}_pb2"), name)

    def call(self, method: str, request: Any) -> Any:
        return self.with_trailers(method, request)[0]

    def with_trailers(self, method: str, request: Any, timeout: float = 60) -> tuple[Any, dict[str, str]]:
        response, call = self.stub(method).with_call(request, timeout=timeout)
        return response, dict(call.trailing_metadata())

    def stub(self, method: str) -> Any:
        service, response = METHODS[method]
        if self.kind == "own":
            return self.channel.unary_unary(
                f"/{service}/{method}", lambda m: m.SerializeToString(), self.type(response).FromString
            )
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        if service == MODEL:
            return getattr(model_service_pb2_grpc.ModelServiceStub(self.channel), method)
        return getattr(prediction_service_pb2_grpc.PredictionServiceStub(self.channel), method)

    def refused(self, method: str, request: Any, timeout: float = 60) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.with_trailers(method, request, timeout)
        return caught.value.code().name, caught.value.details()

    def predict(
        self, model: str, signature: str = "", *, outputs: Any = (), version: int = 0, label: str = "", **inputs: Any
    ) -> Any:
        """A PredictRequest; inputs are anything that tf.make_tensor_proto takes, or TensorProtos."""
        import tensorflow as tf

        request = self.type("PredictRequest")(output_filter=outputs)
        fill_spec(request.model_spec, model, signature, version, label)
        for name, value in inputs.items():
            proto = value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
            request.inputs[name].MergeFromString(proto.SerializeToString())
        return request

    def examples(self, request: str, model: str, signature: str, *rows: dict[str, Any], **shared: Any) -> Any:
        """A request of tf.Examples; ``shared`` is the context that all of them have in common."""
        message = self.type(request)()
        if model:
            message.model_spec.name = model
            message.model_spec.signature_name = signature
        self.fill_input(message.input, rows, shared)
        return message

    def fill_input(self, message: Any, rows: Any, shared: dict[str, Any]) -> None:
        target = message.example_list_with_context if shared else message.example_list
        for row in rows:
            fill_example(target.examples.add(), row)
        if shared:
            fill_example(target.context, shared)


def fill_spec(spec: Any, model: str, signature: str = "", version: int = 0, label: str = "") -> None:
    spec.name, spec.signature_name = model, signature
    if version:
        spec.version.value = version
    if label:
        spec.version_label = label


def fill_example(example: Any, row: dict[str, Any]) -> None:
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, float):
            feature.float_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.bytes_list.value.append(value)

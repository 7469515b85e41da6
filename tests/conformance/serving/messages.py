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
    "ReloadConfigRequest": "model_management",
}
METHODS = {
    "Predict": (PREDICTION, "PredictResponse"),
    "Classify": (PREDICTION, "ClassificationResponse"),
    "Regress": (PREDICTION, "RegressionResponse"),
    "MultiInference": (PREDICTION, "MultiInferenceResponse"),
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

    def with_trailers(self, method: str, request: Any) -> tuple[Any, dict[str, str]]:
        stub = self._stub(method)
        response, call = stub.with_call(request, timeout=60)
        return response, dict(call.trailing_metadata())

    def _stub(self, method: str) -> Any:
        service, response = METHODS[method]
        if self.kind == "own":
            return self.channel.unary_unary(
                f"/{service}/{method}", lambda m: m.SerializeToString(), self.type(response).FromString
            )
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        return getattr(prediction_service_pb2_grpc.PredictionServiceStub(self.channel), method)

    def refused(self, method: str, request: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request)
        return caught.value.code().name, caught.value.details()

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


def fill_example(example: Any, row: dict[str, Any]) -> None:
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.bytes_list.value.append(value)

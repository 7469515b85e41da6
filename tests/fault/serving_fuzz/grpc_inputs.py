"""Mutated requests over gRPC: raw bytes through generic stubs, so that no client library corrects them."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.fault.serving_fuzz import mutations

PREDICTION, MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
IN_FLIGHT = 32
# What a request that is wrong may be told. Never INTERNAL or UNKNOWN: these are faults of the server.
PROPER = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "OUT_OF_RANGE",
          "RESOURCE_EXHAUSTED"}  # fmt: skip
TOO_LARGE = 300_000


def seeds() -> dict[str, list[bytes]]:
    """Good requests by method."""
    predict = [_predict("half", "", x=[2.0, 3.0, 4.0]), _predict("kinds", "add", a=[1.0], b=[2.0]),
               _predict("kinds", "matrix", m=np.ones([1, 4], np.float32)), _predict("kinds", "text", s=["a", "längst"]),
               _predict("kinds", "add_default", a=[1.0])]  # fmt: skip
    classify = _examples(classification_pb2.ClassificationRequest(), "classify_x_to_y")
    regress = _examples(regression_pb2.RegressionRequest(), "regress_x_to_y")
    multi = inference_pb2.MultiInferenceRequest()
    for kind in ("regress", "classify"):
        task = multi.tasks.add(method_name=f"tensorflow/serving/{kind}")
        task.model_spec.name, task.model_spec.signature_name = "half", f"{kind}_x_to_y"
    multi.input.CopyFrom(regress.input)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "half"
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "half"
    requests = {
        PREDICTION + "Predict": predict,
        PREDICTION + "Classify": [classify],
        PREDICTION + "Regress": [regress],
        PREDICTION + "MultiInference": [multi],
        PREDICTION + "GetModelMetadata": [metadata],
        MODEL + "GetModelStatus": [status],
        PREDICTION + "SessionRun": [metadata],
    }
    return {method: [message.SerializeToString() for message in messages] for method, messages in requests.items()}


def _predict(model: str, signature: str, **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _examples(request: Any, signature: str) -> Any:
    request.model_spec.name, request.model_spec.signature_name = "half", signature
    for value in (2.0, 3.0):
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(value)
    return request


class GrpcFuzz:
    """Sends mutated requests to a server, many at a time.

    Attributes:
        codes: how often each code was answered.
        faults: what should not have been answered: code, text, method and bytes.
    """

    def __init__(self, address: str, seed: int) -> None:
        self._seeds = seeds()
        self._every_seed = [data for found in self._seeds.values() for data in found]
        self._methods = [*[PREDICTION + "Predict"] * 6, *self._seeds]
        self._seed = seed
        self._sent = 0
        self._slots = threading.Semaphore(IN_FLIGHT)
        self.codes: Counter[str] = Counter()
        self.faults: list[tuple[str, str, str, bytes]] = []
        self._channel = grpc.insecure_channel(address)
        self._stubs = {method: self._channel.unary_unary(method) for method in self._seeds}

    def send(self, count: int) -> None:
        """Sends so many inputs, and waits for their answers."""
        for _ in range(count):
            source = random.Random(f"{self._seed}-{self._sent}")
            self._sent += 1
            method = source.choice(self._methods)
            data = self._make(source, method)
            self._slots.acquire()
            call = self._stubs[method].future(data, timeout=60)
            call.add_done_callback(lambda call, method=method, data=data: self._done(call, method, data))
        for _ in range(IN_FLIGHT):
            self._slots.acquire()
        self._slots.release(IN_FLIGHT)

    def _make(self, source: random.Random, method: str) -> bytes:
        kind = source.random()
        if kind < 0.35 and method.endswith("/Predict"):
            return mutations.wrong_predict(source, predict_pb2.PredictRequest())
        if kind > 0.999:
            return source.choice(self._every_seed) + b"\0" * TOO_LARGE
        return mutations.mutate(source, self._seeds[method] if kind < 0.8 else self._every_seed)

    def _done(self, call: Any, method: str, data: bytes) -> None:
        code, text = call.code().name, call.details() or ""
        self.codes[code] += 1
        if code not in PROPER or "Traceback" in text:
            self.faults.append((code, text, method, data))
        self._slots.release()

    def ask_properly(self) -> list[float]:
        """What the server says to a good request."""
        data = self._stubs[PREDICTION + "Predict"](self._seeds[PREDICTION + "Predict"][0], timeout=60)
        return list(predict_pb2.PredictResponse.FromString(data).outputs["y"].float_val)

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

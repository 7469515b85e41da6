"""The operations over gRPC: tensorflow.serving.PredictionService, ModelService and grpc.health.v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from mlops_tfx.errors import ServingError
from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.clients import inputs as forms
from mlops_tfx.serving.clients.conversation import ONCE, Deadline, Retry, Steps
from mlops_tfx.serving.clients.descriptions import (
    ClassScore,
    ModelMetadata,
    Prediction,
    SignatureDescription,
    Target,
    TensorDescription,
    VersionStatus,
)
from mlops_tfx.serving.clients.protocol import GUARD_NOTE, Protocol, Scores, unreachable, untrusted, with_finding
from mlops_tfx.serving.protos import enum_values, message
from mlops_tfx.serving.tensor_messages import Array

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_TASKS = {"classify": "tensorflow/serving/classify", "regress": "tensorflow/serving/regress"}
# Method -> the path and the message that answers.
METHODS: Mapping[str, tuple[str, str]] = {
    "Predict": (_PREDICTION + "Predict", "tensorflow.serving.PredictResponse"),
    "Classify": (_PREDICTION + "Classify", "tensorflow.serving.ClassificationResponse"),
    "Regress": (_PREDICTION + "Regress", "tensorflow.serving.RegressionResponse"),
    "MultiInference": (_PREDICTION + "MultiInference", "tensorflow.serving.MultiInferenceResponse"),
    "GetModelMetadata": (_PREDICTION + "GetModelMetadata", "tensorflow.serving.GetModelMetadataResponse"),
    "GetModelStatus": (_MODEL + "GetModelStatus", "tensorflow.serving.GetModelStatusResponse"),
    "HandleReloadConfigRequest": (_MODEL + "HandleReloadConfigRequest", "tensorflow.serving.ReloadConfigResponse"),
    "Check": ("/grpc.health.v1.Health/Check", "grpc.health.v1.HealthCheckResponse"),
}
# In what gRPC says of a server that is not there; one that went away while it was asked is another matter.
_NOBODY_THERE = ("failed to connect", "resolv", "dns", "name resolution", "backends failing")
# In what gRPC says of a connection that TLS refuses.
_TLS_TEXTS = ("handshake", "certificate", "verification")


@dataclass(frozen=True)
class GrpcRequest:
    """A message for a method."""

    method: str
    message: Any


@dataclass(frozen=True)
class GrpcAnswer:
    """The message that answers, and the trailers."""

    message: Any
    trailers: Mapping[str, str]


class GrpcProtocol(Protocol):
    """Operations as gRPC messages."""

    def _ask(self, request: GrpcRequest, deadline: Deadline, retry: Retry | None = None) -> Steps[Any]:
        answer: GrpcAnswer = yield from self.exchange(request, deadline, retry)
        return answer.message

    def get_model_metadata(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[ModelMetadata]:
        request = message("tensorflow.serving.GetModelMetadataRequest")(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, target)
        response = yield from self._ask(GrpcRequest("GetModelMetadata", request), deadline, retry)
        packed = response.metadata["signature_def"].value
        signatures = message("tensorflow.serving.SignatureDefMap").FromString(packed).signature_def
        return ModelMetadata(
            response.model_spec.name,
            response.model_spec.version.value,
            {name: _describe_signature(definition) for name, definition in signatures.items()},
        )

    def get_model_status(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[list[VersionStatus]]:
        if target.label is not None:
            # The server ignores labels here; who has one is asked by its metadata.
            metadata = yield from self.get_model_metadata(target, deadline)
            target = Target(target.name, metadata.version)
        request = message("tensorflow.serving.GetModelStatusRequest")()
        _fill_spec(request.model_spec, target)
        response = yield from self._ask(GrpcRequest("GetModelStatus", request), deadline, retry)
        states = {number: name for name, number in enum_values("tensorflow.serving.ModelVersionStatus.State").items()}
        return [
            VersionStatus(s.version, states.get(s.state, "UNKNOWN"), s.status.error_code, s.status.error_message)
            for s in response.model_version_status
        ]

    def is_ready(self, deadline: Deadline) -> Steps[bool]:
        request = message("grpc.health.v1.HealthCheckRequest")()
        try:
            response = yield from self._ask(GrpcRequest("Check", request), deadline, ONCE)
        except ServingError as error:
            if error.code == grpc.StatusCode.UNAVAILABLE:
                return False
            raise
        serving = enum_values("grpc.health.v1.HealthCheckResponse.ServingStatus")["SERVING"]
        return bool(response.status == serving)

    def send_predict(
        self,
        target: Target,
        signature_name: str,
        metadata: ModelMetadata,
        tensors: dict[str, Array],
        output_filter: Sequence[str],
        deadline: Deadline,
    ) -> Steps[Prediction]:
        request = message("tensorflow.serving.PredictRequest")(output_filter=output_filter)
        _fill_spec(request.model_spec, target, signature_name)
        for name, array in tensors.items():
            tensor_messages.fill_tensor(array, request.inputs[name])
        answer = yield from self.exchange(GrpcRequest("Predict", request), deadline)
        response = answer.message
        outputs = {name: tensor_messages.read_tensor(proto) for name, proto in response.outputs.items()}
        spec = response.model_spec
        return Prediction(
            outputs,
            spec.name,
            spec.version.value,
            spec.signature_name,
            schema_guard=answer.trailers.get(GUARD_NOTE, ""),
        )

    def send_classify(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Scores]:
        request = message("tensorflow.serving.ClassificationRequest")()
        _fill_spec(request.model_spec, target, name)
        _fill_examples(request.input, examples)
        response = yield from self._ask(GrpcRequest("Classify", request), deadline)
        return _scores(response.result)

    def send_regress(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Array]:
        request = message("tensorflow.serving.RegressionRequest")()
        _fill_spec(request.model_spec, target, name)
        _fill_examples(request.input, examples)
        response = yield from self._ask(GrpcRequest("Regress", request), deadline)
        return _values(response.result)

    def multi_inference(
        self, target: Target, given: forms.Inputs, tasks: Mapping[str, str], deadline: Deadline
    ) -> Steps[dict[str, Scores | Array]]:
        """Asks several signatures about the same rows. ``tasks``: signature -> "classify" or "regress"."""

        def ask(examples: list[bytes]) -> Steps[dict[str, Scores | Array]]:
            request = message("tensorflow.serving.MultiInferenceRequest")()
            for name, method in tasks.items():
                task = request.tasks.add(method_name=_TASKS.get(method, method))
                _fill_spec(task.model_spec, target, name)
            _fill_examples(request.input, examples)
            response = yield from self._ask(GrpcRequest("MultiInference", request), deadline)
            return {result.model_spec.signature_name: _result(result) for result in response.results}

        return (yield from self.with_examples(target, given, deadline, ask))

    def reload_config(self, config: Any, deadline: Deadline) -> Steps[None]:
        """Replaces the server's models. ``config``: ModelServerConfig as text, or a message of whatever library."""
        request = message("tensorflow.serving.ReloadConfigRequest")()
        if isinstance(config, str):
            from google.protobuf import text_format

            try:
                text_format.Parse(config, request.config)
            except text_format.ParseError as error:
                raise ValueError(
                    f"expected a ModelServerConfig as text, received one with an error: {error}"
                ) from error
        else:
            request.config.ParseFromString(config.SerializeToString())
        # Not repeated: a server that went away in between may have done half of it.
        yield from self._ask(GrpcRequest("HandleReloadConfigRequest", request), deadline, ONCE)
        self._metadata.clear()


def explain(address: str, error: Any) -> ServingError:
    """Returns a gRPC error as ours; says what to do if there is no server."""
    code, details = error.code(), error.details() or ""
    text = details.lower()
    # A server that closes what has just been opened wants TLS, or a client's certificate.
    shut = "failed to connect" in text and "socket closed" in text
    if code == grpc.StatusCode.UNAVAILABLE and (shut or any(part in text for part in _TLS_TEXTS)):
        return untrusted(address, details)
    if code == grpc.StatusCode.UNAVAILABLE and any(part in text for part in _NOBODY_THERE):
        return unreachable(address, details, "--port=8500")
    if "serializing request" in text or "larger than max" in text:
        # The first is what gRPC says of a message that protobuf cannot write.
        limit = "messages end at 2 GiB and at max_message_bytes; predict_batches sends rows in pieces"
        return ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{details}: {limit}")
    found = dict(error.trailing_metadata() or ()).get(GUARD_NOTE, "")
    return ServingError(code, with_finding(details, found))


def _fill_spec(spec: Any, target: Target, signature_name: str = "") -> None:
    spec.name = target.name
    spec.signature_name = signature_name
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label


def _fill_examples(target: Any, examples: list[bytes]) -> None:
    # Also for no examples, which the server refuses in its own words.
    target.example_list.SetInParent()
    for encoded in examples:
        target.example_list.examples.add().ParseFromString(encoded)


def _scores(result: Any) -> Scores:
    return [[ClassScore(c.label, c.score) for c in row.classes] for row in result.classifications]


def _result(result: Any) -> Scores | Array:
    classes = result.WhichOneof("result") == "classification_result"
    return _scores(result.classification_result) if classes else _values(result.regression_result)


def _values(result: Any) -> Array:
    return np.array([entry.value for entry in result.regressions], np.float32)


def _describe_signature(definition: Any) -> SignatureDescription:
    return SignatureDescription(
        {name: _describe(info, name in definition.defaults) for name, info in definition.inputs.items()},
        {name: _describe(info) for name, info in definition.outputs.items()},
        definition.method_name,
    )


def _describe(info: Any, optional: bool = False) -> TensorDescription:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorDescription(tensor_messages.dtype_name(info.dtype), shape, optional)

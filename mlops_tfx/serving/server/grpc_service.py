"""The gRPC face: services, methods, and how failures become gRPC statuses."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, EncodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from mlops_tfx.serving.server import status, statuses
from mlops_tfx.serving.server.calls import NO_DEADLINE, Notes, header_text
from mlops_tfx.serving.server.grpc_calls import UnaryMethod
from mlops_tfx.serving.server.inference import Inference
from mlops_tfx.serving.server.manager import ModelManager
from mlops_tfx.serving.server.states import StateBoard

_log = logging.getLogger(__name__)

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
VERSION_TRAILER = "model-version"
_MODEL_TRAILER = "model-name"

Answer = Callable[[Any, float, Notes], Awaitable[Any]]
# Told of every request: API, model, code, seconds.
Observe = Callable[[str, str, grpc.StatusCode, float], None]
ObserveRequest = Callable[[Any, grpc.StatusCode, float], None]


def handlers(
    inference: Inference, manager: ModelManager, board: StateBoard, observe: Observe, total: status.Total
) -> list[Any]:
    """Returns the handlers of TF Serving's services."""

    def counted(api: str, answer: Answer, request_type: Any) -> Any:
        return _inference(
            answer, request_type, lambda request, code, seconds: observe(api, _model(request), code, seconds)
        )

    async def get_model_metadata(request: Any, deadline: float, notes: Notes) -> Any:
        return inference.get_model_metadata(request)

    async def get_model_status(request: Any, deadline: float, notes: Notes) -> Any:
        return status.get_model_status(board, request)

    async def reload_config(request: Any, deadline: float, notes: Notes) -> Any:
        return status.reload_config(manager, request, deadline - time.monotonic(), total)

    prediction = {
        "Predict": counted("Predict", inference.predict, predict_pb2.PredictRequest),
        "Classify": counted("Classify", inference.classify, classification_pb2.ClassificationRequest),
        "Regress": counted("Regress", inference.regress, regression_pb2.RegressionRequest),
        "MultiInference": _inference(inference.multi_inference, inference_pb2.MultiInferenceRequest),
        "GetModelMetadata": _unary(get_model_metadata, get_model_metadata_pb2.GetModelMetadataRequest),
    }
    model = {
        "GetModelStatus": _unary(get_model_status, get_model_status_pb2.GetModelStatusRequest),
        "HandleReloadConfigRequest": _unary(reload_config, model_management_pb2.ReloadConfigRequest),
    }
    return [
        grpc.method_handlers_generic_handler(PREDICTION_SERVICE, prediction),
        grpc.method_handlers_generic_handler(MODEL_SERVICE, model),
    ]


def _model(request: Any) -> str:
    name: str = request.model_spec.name
    return name


def _inference(answer: Answer, request_type: Any, observe: ObserveRequest | None = None) -> Any:
    method = _Method(answer, request_type, observe)
    # Where there are batches; GrpcCalls is told.
    method.soon_waits = True
    return grpc.unary_unary_rpc_method_handler(method)


def _unary(answer: Answer, request_type: Any) -> Any:
    # Bytes in and out: grpcio would read requests in the one thread that all of them come through, and answer those it
    # cannot read with INTERNAL.
    return grpc.unary_unary_rpc_method_handler(_Method(answer, request_type))


class _Method(UnaryMethod):
    """Parses the request, answers it, and tells the failure."""

    def __init__(self, answer: Answer, request_type: Any, observe: ObserveRequest | None = None) -> None:
        self._answer = answer
        self._request_type = request_type
        self._observe = observe

    async def respond(self, data: bytes, context: Any) -> bytes | None:
        """Answers, or sets the status and returns None."""
        started = time.monotonic()
        remaining = context.time_remaining()
        notes: Notes = []
        request, response, failure = None, b"", None
        try:
            request = _parse(data, self._request_type)
            message = await self._answer(request, NO_DEADLINE if remaining is None else started + remaining, notes)
            _send_trailers(context, message, notes)
            response = _serialize(message)
        except statuses.StatusError as error:
            failure = error
        except Exception as error:
            _log.exception("a request failed in the server itself")
            failure = statuses.StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        if self._observe is not None and request is not None:
            self._observe(request, failure.code if failure else grpc.StatusCode.OK, time.monotonic() - started)
        if failure is None:
            return response
        _send_trailers(context, None, notes)
        context.set_code(failure.code)
        context.set_details(statuses.truncate(failure.message))
        return None


def _parse(data: bytes, request_type: Any) -> Any:
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        name = request_type.DESCRIPTOR.full_name
        raise statuses.invalid(f"The request cannot be parsed as {name}") from error


def _serialize(response: Any) -> bytes:
    # Messages of protobuf end at 2 GiB.
    try:
        data: bytes = response.SerializeToString()
        return data
    except (ValueError, EncodeError) as error:
        text = f"The response does not fit into a message: {error}"
        raise statuses.StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text) from error


def _send_trailers(context: Any, response: Any, notes: Notes) -> None:
    spec = getattr(response, "model_spec", None)
    if spec is not None:
        notes = [(_MODEL_TRAILER, spec.name), (VERSION_TRAILER, str(spec.version.value)), *notes]
    if notes:
        context.set_trailing_metadata(tuple((name, header_text(text)) for name, text in notes))

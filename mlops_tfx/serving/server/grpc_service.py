"""The gRPC face: services, methods, and how failures become gRPC statuses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from mlops_tfx.serving.server import metadata, predict, status, statuses
from mlops_tfx.serving.server.manager import ModelManager
from mlops_tfx.serving.server.states import StateBoard

_log = logging.getLogger(__name__)

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"


def handlers(manager: ModelManager, board: StateBoard) -> list[grpc.GenericRpcHandler]:
    """Returns the handlers of all services."""
    prediction = {
        "Predict": _unary(lambda request: predict.predict(manager, request), predict_pb2.PredictRequest),
        "GetModelMetadata": _unary(
            lambda request: metadata.get_model_metadata(manager, request),
            get_model_metadata_pb2.GetModelMetadataRequest,
        ),
    }
    model = {
        "GetModelStatus": _unary(
            lambda request: status.get_model_status(board, request), get_model_status_pb2.GetModelStatusRequest
        ),
    }
    return [
        grpc.method_handlers_generic_handler(PREDICTION_SERVICE, prediction),
        grpc.method_handlers_generic_handler(MODEL_SERVICE, model),
    ]


def _unary(answer: Callable[[Any], Any], request_type: Any) -> grpc.RpcMethodHandler:
    def handle(request: Any, context: grpc.ServicerContext) -> Any:
        remaining = context.time_remaining()
        if remaining is not None and remaining <= 0:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the request was started")
        try:
            return answer(request)
        except statuses.StatusError as error:
            failure = error
        except Exception as error:
            _log.exception("a request failed in the server itself")
            failure = statuses.StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        return context.abort(failure.code, statuses.truncate(failure.message))

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=request_type.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )

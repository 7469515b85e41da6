"""grpc.health.v1: SERVING while every model has a version that answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from mlops_tfx.serving.protos import enum_values, message
from mlops_tfx.serving.server.manager import ModelManager
from mlops_tfx.serving.server.states import StateBoard

SERVICE = "grpc.health.v1.Health"
# TF Serving names its services without their package; clients that read the specification name them in full.
_SERVICES = (
    "",
    "PredictionService",
    "ModelService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
    SERVICE,
)
# Every channel of a client that checks health holds a stream, and each takes a thread, started when it is needed.
_WATCHERS = 1000
_LOOK_SECONDS = 3600.0


class Health:
    """Answers Check and Watch; watchers have threads of their own, so that they take none from requests."""

    def __init__(self, manager: ModelManager, board: StateBoard) -> None:
        self._manager = manager
        self._board = board
        self._draining = threading.Event()
        self._statuses = enum_values("grpc.health.v1.HealthCheckResponse.ServingStatus")
        self._response = message("grpc.health.v1.HealthCheckResponse")

    def handler(self) -> Any:
        """Returns the service for ``add_generic_rpc_handlers``."""

        def watch(request: Any, context: Any) -> Iterator[Any]:
            return self._watch(request.service, context)

        # grpcio's own name for running a method in another pool.
        setattr(watch, "experimental_thread_pool", ThreadPoolExecutor(_WATCHERS, "watch health"))  # noqa: B010
        request = message("grpc.health.v1.HealthCheckRequest")
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, request.FromString, _serialize),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, request.FromString, _serialize),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def drain(self) -> None:
        """Tells everyone that the server is going down."""
        self._draining.set()
        self._board.wake()

    def is_serving(self) -> bool:
        """Whether requests for every model can be answered."""
        return self._manager.is_ready() and not self._draining.is_set()

    def _status(self, service: str) -> int:
        name = "SERVICE_UNKNOWN" if service not in _SERVICES else "SERVING" if self.is_serving() else "NOT_SERVING"
        return self._statuses[name]

    def _check(self, request: Any, context: Any) -> Any:
        if request.service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {request.service!r}")
        return self._response(status=self._status(request.service))

    def _watch(self, service: str, context: Any) -> Iterator[Any]:
        context.add_callback(self._board.wake)
        last = -1
        while context.is_active() and not (self._draining.is_set() and last == self._status(service)):
            status = self._status(service)
            if status != last:
                last = status
                yield self._response(status=status)
            self._board.wait_until(lambda seen=status: self._is_other(seen, service, context), _LOOK_SECONDS)  # type: ignore[misc]

    def _is_other(self, seen: int, service: str, context: Any) -> bool:
        return self._status(service) != seen or self._draining.is_set() or not context.is_active()


def _serialize(response: Any) -> bytes:
    serialized: bytes = response.SerializeToString()
    return serialized

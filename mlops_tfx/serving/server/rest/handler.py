"""Routes of the REST face: from method, path and body to an answer. Knows nothing of HTTP servers."""

from __future__ import annotations

import inspect
import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    regression_pb2,
)

from mlops_tfx.serving.server import status, statuses
from mlops_tfx.serving.server.calls import Call, Execute, Notes, Target
from mlops_tfx.serving.server.inference import DEFAULT_SIGNATURE, Inference, predict_responder
from mlops_tfx.serving.server.rest import example_body, json_tensors, json_values, predict_body

if TYPE_CHECKING:
    from mlops_tfx.serving.server.manager import ModelManager
    from mlops_tfx.serving.server.metrics import Metrics
    from mlops_tfx.serving.server.states import StateBoard

_log = logging.getLogger(__name__)

_VERSION = r"(?:(?:/versions/(?P<version>[0-9]+))|(?:/labels/(?P<label>[^/:]+)))?"
_INFER = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE)
_ASK = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<metadata>metadata))?", re.IGNORECASE)
_LARGEST_VERSION = 2**63 - 1
_MOST_DIGITS = 4000  # leading zeros among them; Python reads no longer numbers
_CODES = {
    "OK": 200, "CANCELLED": 499, "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500, "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "ABORTED": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}  # fmt: skip
JSON = "application/json"
# "With all fields, also those that are not set", as this version of protobuf calls it.
_NAMES_OF_ALL_FIELDS = ("always_print_fields_with_no_presence", "including_default_value_fields")
_ALL_FIELDS: dict[str, Any] = {
    name: True for name in _NAMES_OF_ALL_FIELDS if name in inspect.signature(json_format.MessageToDict).parameters
}
# What libevent, which TF Serving's HTTP server is made of, answers outside of the API.
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``notes`` become headers, and ``encoding`` says how the body is compressed, if it is."""

    status: int
    body: bytes
    content_type: str = JSON
    notes: tuple[tuple[str, str], ...] = ()
    encoding: str = ""


def failure(error: statuses.StatusError, notes: Sequence[tuple[str, str]] = ()) -> Answer:
    """Returns the answer for a failed request."""
    return Answer(
        _CODES[error.code.name],
        json.dumps({"error": error.message}, indent=4, ensure_ascii=False).encode("utf-8", "replace"),
        notes=tuple(notes),
    )


class RestHandler:
    """Answers requests.

    Args:
        manager: has the models.
        board: has their states.
        execute: the chain that calls run through, see calls.py.
        metrics: where requests are counted.
        is_serving: whether /healthz says yes.
        metrics_path: where metrics are served; empty for nowhere.
    """

    def __init__(
        self,
        manager: ModelManager,
        board: StateBoard,
        execute: Execute,
        metrics: Metrics,
        is_serving: Callable[[], bool],
        metrics_path: str = "",
    ) -> None:
        self._manager = manager
        self._board = board
        self._execute = execute
        self._metrics = metrics
        self._is_serving = is_serving
        self._metrics_path = metrics_path
        self._inference = Inference(manager, execute, entrypoint="REST")

    async def answer(self, method: str, path: str, body: bytes, deadline: float) -> Answer:
        """Answers a request; never raises."""
        try:
            return await self._route(method, path, body, deadline)
        except statuses.StatusError as error:
            return failure(error)
        except Exception as error:
            _log.exception("a request failed in the server itself")
            return failure(statuses.StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"))

    async def _route(self, method: str, path: str, body: bytes, deadline: float) -> Answer:
        infer = _INFER.fullmatch(path) if method == "POST" else None
        if infer is not None:
            return await self._infer(infer.group("method").lower(), _target(infer), body, deadline)
        if method in ("GET", "HEAD") and path in ("/healthz", "/readyz"):
            return self._health(path)
        if self._metrics_path and (path == self._metrics_path or path.startswith("/monitoring/")):
            return self._monitoring(path)
        if not path.lower().startswith("/v1/"):
            return Answer(404, _NOT_FOUND_PAGE, "text/html")
        ask = _ASK.fullmatch(path) if method == "GET" else None
        if ask is None:
            raise statuses.invalid(f"Malformed request: {method} {path}")
        if ask.group("name") is None:
            return self._list(ask, path)
        return self._describe(_target(ask)) if ask.group("metadata") else self._status(_target(ask))

    def _health(self, path: str) -> Answer:
        # Alive is who answers; ready is who has all models.
        fine = path == "/healthz" or self._is_serving()
        return Answer(200 if fine else 503, b"ok\n" if fine else b"not ready\n", "text/plain")

    def _monitoring(self, path: str) -> Answer:
        if path != self._metrics_path:
            raise statuses.invalid(f"Unexpected path: {path}. Should be {self._metrics_path}")
        return Answer(200, self._metrics.text().encode(), "text/plain")

    def _list(self, ask: re.Match[str], path: str) -> Answer:
        if ask.group("version") or ask.group("label") or ask.group("metadata"):
            raise statuses.invalid(f"Malformed request: GET {path}")
        models = [
            {"name": name, "versions": [str(v) for v in self._manager.loaded(name)],
             "labels": {label: str(v) for label, v in self._manager.labels(name).items()}}
            for name in self._manager.names()
        ]  # fmt: skip
        return Answer(200, json_values.write({"models": models}))

    def _status(self, target: Target) -> Answer:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = target.name
        version = self._manager.version_of(target.name, target.label) if target.label else target.version
        if version is not None:
            request.model_spec.version.value = version
        states = get_model_status_pb2.ModelVersionStatus.State
        entries = [
            {
                "version": str(entry.version),
                "state": states.Name(entry.state),
                "status": {
                    "error_code": _code_name(entry.status.error_code),
                    "error_message": entry.status.error_message,
                },
            }
            for entry in status.get_model_status(self._board, request).model_version_status
        ]
        return Answer(200, json.dumps({"model_version_status": entries}, indent=1).encode())

    def _describe(self, target: Target) -> Answer:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, target)
        response = self._inference.get_model_metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        value = {"model_spec": _fields(response.model_spec), "metadata": {"signature_def": _fields(signatures)}}
        return Answer(200, json.dumps(value, indent=1).encode())

    async def _infer(self, method: str, target: Target, body: bytes, deadline: float) -> Answer:
        started = time.monotonic()
        code, notes = "OK", Notes()
        try:
            if method == "predict":
                return await self._predict(target, body, deadline, notes)
            return await self._examples(method, target, body, deadline, notes)
        except statuses.StatusError as error:
            code = error.code.name
            return failure(error, notes)
        finally:
            self._metrics.observe(method, "REST", target.name, code, time.monotonic() - started)

    async def _predict(self, target: Target, body: bytes, deadline: float, notes: Notes) -> Answer:
        document = predict_body.document(body)
        held = self._manager.acquire(target)
        try:
            name = predict_body.signature_name(document, DEFAULT_SIGNATURE)
            signature = held.session.signatures.get(name)
            if signature is None:
                raise statuses.invalid(f'Serving signature name: "{name}" not found in signature def')
            arrays, rows = predict_body.arrays(document, signature.definition.inputs, signature.defaults)
            plan = signature.plan(signature.select(()))
            call = Call("Predict", "REST", target.name, held.version, name, plan, signature.order(arrays),
                        frozenset(arrays), deadline, notes=notes, checks=held.session.checks)  # fmt: skip
            call.respond = predict_responder(call, signature)
            outputs = await self._execute(call)
            write = json_tensors.by_row if rows else json_tensors.by_column
            return Answer(200, write(plan.outputs, outputs), JSON, (*_notes(target, held.version), *notes))
        finally:
            held.release()

    async def _examples(self, method: str, target: Target, body: bytes, deadline: float, notes: Notes) -> Answer:
        document = predict_body.document(body)
        classify = method == "classify"
        request: Any = classification_pb2.ClassificationRequest() if classify else regression_pb2.RegressionRequest()
        _fill_spec(request.model_spec, target)
        request.model_spec.signature_name = predict_body.signature_name(document, DEFAULT_SIGNATURE)
        example_body.fill_request(document, request)
        if classify:
            response = await self._inference.classify(request, deadline, notes)
            written = example_body.classify_answer(response)
        else:
            response = await self._inference.regress(request, deadline, notes)
            written = example_body.regress_answer(response)
        return Answer(200, written, JSON, (*_notes(target, response.model_spec.version.value), *notes))


def _notes(target: Target, version: int) -> tuple[tuple[str, str], ...]:
    return (("X-Model-Name", target.name), ("X-Model-Version", str(version)))


def _target(match: re.Match[str]) -> Target:
    version, label = match.group("version"), match.group("label")
    if version is not None and (len(version) > _MOST_DIGITS or int(version) > _LARGEST_VERSION):
        raise statuses.invalid(f"Failed to convert version: {version} to numeric.")
    return Target(unquote(match.group("name")), int(version) if version else None, unquote(label) if label else "")


def _code_name(number: int) -> str:
    return "OK" if number == 0 else statuses.from_number(number, "").code.name


def _fill_spec(spec: Any, target: Target) -> None:
    spec.name = target.name
    if target.label:
        spec.version_label = target.label
    elif target.version is not None:
        spec.version.value = target.version


def _fields(message: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True, **_ALL_FIELDS)
    return fields

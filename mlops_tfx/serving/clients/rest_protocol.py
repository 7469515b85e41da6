"""The operations over HTTP, as TF Serving's REST API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import grpc
import numpy as np

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.clients import json_values
from mlops_tfx.serving.clients.conversation import ONCE, Deadline, Retry, Steps
from mlops_tfx.serving.clients.descriptions import (
    ClassScore,
    ModelListing,
    ModelMetadata,
    Prediction,
    SignatureDescription,
    Target,
    TensorDescription,
    VersionStatus,
)
from mlops_tfx.serving.clients.protocol import GUARD_NOTE, Protocol, Scores, with_finding
from mlops_tfx.serving.tensor_messages import Array

Layout = Literal["columns", "rows"]
_STATUS = grpc.StatusCode
# As far as HTTP tells codes apart: TF Serving answers 400 for FAILED_PRECONDITION and OUT_OF_RANGE too.
_CODES = {
    400: _STATUS.INVALID_ARGUMENT, 401: _STATUS.UNAUTHENTICATED, 403: _STATUS.PERMISSION_DENIED, 404: _STATUS.NOT_FOUND,
    409: _STATUS.ABORTED, 413: _STATUS.RESOURCE_EXHAUSTED, 429: _STATUS.RESOURCE_EXHAUSTED, 499: _STATUS.CANCELLED,
    500: _STATUS.INTERNAL, 501: _STATUS.UNIMPLEMENTED, 502: _STATUS.UNAVAILABLE, 503: _STATUS.UNAVAILABLE,
    504: _STATUS.DEADLINE_EXCEEDED,
}  # fmt: skip
_CODE_NUMBERS = {code.name: code.value[0] for code in grpc.StatusCode}
_TEXT_LIMIT = 1000


@dataclass(frozen=True)
class HttpRequest:
    """A request; without body a GET."""

    path: str
    body: bytes | None = None


@dataclass(frozen=True)
class HttpAnswer:
    """An answer; the names of ``headers`` are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class RestProtocol(Protocol):
    """Operations as HTTP requests.

    Args:
        layout: how tensors are sent: ``columns`` (``inputs``: smaller, and any shape) or ``rows`` (``instances``).
    """

    def __init__(self, address: str, retry: Retry, layout: Layout = "columns") -> None:
        super().__init__(address, retry)
        if layout not in ("columns", "rows"):
            raise ValueError(f"expected layout='columns' or 'rows', received {layout!r}")
        self.layout = layout

    def _ask(self, path: str, body: bytes | None, deadline: Deadline, retry: Retry | None = None) -> Steps[HttpAnswer]:
        answer: HttpAnswer = yield from self.exchange(HttpRequest(path, body), deadline, retry)
        return answer

    def get_model_metadata(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[ModelMetadata]:
        answer = yield from self._ask(f"{_path(target)}/metadata", None, deadline, retry)
        value = json_values.read(answer.body)
        spec = value["model_spec"]
        signatures = value["metadata"]["signature_def"]["signature_def"]
        described = {name: _describe_signature(definition) for name, definition in signatures.items()}
        return ModelMetadata(spec["name"], int(spec["version"]), described)

    def get_model_status(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[list[VersionStatus]]:
        answer = yield from self._ask(_path(target), None, deadline, retry)
        return [_describe_state(entry) for entry in json_values.read(answer.body)["model_version_status"]]

    def list_models(self, deadline: Deadline) -> Steps[list[ModelListing]]:
        """Asks for the models that a server has; TF Serving's own server has no such question."""
        answer = yield from self._ask("/v1/models", None, deadline)
        return [
            ModelListing(
                model["name"],
                tuple(int(version) for version in model["versions"]),
                {label: int(version) for label, version in model["labels"].items()},
            )
            for model in json_values.read(answer.body)["models"]
        ]

    def is_ready(self, deadline: Deadline) -> Steps[bool]:
        try:
            yield from self._ask("/readyz", None, deadline, ONCE)
        except ServingError as error:
            if error.code == grpc.StatusCode.UNAVAILABLE:
                return False
            raise
        return True

    def send_predict(
        self,
        target: Target,
        signature_name: str,
        metadata: ModelMetadata,
        tensors: dict[str, Array],
        output_filter: Sequence[str],
        deadline: Deadline,
    ) -> Steps[Prediction]:
        body = self._body(signature_name, tensors)
        answer = yield from self._ask(f"{_path(target)}:predict", body, deadline)
        version = _version(answer)
        metadata = yield from self._of_version(target, version, metadata, deadline)
        signature = metadata.signatures.get(signature_name)
        outputs = _outputs(json_values.read(answer.body), signature.outputs if signature else {})
        # REST has no filter: all outputs travel, those wanted are kept.
        unknown = [name for name in output_filter if name not in outputs]
        if unknown:
            text = f"output tensor alias not found in signature: {unknown[0]}"
            raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, text)
        kept = {name: outputs[name] for name in output_filter} if output_filter else outputs
        found = answer.headers.get(GUARD_NOTE, "")
        return Prediction(kept, target.name, version, signature_name, schema_guard=found)

    def _of_version(
        self, target: Target, version: int | None, known: ModelMetadata, deadline: Deadline
    ) -> Steps[ModelMetadata]:
        """What is needed to read an answer, in which JSON says neither dtypes nor the name of a single output."""
        if version in (None, known.version):
            return known
        try:
            return (yield from self._learn(Target(target.name, version), deadline))
        except ServingError as error:
            if error.code != _STATUS.NOT_FOUND:
                raise
            return known  # it has gone already, or another server behind this address has answered

    def _body(self, signature_name: str, tensors: dict[str, Array]) -> bytes:
        finite = all(json_values.is_finite(array) for array in tensors.values())
        write = json_values.write_finite if finite else json_values.write
        columns = {name: json_values.from_array(array) for name, array in tensors.items()}
        if self.layout == "columns":
            return write({"signature_name": signature_name, "inputs": columns})
        sizes = {name: array.shape[0] if array.ndim else None for name, array in tensors.items()}
        if len(set(sizes.values())) != 1 or None in sizes.values():
            raise ValueError(f"expected inputs of as many rows each for layout='rows', received the rows {sizes}")
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return write({"signature_name": signature_name, "instances": rows})

    def send_classify(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Scores]:
        results = yield from self._examples(target, "classify", name, examples, deadline)
        return [[ClassScore(label, float(score)) for label, score in row] for row in results]

    def send_regress(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Array]:
        results = yield from self._examples(target, "regress", name, examples, deadline)
        return json_values.narrow(np.array(results, np.float64))

    def _examples(
        self, target: Target, method: str, name: str, examples: list[bytes], deadline: Deadline
    ) -> Steps[list[Any]]:
        rows = [json_values.from_example(example) for example in examples]
        body = json_values.write({"signature_name": name, "examples": rows})
        answer = yield from self._ask(f"{_path(target)}:{method}", body, deadline)
        results: list[Any] = json_values.read(answer.body)["results"]
        return results


def raise_for_status(answer: HttpAnswer) -> HttpAnswer:
    """Returns an answer that is fine. Raises ServingError for another, in the server's words."""
    if answer.status == 200:
        return answer
    code = _CODES.get(answer.status, grpc.StatusCode.UNKNOWN)
    try:
        text = json_values.read(answer.body)["error"]
    except (ValueError, TypeError, KeyError):
        # Not the model server's: a proxy's page, or another server's.
        text = f"HTTP {answer.status}: {answer.body[:_TEXT_LIMIT].decode('utf-8', 'replace').strip()}"
    raise ServingError(code, with_finding(text, answer.headers.get(GUARD_NOTE, "")))


def _path(target: Target) -> str:
    path = f"/v1/models/{quote(target.name, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    return path if target.label is None else f"{path}/labels/{quote(target.label, safe='')}"


def _version(answer: HttpAnswer) -> int | None:
    text = answer.headers.get("x-model-version")
    return int(text) if text else None


def _outputs(document: dict[str, Any], described: Mapping[str, TensorDescription]) -> dict[str, Array]:
    by_columns = "outputs" in document
    found = document["outputs"] if by_columns else document["predictions"]
    # One output comes without its name. A value is never an object, other than a b64 one.
    names = _named(found if by_columns else next(iter(found), None))
    no_rows = not by_columns and not found
    if names != (None if len(described) == 1 else set(described)) and not no_rows:
        text = f"expected the outputs {sorted(described)}, received {sorted(names or ())}; was a version replaced?"
        raise ServingError(_STATUS.FAILED_PRECONDITION, text)
    if names is None:
        columns = dict.fromkeys(described, found)
    elif by_columns:
        columns = found
    else:
        columns = {name: [row[name] for row in found] for name in described}
    return {name: json_values.to_array(value, described[name].dtype) for name, value in columns.items()}


def _named(value: Any) -> set[str] | None:
    """The names of outputs in an answer, or in a row of one; None if it is the value of a single output."""
    return set(value) if isinstance(value, dict) and set(value) != {"b64"} else None


def _describe_signature(definition: Mapping[str, Any]) -> SignatureDescription:
    defaults = definition.get("defaults", {})
    return SignatureDescription(
        {name: _describe(info, name in defaults) for name, info in definition["inputs"].items()},
        {name: _describe(info, False) for name, info in definition["outputs"].items()},
        definition["method_name"],
    )


def _describe(info: Mapping[str, Any], optional: bool) -> TensorDescription:
    return TensorDescription(info["dtype"], json_values.describe_shape(info.get("tensor_shape", {})), optional)


def _describe_state(entry: Mapping[str, Any]) -> VersionStatus:
    status = entry["status"]
    number = _CODE_NUMBERS.get(status["error_code"], _CODE_NUMBERS["UNKNOWN"])
    return VersionStatus(int(entry["version"]), entry["state"], number, status["error_message"])

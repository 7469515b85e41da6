"""A client of TensorFlow Serving's gRPC protocol that needs no TensorFlow.

Example:
    with Client("localhost:8500") as client:
        client.wait_until_available("flights")
        client.predict("flights", [{"carrier": "UA", "distance": 1400.0}])
        client.predict("flights", {"carrier": ["UA"], "distance": [1400.0]}, signature_name="serving_raw")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from mlops_tfx.errors import ServingError
from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.protos import enum_values, message

if TYPE_CHECKING:
    from types import TracebackType

    from mlops_tfx.serving.tensor_messages import Array

_PREDICTION = "tensorflow.serving.PredictionService"
_MODEL = "tensorflow.serving.ModelService"
_POLL_SECONDS = 0.05
# What a server that is starting, or has not seen the model yet, answers.
_NOT_YET = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class TensorDescription:
    """An input or output: ``dtype`` as ``DT_FLOAT``; ``shape`` with None for a free size, None if the rank is free."""

    dtype: str
    shape: tuple[int | None, ...] | None
    optional: bool = False


@dataclass(frozen=True)
class SignatureDescription:
    """The inputs and outputs of a signature by name."""

    inputs: Mapping[str, TensorDescription]
    outputs: Mapping[str, TensorDescription]
    method_name: str


@dataclass(frozen=True)
class ModelMetadata:
    """A model's version and its signatures by name."""

    name: str
    version: int
    signatures: Mapping[str, SignatureDescription]


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version: START, LOADING, AVAILABLE, UNLOADING or END; with an error if loading failed."""

    version: int
    state: str
    error_code: int = 0
    error_message: str = ""


class Client:
    """Talks to one server. Safe for several threads; close it, or use it in a ``with`` statement.

    Args:
        address: ``host:port``.
        timeout: seconds that a call may take, unless it says otherwise; None for no limit.
    """

    def __init__(self, address: str, *, timeout: float | None = 60.0) -> None:
        self.address = address
        self.timeout = timeout
        sizes = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, options=sizes)
        self._predict = self._method(_PREDICTION, "Predict", "PredictResponse")
        self._metadata = self._method(_PREDICTION, "GetModelMetadata", "GetModelMetadataResponse")
        self._status = self._method(_MODEL, "GetModelStatus", "GetModelStatusResponse")
        self._expected: dict[tuple[str, int | None, str], Mapping[str, TensorDescription]] = {}

    def _method(self, service: str, name: str, response: str) -> Any:
        return self._channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message(f"tensorflow.serving.{response}").FromString,
        )

    def predict(
        self,
        model_name: str,
        inputs: Mapping[str, Any] | Sequence[bytes] | Sequence[Mapping[str, Any]],
        *,
        signature_name: str = "serving_default",
        version: int | None = None,
        output_filter: Sequence[str] = (),
        examples_input: str = "examples",
        timeout: float | None = None,
    ) -> dict[str, Array]:
        """Asks a model for predictions.

        Args:
            model_name: the name that the server has for the model.
            inputs: one of three. Named tensors: a dict of arrays, which keep their type, or of nested lists, which get
                the type that the signature wants. Serialized tf.Examples: a list of bytes. Rows: a list of dicts of
                raw values, which are encoded as tf.Examples; the type is that of the value (``500`` is an int,
                ``500.0`` a float).
            signature_name: the signature. An exported model takes named tensors by ``serving_raw``.
            version: a version; None for the newest.
            output_filter: the outputs wanted; none for all.
            examples_input: the input that takes serialized tf.Examples.
            timeout: seconds; None for the client's.

        Returns:
            The outputs by name; strings are arrays of bytes objects.

        Raises:
            ServingError: the server refused, took too long, or cannot be reached.
            ValueError: inputs that cannot be encoded.
        """
        request = message("tensorflow.serving.PredictRequest")(output_filter=output_filter)
        _fill_spec(request.model_spec, model_name, version)
        request.model_spec.signature_name = signature_name
        for name, array in self._arrays(model_name, version, signature_name, inputs, examples_input).items():
            tensor_messages.fill_tensor(array, request.inputs[name])
        try:
            response = self._call(self._predict, request, timeout)
        except ServingError:
            # The next call learns anew what the signature wants.
            self._expected.pop((model_name, version, signature_name), None)
            raise
        return {name: tensor_messages.read_tensor(proto) for name, proto in response.outputs.items()}

    def _arrays(
        self, model_name: str, version: int | None, signature_name: str, inputs: Any, examples_input: str
    ) -> dict[str, Array]:
        if not isinstance(inputs, Mapping):
            return {examples_input: tensor_messages.to_array(_serialized(inputs), "DT_STRING")}
        expected: Mapping[str, TensorDescription] = {}
        if any(not hasattr(value, "dtype") for value in inputs.values()):
            expected = self._expected_inputs(model_name, version, signature_name)
        arrays = {}
        for name, value in inputs.items():
            dtype = expected[name].dtype if name in expected else None
            try:
                arrays[name] = tensor_messages.to_array(value, dtype)
            except ValueError as error:
                raise ValueError(f"input {name!r}: {error}") from error
        return arrays

    def _expected_inputs(self, model_name: str, version: int | None, name: str) -> Mapping[str, TensorDescription]:
        key = (model_name, version, name)
        if key not in self._expected:
            signature = self.metadata(model_name, version=version).signatures.get(name)
            # An unknown signature is the server's to report, in its own words.
            self._expected[key] = signature.inputs if signature else {}
        return self._expected[key]

    def metadata(self, model_name: str, *, version: int | None = None, timeout: float | None = None) -> ModelMetadata:
        """Returns a model's signatures. Raises ServingError."""
        request = message("tensorflow.serving.GetModelMetadataRequest")(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, model_name, version)
        response = self._call(self._metadata, request, timeout)
        packed = response.metadata["signature_def"].value
        signatures = message("tensorflow.serving.SignatureDefMap").FromString(packed).signature_def
        return ModelMetadata(
            response.model_spec.name,
            response.model_spec.version.value,
            {name: _describe_signature(definition) for name, definition in signatures.items()},
        )

    def status(
        self, model_name: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """Returns the state of all versions of a model, highest first, or of one. Raises ServingError."""
        request = message("tensorflow.serving.GetModelStatusRequest")()
        _fill_spec(request.model_spec, model_name, version)
        response = self._call(self._status, request, timeout)
        states = {number: name for name, number in enum_values("tensorflow.serving.ModelVersionStatus.State").items()}
        return [
            VersionStatus(s.version, states.get(s.state, "UNKNOWN"), s.status.error_code, s.status.error_message)
            for s in response.model_version_status
        ]

    def wait_until_available(self, model_name: str, *, version: int | None = None, timeout: float = 60.0) -> int:
        """Waits for a server, and for a version, any or the one named, to be available; returns it.

        Raises:
            ServingError: DEADLINE_EXCEEDED after ``timeout`` seconds; or the server's error for a model that it has
                given up loading.
        """
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while True:
            seen = self._look(model_name, version, max(0.001, deadline - time.monotonic()))
            if isinstance(seen, int):
                return seen
            if time.monotonic() >= deadline:
                text = f"model {model_name!r} at {self.address} is not available after {timeout:g} s: {seen}"
                raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, text)
            pause.wait(_POLL_SECONDS)

    def _look(self, model_name: str, version: int | None, timeout: float) -> int | str:
        """Returns the available version, or what there is instead."""
        try:
            states = self.status(model_name, version=version, timeout=timeout)
        except ServingError as error:
            if error.code in _NOT_YET:
                return str(error)
            raise
        for state in states:
            if state.state == "AVAILABLE":
                return state.version
        failed = [state for state in states if state.state == "END" and state.error_code]
        if failed and len(failed) == len(states):
            raise ServingError(_code(failed[0].error_code), f"version {failed[0].version}: {failed[0].error_message}")
        return ", ".join(f"version {s.version} {s.state} {s.error_message}".strip() for s in states)

    def _call(self, method: Any, request: Any, timeout: float | None) -> Any:
        try:
            return method(request, timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise self._explain(error) from error

    def _explain(self, error: Any) -> ServingError:
        code, details = error.code(), error.details() or ""
        unreachable = "connect" in details.lower() or "dns" in details.lower() or "resolution" in details.lower()
        if code == grpc.StatusCode.UNAVAILABLE and unreachable:
            details = (
                f"no server answers at address={self.address!r}: {details}; start one by `python -m "
                "mlops_tfx.serving.server --port=8500 --model_name=NAME --model_base_path=/absolute/folder/of/versions`"
            )
        return ServingError(code, details)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _code(number: int) -> grpc.StatusCode:
    return {code.value[0]: code for code in grpc.StatusCode}.get(number, grpc.StatusCode.UNKNOWN)


def _fill_spec(spec: Any, name: str, version: int | None) -> None:
    spec.name = name
    if version is not None:
        spec.version.value = version


def _serialized(inputs: Any) -> list[bytes]:
    if isinstance(inputs, (str, bytes)) or not hasattr(inputs, "__iter__"):
        raise ValueError(
            "expected named tensors (a dict), serialized tf.Examples (a list of bytes) or rows (a list of dicts), "
            f"received {type(inputs).__name__}"
        )
    examples = []
    for index, row in enumerate(inputs):
        if isinstance(row, bytes):
            examples.append(row)
        elif isinstance(row, Mapping):
            examples.append(_encode_row(index, row))
        else:
            raise ValueError(f"row {index}: expected a dict or a serialized tf.Example, received {type(row).__name__}")
    return examples


def _encode_row(index: int, row: Mapping[str, Any]) -> bytes:
    try:
        return tensor_messages.encode_row(row)
    except ValueError as error:
        raise ValueError(f"row {index}: {error}") from error


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

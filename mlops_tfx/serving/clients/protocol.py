"""What the operations of both protocols share: metadata asked once, dtypes, hints in errors, waiting for a model."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import grpc

from mlops_tfx.errors import ServingError, did_you_mean
from mlops_tfx.serving.clients import inputs as forms
from mlops_tfx.serving.clients.conversation import ONCE, Deadline, Pause, Retry, Steps, exchange
from mlops_tfx.serving.clients.descriptions import (
    ClassScore,
    ModelMetadata,
    Prediction,
    Target,
    VersionStatus,
)
from mlops_tfx.serving.input_names import RAW_SIGNATURE
from mlops_tfx.serving.tensor_messages import Array

_POLL_SECONDS = 0.05
# What a server that is starting, or has not seen the model yet, answers.
_NOT_YET = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DEADLINE_EXCEEDED)
# What may mean that the model is another than its metadata say.
_STALE = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)
# The trailer or header in which a server says what its schema guard has found.
GUARD_NOTE = "schema-guard"
Scores: TypeAlias = list[list[ClassScore]]
T = TypeVar("T")


class Protocol(abc.ABC):
    """Operations as steps (see conversation.py).

    Args:
        address: of the server, for messages.
        retry: how calls that a server did not take up are repeated.
    """

    def __init__(self, address: str, retry: Retry) -> None:
        self.address = address
        self.retry = retry
        self._metadata: dict[Target, ModelMetadata] = {}

    @abc.abstractmethod
    def get_model_metadata(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[ModelMetadata]:
        """Asks for the signatures."""

    @abc.abstractmethod
    def get_model_status(
        self, target: Target, deadline: Deadline, retry: Retry | None = None
    ) -> Steps[list[VersionStatus]]:
        """Asks for the states of a model's versions."""

    @abc.abstractmethod
    def is_ready(self, deadline: Deadline) -> Steps[bool]:
        """Asks whether the server is ready."""

    @abc.abstractmethod
    def send_predict(
        self,
        target: Target,
        signature_name: str,
        metadata: ModelMetadata,
        tensors: dict[str, Array],
        output_filter: Sequence[str],
        deadline: Deadline,
    ) -> Steps[Prediction]:
        """Asks for predictions on tensors."""

    @abc.abstractmethod
    def send_classify(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Scores]:
        """Asks for classes of serialized tf.Examples."""

    @abc.abstractmethod
    def send_regress(self, target: Target, name: str, examples: list[bytes], deadline: Deadline) -> Steps[Array]:
        """Asks for values of serialized tf.Examples."""

    def exchange(self, request: Any, deadline: Deadline, retry: Retry | None = None) -> Steps[Any]:
        """Sends a request, again if the server was unavailable."""
        return (yield from exchange(request, deadline, retry or self.retry))

    def predict(
        self, target: Target, given: forms.Inputs, signature_name: str, output_filter: Sequence[str], deadline: Deadline
    ) -> Steps[Prediction]:
        """Encodes inputs as the signature takes them, and asks."""

        def attempt(metadata: ModelMetadata) -> Steps[Prediction]:
            signature = metadata.signatures.get(signature_name)
            tensors = forms.tensors(given, signature, _feature_dtypes(metadata))
            try:
                answer = yield from self.send_predict(
                    target, signature_name, metadata, tensors, output_filter, deadline
                )
            except ServingError as error:
                advice = _advise(error, metadata, signature_name, tensors, output_filter)
                raise ServingError(error.code, error.message + advice) from error
            if answer.version not in (None, metadata.version):
                # Another version serves by now: its signatures may differ.
                self._metadata.pop(target, None)
            return answer

        return (yield from self._informed(target, deadline, attempt))

    def classify(self, target: Target, given: forms.Inputs, name: str, deadline: Deadline) -> Steps[Scores]:
        """Encodes inputs as tf.Examples, and asks for classes."""

        def ask(examples: list[bytes]) -> Steps[Scores]:
            scores = yield from self.send_classify(target, name, examples, deadline)
            _same_rows(len(scores), len(examples))
            return scores

        return (yield from self.with_examples(target, given, deadline, ask))

    def regress(self, target: Target, given: forms.Inputs, name: str, deadline: Deadline) -> Steps[Array]:
        """Encodes inputs as tf.Examples, and asks for values."""

        def ask(examples: list[bytes]) -> Steps[Array]:
            values = yield from self.send_regress(target, name, examples, deadline)
            _same_rows(len(values), len(examples))
            return values

        return (yield from self.with_examples(target, given, deadline, ask))

    def with_examples(
        self, target: Target, given: forms.Inputs, deadline: Deadline, ask: Callable[[list[bytes]], Steps[T]]
    ) -> Steps[T]:
        """Encodes inputs as serialized tf.Examples, in the dtypes of the model where it has them, and asks."""
        if isinstance(given, forms.Serialized):
            return (yield from ask(list(given.values)))

        def attempt(metadata: ModelMetadata) -> Steps[T]:
            return (yield from ask(forms.examples(given, _feature_dtypes(metadata))))

        return (yield from self._informed(target, deadline, attempt))

    def _informed(self, target: Target, deadline: Deadline, attempt: Callable[[ModelMetadata], Steps[T]]) -> Steps[T]:
        """Makes an attempt with the metadata of a model: at first with those of an earlier request.

        If these are refused, by the server or when the inputs are encoded, another version may serve by now: then the
        metadata are asked again, and if they are others, the attempt is made again.
        """
        known = self._metadata.get(target)
        if known is None:
            return (yield from attempt((yield from self._learn(target, deadline))))
        try:
            return (yield from attempt(known))
        except (ServingError, ValueError) as error:
            if isinstance(error, ServingError) and error.code not in _STALE:
                raise
            self._metadata.pop(target, None)
            try:
                fresh = yield from self._learn(target, deadline, ONCE)
            except ServingError:
                raise error from None
            if fresh == known:
                raise
        return (yield from attempt(fresh))

    def _learn(self, target: Target, deadline: Deadline, retry: Retry | None = None) -> Steps[ModelMetadata]:
        known = self._metadata.get(target)
        if known is None:
            known = self._metadata[target] = yield from self.get_model_metadata(target, deadline, retry)
        return known

    def wait_until_available(self, target: Target, seconds: float) -> Steps[int]:
        """Waits for a version to be available."""
        deadline = Deadline(seconds)
        while True:
            seen = yield from self._look(target, deadline)
            if isinstance(seen, int):
                return seen
            if deadline.is_over:
                text = f"model {target.name!r} at {self.address} is not available after {seconds:g} s: {seen}"
                raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, text)
            yield Pause(_POLL_SECONDS)

    def _look(self, target: Target, deadline: Deadline) -> Steps[int | str]:
        """Returns the available version, or what there is instead."""
        try:
            states = yield from self.get_model_status(target, deadline, ONCE)
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


def with_finding(message: str, found: str) -> str:
    """Returns a server's refusal with what its schema guard found, unless it is the guard that refuses."""
    return f"{message}; schema guard: {found}" if found and "does not fit the schema" not in message else message


def unreachable(address: str, details: str, flag: str) -> ServingError:
    """Returns the error for a server that nobody has started, or not there."""
    return ServingError(
        grpc.StatusCode.UNAVAILABLE,
        f"no server answers at address={address!r}: {details}; start one by `python -m mlops_tfx.serving.server "
        f"{flag} --model_name=NAME --model_base_path=/absolute/folder/of/versions`",
    )


def untrusted(address: str, details: str) -> ServingError:
    """Returns the error for a connection that TLS refuses."""
    return ServingError(
        grpc.StatusCode.UNAVAILABLE,
        f"no connection to address={address!r} that TLS accepts: {details}; look at the server's certificate (its host "
        "name, its dates, who signed it: Tls(root_certificates)), at the client's (Tls(private_key, certificate)), and "
        "whether both sides use TLS",
    )


def _code(number: int) -> grpc.StatusCode:
    return {code.value[0]: code for code in grpc.StatusCode}.get(number, grpc.StatusCode.UNKNOWN)


def _feature_dtypes(metadata: ModelMetadata) -> Mapping[str, str]:
    """The dtypes that the model parses features in, if it has a signature that says so."""
    raw = metadata.signatures.get(RAW_SIGNATURE)
    return {name: tensor.dtype for name, tensor in raw.inputs.items()} if raw else {}


def _advise(
    error: ServingError,
    metadata: ModelMetadata,
    signature_name: str,
    tensors: Mapping[str, Array],
    output_filter: Sequence[str],
) -> str:
    """What the server cannot know: the names near those that it refused."""
    if error.code not in _STALE:
        return ""
    signature = metadata.signatures.get(signature_name)
    if signature is None:
        return f"; signature_name={signature_name!r}" + did_you_mean(signature_name, metadata.signatures)
    hints = [
        f"; input {name!r}" + did_you_mean(name, signature.inputs) for name in tensors if name not in signature.inputs
    ]
    hints += [
        f"; output {name!r}" + did_you_mean(name, signature.outputs)
        for name in output_filter
        if name not in signature.outputs
    ]
    return "".join(hints)


def _same_rows(received: int, sent: int) -> None:
    if received != sent:
        text = f"expected an answer for each of {sent} rows, received {received}; the model drops or adds rows"
        raise ServingError(grpc.StatusCode.INTERNAL, text)

"""The methods of the asynchronous clients: those of interface.py, to be awaited."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.clients import inputs as forms
from mlops_tfx.serving.clients.conversation import Deadline, Effect, Send, Steps
from mlops_tfx.serving.clients.descriptions import ModelMetadata, Prediction, Target, VersionStatus
from mlops_tfx.serving.clients.interface import DEFAULT_SIGNATURE, check_rows, pieces
from mlops_tfx.serving.clients.protocol import Protocol, Scores
from mlops_tfx.serving.tensor_messages import Array

P = TypeVar("P", bound=Protocol)
T = TypeVar("T")
S = TypeVar("S")


class AsynchronousClient(abc.ABC, Generic[P]):
    """What the asynchronous clients have in common. Belongs to the event loop that it was made in."""

    def __init__(self, protocol: P, timeout: float | None) -> None:
        self.address = protocol.address
        self.timeout = timeout
        self._protocol = protocol

    async def _run(self, steps: Steps[T]) -> T:
        try:
            effect = next(steps)
            while True:
                try:
                    answer = await self._perform(effect)
                except ServingError as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await self._send(effect)
        await asyncio.sleep(effect.seconds)
        return None

    @abc.abstractmethod
    async def _send(self, send: Send) -> Any:
        """Sends a request; returns the answer. Raises ServingError."""

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self.timeout if timeout is None else timeout)

    async def predict(
        self,
        model_name: str,
        inputs: Any,
        *,
        signature_name: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Prediction:
        """Asks a model for predictions.

        What the signature takes is asked once and remembered: raw tensors (``serving_raw`` of an exported model), or
        serialized tf.Examples, which inputs of every other form are encoded as.

        Args:
            model_name: the name that the server has for the model.
            inputs: columns, a dict of arrays or nested lists; rows, a list of dicts; a pandas DataFrame; an Arrow
                RecordBatch or Table; a list of serialized tf.Examples. Values become what the signature takes (an int
                where a float belongs), or a ValueError. ``None`` and Arrow's null are missing values; NaN is a value,
                except in a DataFrame.
            signature_name: the signature.
            version: a version; None for the newest.
            label: a version by its label.
            output_filter: the outputs wanted; none for all.
            timeout: seconds for all attempts together; None for the client's.

        Returns:
            The outputs by name, as arrays; ``to_pandas()`` and ``to_arrow()`` give tables.

        Raises:
            ServingError: the server refused, took too long, or cannot be reached.
            ValueError: inputs that cannot be encoded.
        """
        target, given = Target(model_name, version, label), forms.read(inputs)
        steps = self._protocol.predict(target, given, signature_name, output_filter, self._deadline(timeout))
        return await self._run(steps)

    async def predict_batches(
        self,
        model_name: str,
        inputs: Any,
        *,
        rows: int = 1024,
        signature_name: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> AsyncIterator[Prediction]:
        """Predicts in pieces of so many rows, one request after the other; yields a Prediction for each.

        Args:
            model_name: as of `predict`.
            inputs: as of `predict`; or an iterator of such inputs, such as the record batches of a file, of which one
                is held at a time; or a list of tables.
            rows: the most rows of a request.
            signature_name: as of `predict`.
            version: as of `predict`.
            label: as of `predict`.
            output_filter: as of `predict`.
            timeout: seconds for each request.

        Raises:
            ServingError: also if an output does not have as many rows as were sent.
            ValueError: as of `predict`.
        """
        if rows < 1:
            raise ValueError(f"expected rows >= 1, received rows={rows}")
        for piece in pieces(inputs, rows):
            steps = self._protocol.predict(
                Target(model_name, version, label), piece, signature_name, output_filter, self._deadline(timeout)
            )
            answer = await self._run(steps)
            check_rows(answer, forms.row_count(piece))
            yield answer

    async def classify(
        self,
        model_name: str,
        inputs: Any,
        *,
        signature_name: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Scores:
        """Asks for classes: one list of (label, score) per row.

        Args:
            model_name: the name that the server has for the model.
            inputs: rows, columns, a frame, an Arrow table or serialized tf.Examples; see `predict`.
            signature_name: a signature for classification.
            version: a version; None for the newest.
            label: a version by its label.
            timeout: seconds; None for the client's.

        Raises:
            ServingError: the server refused, took too long, or cannot be reached.
            ValueError: inputs that cannot be encoded.
        """
        target, given = Target(model_name, version, label), forms.read(inputs)
        return await self._run(self._protocol.classify(target, given, signature_name, self._deadline(timeout)))

    async def regress(
        self,
        model_name: str,
        inputs: Any,
        *,
        signature_name: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Array:
        """Asks for one value per row: a float32 array ``[rows]``. Arguments and errors are those of `classify`."""
        target, given = Target(model_name, version, label), forms.read(inputs)
        return await self._run(self._protocol.regress(target, given, signature_name, self._deadline(timeout)))

    async def get_model_metadata(
        self,
        model_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> ModelMetadata:
        """Returns a model's signatures. Raises ServingError."""
        target = Target(model_name, version, label)
        return await self._run(self._protocol.get_model_metadata(target, self._deadline(timeout)))

    async def get_model_status(
        self,
        model_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[VersionStatus]:
        """Returns the state of all versions of a model, highest first, or of one. Raises ServingError."""
        target = Target(model_name, version, label)
        return await self._run(self._protocol.get_model_status(target, self._deadline(timeout)))

    metadata = get_model_metadata
    status = get_model_status

    async def is_ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server is there and has its models: gRPC's health service, or ``/readyz``.

        Raises:
            ServingError: UNIMPLEMENTED or NOT_FOUND if the server is another that has no such service.
        """
        return await self._run(self._protocol.is_ready(self._deadline(timeout)))

    async def wait_until_available(
        self, model_name: str, *, version: int | None = None, label: str | None = None, timeout: float = 60.0
    ) -> int:
        """Waits for a server, and for a version, any or the one named, to be available; returns it.

        Raises:
            ServingError: DEADLINE_EXCEEDED after ``timeout`` seconds; or the server's error for a model that it has
                given up loading.
        """
        return await self._run(self._protocol.wait_until_available(Target(model_name, version, label), timeout))

    @abc.abstractmethod
    async def close(self) -> None:
        """Closes the connections."""

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

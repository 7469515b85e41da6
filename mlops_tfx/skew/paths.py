"""The ways to a prediction other than training's own: in this process, gRPC, REST, bulk inference.

All take rows and give arrays. The server is the embedded one, in this process, on sockets of this machine: requests are
encoded, sent, decoded and answered as for any client, and no second TensorFlow has to be started.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.errors import ArtifactError, ServingError
from mlops_tfx.serving.client import Client, RestClient
from mlops_tfx.serving.server import ModelServer, ModelUnavailableError
from mlops_tfx.skew import raw_tensors
from mlops_tfx.skew.arithmetic import as_written
from mlops_tfx.skew.comparison import of_rank
from mlops_tfx.skew.signatures import SERIALIZED
from mlops_tfx.skew.trained_model import dense_array
from mlops_tfx.skew.training import RejectedError, message_of

if TYPE_CHECKING:
    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.signatures import Signature

IN_PROCESS, GRPC, REST, BULK = "in_process", "grpc", "rest", "bulk_inferrer"
PATHS = (IN_PROCESS, GRPC, REST, BULK)
_MODEL = "skew"


class Path(Protocol):
    """A way to a prediction."""

    @property
    def name(self) -> str:
        """One of PATHS."""

    def inexpressible(self, rows: RowSet, signature: Signature) -> dict[int, str]:
        """Row -> why it cannot be sent on this path, by design."""

    def answer(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """Outputs by name, ``[rows, ...]``, of one request with all rows. Raises RejectedError."""

    def answer_one_by_one(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """The same of one request per row."""


@dataclass(frozen=True)
class RequestPath:
    """A path that takes requests, whatever carries them.

    Attributes:
        name: one of PATHS.
        send: asks a signature, given its inputs by name; raises RejectedError.
        spec: raw feature -> how it is parsed.
    """

    name: str
    send: Any
    spec: Mapping[str, Any]

    def inexpressible(self, rows: RowSet, signature: Signature) -> dict[int, str]:
        """See `Path`."""
        return {} if signature.takes == SERIALIZED else raw_tensors.inexpressible(rows, signature, self.spec)

    def inputs(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """Returns a request's tensors as arrays by name."""
        if signature.takes != SERIALIZED:
            return raw_tensors.to_tensors(rows, signature, self.spec)
        return {next(iter(signature.inputs)): np.array(rows.serialized.to_pylist(), object)}

    def answer(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """See `Path`."""
        found: dict[str, Any] = self.send(signature, self.inputs(rows, signature))
        return found

    def answer_one_by_one(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """See `Path`."""
        found = [self.answer(rows.take([row]), signature) for row in range(len(rows))]
        return joined(found)


def joined(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Puts answers of one row each below each other; what is padded to different widths is padded alike."""
    return {name: stacked([answer[name] for answer in answers]) for name in answers[0]}


def stacked(arrays: list[Any], padding: Any = None) -> Any:
    """Concatenates along the rows; the other dimensions are padded, with 0 or ``""`` by default, to the largest."""
    rank = max(array.ndim for array in arrays)
    arrays = [of_rank(array, rank) for array in arrays]
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    shape = [max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True)]
    if padding is None:
        padding = b"" if arrays[0].dtype.kind in "OSU" else 0
    whole = np.full((sum(len(array) for array in arrays), *shape), padding, arrays[0].dtype)
    row = 0
    for array in arrays:
        whole[(slice(row, row + len(array)), *(slice(size) for size in array.shape[1:]))] = array
        row += len(array)
    return whole


def in_process(spec: Mapping[str, Any]) -> RequestPath:
    """Returns the SavedModel in this process, as ``tf.saved_model.load`` gives it, without the graph optimizer."""

    def send(signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            given = {name: tf.constant(value, signature.inputs[name].dtype) for name, value in inputs.items()}
            with as_written():
                answer = signature.function(**given)
            return {name: dense_array(value) for name, value in answer.items()}
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise RejectedError(message_of(error)) from error

    return RequestPath(IN_PROCESS, send, spec)


@contextlib.contextmanager
def served(model: str, folder: str, spec: Mapping[str, Any], wanted: set[str]) -> Iterator[list[RequestPath]]:
    """Serves a model, and yields the paths that are wanted of gRPC and REST.

    Args:
        model: the SavedModel.
        folder: for a copy of it, since servers want a folder of versions.
        spec: raw feature -> how it is parsed.
        wanted: GRPC, REST or both; with none of them, nothing is served.

    Raises:
        ArtifactError: the server cannot load the model.
    """
    if not wanted & {GRPC, REST}:
        yield []
        return
    base = os.path.join(folder, _MODEL)
    filesystem.copy_tree(model, os.path.join(base, "1"))
    settings: dict[str, Any] = {"model_name": _MODEL, "model_base_path": base, "host": "localhost", "port": 0}
    settings |= {"rest_api_port": -1, "max_num_load_retries": 0, "file_system_poll_wait_seconds": 0.0}
    with ModelServer(**settings) as server, contextlib.ExitStack() as stack:
        try:
            server.wait_until_available(timeout=300)
        except ModelUnavailableError as error:
            raise ArtifactError(f"the model server cannot load the model at {model!r}: {error}") from error
        clients: dict[str, Any] = {
            GRPC: stack.enter_context(Client(server.address)),
            REST: stack.enter_context(RestClient(f"localhost:{server.rest_port}")),
        }
        yield [RequestPath(name, _sender(client), spec) for name, client in clients.items() if name in wanted]


def _sender(client: Any) -> Any:
    def send(signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
        given: Any = dict(inputs)
        if signature.takes == SERIALIZED:
            given = next(iter(inputs.values())).tolist()
        try:
            return dict(client.predict(_MODEL, given, signature_name=signature.name))
        except (ServingError, ValueError) as error:
            raise RejectedError(message_of(error)) from error

    return send

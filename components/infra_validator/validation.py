"""One try: a server loads the model, answers, and is measured."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from mlops_tfx import filesystem
from mlops_tfx.components.infra_validator import answers
from mlops_tfx.components.infra_validator.failures import ModelRefusedError, ServerFailedError
from mlops_tfx.errors import ServingError
from mlops_tfx.inference.signatures import CLASSIFY, PREDICT, REGRESS
from mlops_tfx.serving.client import Client

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.requests import Query
    from mlops_tfx.components.infra_validator.servers import Launch, RunningServer, Server

FIRST_VERSION, STAMPED_VERSION = 1, 2
_METHODS = {PREDICT: "Predict", CLASSIFY: "Classify", REGRESS: "Regress"}
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 60.0
_ENDING_SECONDS = 5.0
_REPEATS = 5
_SHOWN_PROBLEMS = 10

Compute = Callable[[], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Limits:
    """What a model must keep.

    Attributes:
        loading_seconds: until it is available.
        latency_seconds: of the slowest request, the median of five; None for no limit.
        memory_bytes: of the server at its peak; None for no limit.
        require_finite: whether all numbers must be finite.
    """

    loading_seconds: float
    latency_seconds: float | None
    memory_bytes: int | None
    require_finite: bool


@dataclass
class Measured:
    """What one server was found to do: loading, the median latency of the slowest request, peak memory."""

    server: str
    loading_seconds: float = 0.0
    latency_seconds: float | None = None
    memory_bytes: int | None = None
    answers: int = 0


class Validation:
    """How a model is tried with any server.

    Args:
        launch: what the servers load.
        limits: what it must keep.
        queries: requests; none to load only.
        compute: what this process computes, outputs by signature; None to compare nothing. It is called once a server
            has answered, so that a model that ends its process ends the server's.
        stamped: the model with warmup records, in a folder beside its versions; None for none.
    """

    def __init__(
        self, launch: Launch, limits: Limits, queries: Sequence[Query], compute: Compute | None, stamped: str | None
    ) -> None:
        self._launch = launch
        self._limits = limits
        self._queries = queries
        self._compute = compute
        self._stamped = stamped

    def try_once(self, server: Server) -> Measured:
        """Tries the model.

        Raises:
            ServerFailedError: the server did not start or load it, or ended; another try may go better.
            ModelRefusedError: the model does not do what it must.
        """
        measured = Measured(server.name)
        self._take_back_stamped()
        with server.start(self._launch) as running:
            try:
                self._load(running, FIRST_VERSION, measured)
                self._ask(running, measured)
                if self._stamped is not None:
                    self._load_stamped(running)
                if self._limits.memory_bytes is not None:
                    self._check_memory(running, measured)
            except (ServerFailedError, ModelRefusedError) as error:
                raise type(error)(f"{error}\n{server.name} wrote last:\n{running.last_lines()}") from error
        return measured

    def _load(self, running: RunningServer, version: int, measured: Measured) -> None:
        started = time.monotonic()
        deadline = started + self._limits.loading_seconds
        with Client(running.address) as client:
            while not self._available(client, version, min(_LOOK_SECONDS, max(deadline - time.monotonic(), 0.001))):
                running.check_alive()
                if time.monotonic() >= deadline:
                    raise ServerFailedError(
                        f"the model was not available after {self._limits.loading_seconds:g} seconds; if that is too "
                        "short, set ValidationSpec.max_loading_time_seconds"
                    )
        measured.loading_seconds = time.monotonic() - started

    def _available(self, client: Client, version: int, seconds: float) -> bool:
        try:
            client.wait_until_available(self._launch.model_name, version=version, timeout=seconds)
        except ServingError as error:
            if error.code == grpc.StatusCode.DEADLINE_EXCEEDED:
                return False
            raise ServerFailedError(f"the server cannot load the model: {error}") from error
        return True

    def _ask(self, running: RunningServer, measured: Measured) -> None:
        if not self._queries:
            return
        with grpc.insecure_channel(running.address, options=[("grpc.max_receive_message_length", -1)]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            found = [(query, answers.read_answer(query, _answer(stub, query, running))) for query in self._queries]
            self._check(found)
            measured.answers = len(found)
            measured.latency_seconds = max(_latency(stub, query, running) for query in self._queries)
        limit = self._limits.latency_seconds
        if limit is not None and measured.latency_seconds > limit:
            raise ModelRefusedError(
                f"expected answers within {limit:g} seconds (max_latency_seconds), received one after "
                f"{measured.latency_seconds:.4f}, the median of {_REPEATS}"
            )

    def _check(self, found: Sequence[tuple[Query, Mapping[str, Any]]]) -> None:
        wrong = [
            text for query, arrays in found for text in answers.problems(query, arrays, self._limits.require_finite)
        ]
        if not wrong and self._compute is not None:
            computed = self._compute()
            wrong = [
                text
                for query, arrays in found
                for text in answers.differences(query, arrays, computed[query.task.signature])
            ]
        if wrong:
            more = f" (and {len(wrong) - _SHOWN_PROBLEMS} more)" if len(wrong) > _SHOWN_PROBLEMS else ""
            raise ModelRefusedError("; ".join(wrong[:_SHOWN_PROBLEMS]) + more)

    def _load_stamped(self, running: RunningServer) -> None:
        """Gives the server the stamped model as its next version: its warmup records must run."""
        assert self._stamped is not None, "asked only where there is one"
        version = os.path.join(self._launch.base_path, str(STAMPED_VERSION))
        filesystem.rename(self._stamped, version)
        try:
            self._load(running, STAMPED_VERSION, Measured(""))
        except ServerFailedError as error:
            raise ServerFailedError(f"with its warmup records: {error}") from error

    def _take_back_stamped(self) -> None:
        """Lets the next server begin with the first version, as the one before did."""
        version = os.path.join(self._launch.base_path, str(STAMPED_VERSION))
        if self._stamped is not None and filesystem.exists(version):
            filesystem.rename(version, self._stamped)

    def _check_memory(self, running: RunningServer, measured: Measured) -> None:
        measured.memory_bytes = running.peak_memory()
        limit = self._limits.memory_bytes
        if limit is not None and measured.memory_bytes > limit:
            raise ModelRefusedError(
                f"expected a server of at most {limit:,} bytes of memory (max_memory_bytes), received "
                f"{measured.memory_bytes:,}"
            )


def _answer(stub: Any, query: Query, running: RunningServer) -> Any:
    try:
        return getattr(stub, _METHODS[query.task.kind])(query.message, timeout=_ANSWER_SECONDS)
    except grpc.RpcError as error:
        code, details = error.code(), error.details()
        if code == grpc.StatusCode.UNAVAILABLE:
            running.check_alive(_ENDING_SECONDS)  # the connection breaks a moment before the process is gone
            raise ServerFailedError(f"{query.where}: the server is not available: {details}") from error
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            running.check_alive()
            raise ModelRefusedError(
                f"{query.where}: expected an answer within {_ANSWER_SECONDS:g} seconds, received none; the model hangs"
            ) from error
        raise ModelRefusedError(f"{query.where}: the server answers {code.name}: {details}") from error


def _latency(stub: Any, query: Query, running: RunningServer) -> float:
    """Seconds of one request, the median of several."""
    found = []
    for _ in range(_REPEATS):
        started = time.monotonic()
        _answer(stub, query, running)
        found.append(time.monotonic() - started)
    return statistics.median(found)

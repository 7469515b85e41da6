"""One request on its way through the server, and the chain that it runs through.

    decode -> [interceptor -> [interceptor -> ... run]] -> encode

The faces (gRPC, REST) decode and encode; what lies between sees a :class:`Call`. A guard looks at ``call.inputs`` and
raises or annotates; batching holds the call until there is a batch; a logger keeps the call and what came back.

An interceptor that only looks at the call returns what ``proceed(call)`` returns; one that looks at the outputs is an
``async def`` and awaits it. A call waits without a thread, see waiting.py.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from mlops_tfx.serving.input_names import takes_examples
from mlops_tfx.serving.server import statuses

if TYPE_CHECKING:
    from mlops_tfx.serving.server.schema_guard.checks import RequestChecks

NO_DEADLINE = float("inf")

Notes = list[tuple[str, str]]
"""What the client is told beside the answer: names and texts of trailers or headers."""


def header_text(text: str) -> str:
    """Returns a note's text as trailers and headers can have it: printable ASCII, the rest escaped as in Python."""
    return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode("ascii")


@dataclass(frozen=True)
class Target:
    """What a request asks: a model by name, and the newest version of it, one by number, or one by label."""

    name: str
    version: int | None = None
    label: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is run: arrays in the order of ``inputs`` go in, arrays in the order of ``outputs`` come out.

    Attributes:
        inputs: aliases.
        outputs: aliases; for several signatures at once, names of tensors.
        run: computes it. Raises StatusError.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    run: Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(slots=True, eq=False)
class Call:
    """A request whose inputs are decoded.

    Attributes:
        api: ``Predict``, ``Classify``, ``Regress`` or ``MultiInference``.
        entrypoint: ``GRPC`` or ``REST``.
        model_name: the model.
        version: the version that answers.
        signature_name: the signature; for MultiInference all of them, joined by commas.
        plan: what is run.
        values: the arrays to feed, in the order of ``plan.inputs``.
        given: the inputs that the request has; the others are filled in from the signature's defaults.
        deadline: when the client stops waiting, as ``time.monotonic()`` has it.
        request: the message that came over gRPC, or None.
        notes: what interceptors want the client to know; sent as trailers or headers.
        respond: makes the response message of the outputs, also for a log; None: there is no such message.
        checks: what the schema beside the version asks of requests; None if there is none.
    """

    api: str
    entrypoint: str
    model_name: str
    version: int
    signature_name: str
    plan: Plan
    values: Sequence[Any]
    given: frozenset[str]
    deadline: float = NO_DEADLINE
    request: Any = None
    notes: Notes = field(default_factory=list)
    respond: Callable[[Sequence[Any]], Any] | None = None
    checks: RequestChecks | None = None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The arrays by alias."""
        return dict(zip(self.plan.inputs, self.values, strict=True))


Execute = Callable[[Call], Awaitable[Sequence[Any]]]
Interceptor = Callable[[Call, Execute], Awaitable[Sequence[Any]]]


def holds_examples(call: Call, features: Collection[str]) -> bool:
    """Whether all that a call is given are serialized tf.Examples; ``features`` are inputs that are features."""
    if call.api != "Predict":
        return True
    if len(call.values) != 1 or np.asarray(call.values[0]).dtype != object:
        return False
    name = call.plan.inputs[0]
    return name not in features and takes_examples(name)


async def run_plan(call: Call) -> Sequence[Any]:
    """The end of every chain: runs the model, unless the client has stopped waiting."""
    check_deadline(call.deadline)
    return call.plan.run(call.values)


def check_deadline(deadline: float) -> None:
    """Raises StatusError DEADLINE_EXCEEDED once the deadline has passed."""
    if deadline <= time.monotonic():
        raise statuses.StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded before the model was run")


def chain(interceptors: Sequence[Interceptor], last: Execute = run_plan) -> Execute:
    """Returns the function that sends a call through all interceptors, the first one first, and then to ``last``."""
    execute = last
    for interceptor in reversed(interceptors):
        execute = _wrap(interceptor, execute)
    return execute


def _wrap(interceptor: Interceptor, proceed: Execute) -> Execute:
    return lambda call: interceptor(call, proceed)

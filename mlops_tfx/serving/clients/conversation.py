"""Operations as generators: they yield what to send and how long to pause, and receive the answers.

So an operation, with its retries, its metadata lookup and its errors, is written once; a blocking client and an
asynchronous one differ in how they send (channels.py, http.py), and in nothing else.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import grpc

from mlops_tfx.errors import ServingError


@dataclass(frozen=True)
class Send:
    """Sends a request of the protocol; its answer or a ServingError comes back. ``timeout``: seconds; None for any."""

    request: Any
    timeout: float | None


@dataclass(frozen=True)
class Pause:
    """Waits."""

    seconds: float


Effect: TypeAlias = Send | Pause
T = TypeVar("T")
Steps: TypeAlias = Generator[Effect, Any, T]


@dataclass(frozen=True)
class Retry:
    """How calls are repeated that a server did not take up (UNAVAILABLE); nothing else is ever repeated.

    Pauses grow from ``first_pause`` by ``factor`` up to ``longest_pause`` seconds; each is drawn between half of that
    and all of it, so that many clients do not come back at once. A pause that would outlast the deadline is not made.

    Attributes:
        attempts: how often a request is sent at most; 1 for no repetition.
    """

    attempts: int = 5
    first_pause: float = 0.1
    factor: float = 2.0
    longest_pause: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_pause < 0 or self.longest_pause < 0 or self.factor < 1:
            raise ValueError(f"expected attempts >= 1, pauses >= 0 and factor >= 1, received {self}")

    def pause(self, failures: int) -> float:
        """Returns the seconds to wait after so many failures."""
        longest = min(self.longest_pause, self.first_pause * self.factor ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)


ONCE = Retry(attempts=1)


class Deadline:
    """When an operation must be over. ``seconds``: from now; None for never."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds left, at least a millisecond, so that it is the server or the transport that says it is over."""
        return None if self._end is None else max(0.001, self._end - time.monotonic())

    def allows(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        return self._end is None or time.monotonic() + seconds < self._end

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return not self.allows(0.0)


class Home:
    """The event loop that an asynchronous client belongs to: the first that it is used in."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def enter(self) -> None:
        """Raises RuntimeError in another loop than before, and ServingError if the client is closed."""
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("expected the event loop that this client was first used in; make a client in each loop")

    def leave(self) -> None:
        """Says that the client is closed."""
        self._closed = True


def closed() -> ServingError:
    """Returns the error of a client that is closed."""
    return ServingError(grpc.StatusCode.CANCELLED, "the client is closed; make another one")


def exchange(request: Any, deadline: Deadline, retry: Retry) -> Steps[Any]:
    """Sends a request, again if the server was unavailable. Raises ServingError."""
    failures = 0
    while True:
        try:
            return (yield Send(request, deadline.left()))
        except ServingError as error:
            failures += 1
            pause = retry.pause(failures)
            if error.code != grpc.StatusCode.UNAVAILABLE or failures >= retry.attempts or not deadline.allows(pause):
                raise
        yield Pause(pause)

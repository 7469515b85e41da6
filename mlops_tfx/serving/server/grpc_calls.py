"""Takes threads only for gRPC requests that are there as a whole.

grpcio's server takes a thread for a request as soon as its headers have come. The thread waits for the message, and
later for the batch: a few clients that stall would silence the server for all others, and with 64 requests in flight
changing threads takes more than the model. This executor receives the message first, in the thread of grpcio's
completion queue, and only then gives the request to a thread. A :class:`UnaryMethod` gives the thread back while it
waits. It makes twice the requests a second of grpcio's own way (``benchmarks/serving.py``).

It relies on names inside of grpcio (of 1.60 to 1.85). Where they are not what they were, calls run as grpcio has it.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import grpc
from grpc import _server
from grpc._cython import cygrpc

from mlops_tfx.serving.server.waiting import run, start
from mlops_tfx.serving.server.workers import Workers

_log = logging.getLogger(__name__)

# A message that is on its way is there in less.
_STALLED_SECONDS = 0.5
_LOOK_SECONDS = 0.1
# Requests that are received or answered at a time; more wait in the network, where they take no memory here.
_MOST_HELD = 256


_NAMES = (
    "_RPCState", "_Context", "_CLOSED", "_RECEIVE_MESSAGE_TOKEN", "_is_rpc_state_active", "_receive_message", "_status"
)  # fmt: skip
_KNOWN = all(hasattr(_server, name) for name in _NAMES) and hasattr(cygrpc, "ReceiveMessageOperation")


class UnaryMethod(ABC):
    """A method of a service whose answer may wait without a thread. Bytes in and out.

    Attributes:
        soon_waits: whether a small request comes to such a wait, or to its end, at once.
    """

    soon_waits = False

    @abstractmethod
    async def respond(self, data: bytes, context: Any) -> bytes | None:
        """Answers. None for a failure, whose status is then in the context. Does not raise."""

    def __call__(self, data: bytes, context: Any) -> bytes:
        """Answers in this thread, as grpcio asks for it."""
        response = run(self.respond(data, context))
        if response is None:
            context.abort(context.code(), context.details())
        return response or b""


class _Call:
    """A call that grpcio wants to be run.

    Attributes:
        state: grpcio's; its condition guards what is done with the call.
        future: done when the call is.
        since: when its message was first waited for.
        stalled: whether that is so long ago that it counts no more.
    """

    def __init__(self, work: tuple[Any, ...], at: int) -> None:
        self._work, self._at = work, at
        self.event, self.state, self._behavior, _, self._deserialize = work[at - 1 : at + 4]
        self.future: Future[None] = Future()
        self.since = 0.0
        self.stalled = False

    @classmethod
    def of(cls, work: tuple[Any, ...]) -> _Call | None:
        """``work`` is a function and its arguments. None if they are not those of a call with one message."""
        if not _KNOWN:
            return None
        at = next((at for at, part in enumerate(work) if isinstance(part, _server._RPCState)), None)  # noqa: SLF001
        return None if at is None or len(work) < at + 4 else cls(work, at)

    def soon_waits(self, largest: int) -> bool:
        """Whether its message is there, of so many bytes at most, and its method soon waits."""
        request = self.state.request
        soon = isinstance(self._behavior, UnaryMethod) and self._behavior.soon_waits
        return soon and request is not None and len(request) <= largest

    def receive(self, arrived: Callable[[_Call], None]) -> bool:
        """Starts to receive the message. False if nobody waits for an answer any more. The condition must be held."""
        if not _server._is_rpc_state_active(self.state):  # noqa: SLF001
            return False
        take = _server._receive_message(self.state, self.event.call, self._deserialize)  # noqa: SLF001

        def received(event: Any) -> Any:
            outcome = take(event)
            arrived(self)
            return outcome

        self.event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), received)
        self.state.due.add(_server._RECEIVE_MESSAGE_TOKEN)  # noqa: SLF001
        return True

    async def answer(self, finished: Callable[[_Call], None]) -> None:
        """Answers; the message is there."""
        try:
            request, self.state.request = self.state.request, None
            if request is None:
                self._refuse()
            elif isinstance(self._behavior, UnaryMethod):
                context = _server._Context(self.event, self.state, None)  # noqa: SLF001
                response = await self._behavior.respond(request, context)
                _server._status(self.event, self.state, response)  # noqa: SLF001
            else:
                function, *arguments = self._work
                arguments[self._at + 1] = lambda: request
                function(*arguments)
        finally:
            finished(self)

    def _refuse(self) -> None:
        """Nothing has come: the client has gone, or has sent no message, or one that cannot be read."""
        if self.state.client is _server._CLOSED and not self.state.statused:  # noqa: SLF001
            context = _server._Context(self.event, self.state, None)  # noqa: SLF001
            context.set_code(grpc.StatusCode.UNIMPLEMENTED)
            context.set_details("exactly one request message is required")
            _server._status(self.event, self.state, None)  # noqa: SLF001


class GrpcCalls:
    """An executor for ``grpc.server``.

    Args:
        workers: the threads.
        patience: seconds that the message of a request may take to arrive; after that the request is cancelled.
        most_held: requests that are received or answered at a time, not counting those that have stalled.
        at_once: the largest message that is begun with in the thread that has received it, for methods that soon wait.
    """

    def __init__(self, workers: Workers, patience: float, most_held: int = _MOST_HELD, at_once: int = 0) -> None:
        self._workers = workers
        self._patience = patience
        self._most_held = most_held
        self._at_once = at_once
        self._lock = threading.Lock()
        self._held = 0
        # In the order in which they began; only the keys matter.
        self._receiving: dict[_Call, None] = {}
        self._queued: deque[_Call] = deque()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="serve watch", daemon=True)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Runs a function in a thread, as ``Executor.submit``; that of a call once its message is there."""
        call = _Call.of((function, *arguments))
        if call is None:
            future: Future[Any] = Future()
            self._workers.run(partial(_run, future, function, arguments))
            return future
        with self._lock:
            if self._watcher.ident is None:
                self._watcher.start()
            if self._held >= self._most_held:
                self._queued.append(call)
                return call.future
            self._held += 1
        self._receive(call)
        return call.future

    def shutdown(self, wait: bool = True) -> None:
        """Ends the threads once they have run what was submitted."""
        self._stop.set()
        self._workers.stop(wait)

    def _receive(self, call: _Call) -> None:
        call.since = time.monotonic()
        self._receiving[call] = None
        with call.state.condition:
            begun = call.receive(self._arrived)
        if not begun:
            self._receiving.pop(call, None)
            self._finished(call)

    def _arrived(self, call: _Call) -> None:
        with self._lock:
            self._receiving.pop(call, None)
            if call.stalled:
                call.stalled = False
                self._held += 1
        if self._at_once and call.soon_waits(self._at_once):
            start(call.answer(self._finished))
        else:
            self._workers.run(lambda: start(call.answer(self._finished)))

    def _finished(self, call: _Call) -> None:
        call.future.set_result(None)
        with self._lock:
            if not call.stalled:
                self._held -= 1
            following = self._next()
        if following is not None:
            self._receive(following)

    def _next(self) -> _Call | None:
        """A queued call that may begin now, which is counted; the lock must be held."""
        if not self._queued or self._held >= self._most_held:
            return None
        self._held += 1
        return self._queued.popleft()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            for call in self._late():
                _log.warning("a request is cancelled: its message has not come in %.0f s", self._patience)
                # As ServicerContext.cancel does.
                call.event.call.cancel()

    def _late(self) -> list[_Call]:
        """Lets others begin in place of those that have stalled; returns those that have for too long."""
        now = time.monotonic()
        begun, late = [], []
        with self._lock:
            for call in list(self._receiving):
                if now - call.since < _STALLED_SECONDS:
                    break
                if not call.stalled:
                    call.stalled = True
                    self._held -= 1
                if now - call.since > self._patience:
                    late.append(call)
            while (following := self._next()) is not None:
                begun.append(following)
        for call in begun:
            self._receive(call)
        return late


def _run(future: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(*arguments))
    except BaseException as error:
        future.set_exception(error)

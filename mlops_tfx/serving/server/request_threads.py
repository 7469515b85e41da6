"""The threads that answer gRPC requests, kept free of clients that begin a request and do not send it.

grpcio's server takes a thread for a request as soon as its headers are there, and the thread waits for the message.
With a pool of fixed size a few clients that stall would silence the server for all others. Here threads that wait are
seen: others are started in their place, and a request whose message does not come is cancelled.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

_log = logging.getLogger(__name__)

# A message that is on its way is there in less.
_STALLED_SECONDS = 0.5
_LOOK_SECONDS = 0.1
# More threads than these are not started for requests that stall.
_MOST_EXTRA = 1000


@dataclass(eq=False)
class _Task:
    """What grpcio wants to be run, and its future."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    future: Future[Any]

    def run(self) -> None:
        """Runs it."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.function(*self.arguments, **self.options))
        except BaseException as error:
            self.future.set_exception(error)

    def cancel_call(self) -> None:
        """Ends the request, as ``ServicerContext.cancel`` does; there is no context before the message is there."""
        event = next((argument for argument in self.arguments if hasattr(argument, "call_details")), None)
        if event is not None:
            event.call.cancel()


class RequestThreads:
    """A pool for ``grpc.server``.

    Args:
        size: threads, and so requests that run at once.
        patience: seconds that the message of a request may take to arrive.
    """

    def __init__(self, size: int, patience: float) -> None:
        self._size = size
        self._patience = patience
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        # thread -> since when it waits for a message, and of which request
        self._receiving: dict[int, tuple[float, _Task]] = {}
        self._changing = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._leaving = 0
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="serve watch", daemon=True)

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Runs a function in a thread, as ``Executor.submit``."""
        if not self._threads:
            self._begin()
        task = _Task(function, arguments, options, Future())
        self._tasks.put(task)
        return task.future

    def arrived(self) -> None:
        """Tells that the message of the request which this thread answers is there."""
        self._receiving.pop(threading.get_ident(), None)

    def shutdown(self, wait: bool = True) -> None:
        """Ends the threads once they have run what was submitted."""
        self._stop.set()
        with self._changing:
            threads = list(self._threads)
            for _ in range(len(threads) - self._leaving):
                self._tasks.put(None)
            self._leaving = len(threads)
        if wait:
            for thread in threads:
                thread.join()

    def _begin(self) -> None:
        with self._changing:
            if not self._threads and not self._stop.is_set():
                self._grow(self._size)
                self._watcher.start()

    def _grow(self, count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._work, name="serve", daemon=True)
            thread.start()
            self._threads.add(thread)

    def _work(self) -> None:
        ident = threading.get_ident()
        while (task := self._tasks.get()) is not None:
            self._receiving[ident] = (time.monotonic(), task)
            task.run()
            self._receiving.pop(ident, None)
            # What it answered is not kept until the next request comes.
            del task
        with self._changing:
            self._leaving -= 1
            self._threads.discard(threading.current_thread())

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self._adjust(self._look())
            except RuntimeError as error:
                # No thread can be started now; the next look may.
                _log.warning("threads for requests: %s", error)

    def _look(self) -> int:
        """Cancels the requests that have stalled for too long; returns how many stall."""
        now = time.monotonic()
        waiting = [(now - since, task) for since, task in self._receiving.copy().values()]
        stalled = [(seconds, task) for seconds, task in waiting if seconds > _STALLED_SECONDS]
        for seconds, task in stalled:
            if seconds > self._patience:
                _log.warning("a request is cancelled: its message has not come in %.0f s", seconds)
                task.cancel_call()
        return len(stalled)

    def _adjust(self, stalled: int) -> None:
        # Those that wait in the queue may stall as well: the number grows in proportion, not by the size.
        extra = min(stalled + self._tasks.qsize(), _MOST_EXTRA) if stalled else 0
        with self._changing:
            surplus = len(self._threads) - self._leaving - self._size - extra
            if surplus < 0 and not self._stop.is_set():
                self._grow(-surplus)
            for _ in range(surplus):
                self._leaving += 1
                self._tasks.put(None)

"""Requests that wait without holding a thread.

A request runs as a coroutine. Where it has to wait, for its batch, it awaits a :class:`Waiting` and leaves its thread
to others; who ends the wait goes on with it. There is no event loop: any thread may start a coroutine, and any thread
may go on with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Waiting:
    """Something that one coroutine awaits and another thread ends, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._go_on: Callable[[], None] | None = None

    def end(self) -> None:
        """Ends the wait; whoever waits goes on in this thread."""
        with self._lock:
            self._ended = True
            go_on = self._go_on
        if go_on is not None:
            go_on()

    def then(self, go_on: Callable[[], None]) -> bool:
        """Has a function called at the end of the wait. False if it has ended, and nothing will be called."""
        with self._lock:
            if self._ended:
                return False
            self._go_on = go_on
            return True

    def __await__(self) -> Generator[Waiting, None, None]:
        """Leaves the thread until the wait has ended."""
        if not self._ended:
            yield self


def start(request: Coroutine[Waiting, Any, None]) -> None:
    """Runs a coroutine until it ends or waits; who ends its wait goes on with it. Never raises."""
    try:
        while not request.send(None).then(lambda: start(request)):
            pass
    except StopIteration:
        return
    except Exception:
        _log.exception("a request failed in the server itself")


def run(request: Coroutine[Waiting, Any, _Result]) -> _Result:
    """Runs a coroutine in this thread, which waits where the coroutine does; returns what it returns."""
    while True:
        try:
            waiting = request.send(None)
        except StopIteration as ended:
            result: _Result = ended.value
            return result
        event = threading.Event()
        if waiting.then(event.set):
            event.wait()

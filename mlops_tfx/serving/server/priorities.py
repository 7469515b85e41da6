"""Loading goes behind answering: threads that load give way to those that have requests, at cores and at the lock."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_STEP = 10
_LOWEST = 19
_SHORTER = 50


def give_way() -> None:
    """Lowers the priority of this thread, for good, where the system has priorities of threads.

    Threads that are started by it have the same: what requests need must have been started before.
    """
    if sys.platform != "linux":
        return
    # A sandbox may forbid it; then loading is as urgent as answering.
    with contextlib.suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _STEP, _LOWEST))


class ShortTurns:
    """Lets threads that wait for Python's lock have it in a fiftieth of the usual time, while a block runs.

    Loading is in Python for long, and a request would wait 5 ms for each of its turns. Blocks may overlap; what they
    change is the whole process's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        """Begins a block."""
        with self._lock:
            if self._blocks == 0:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(self._usual / _SHORTER)
            self._blocks += 1

    def __exit__(self, *error: object) -> None:
        """Ends a block; the last one restores the interval."""
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                sys.setswitchinterval(self._usual)


short_turns = ShortTurns()

"""Loading goes behind answering: threads that load give way to those that have requests."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_STEP = 10
_LOWEST = 19


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

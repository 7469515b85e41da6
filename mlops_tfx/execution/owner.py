"""Which process runs an execution, written with it, so that a later run can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

_HOST, _PID, _STARTED = "runner_host", "runner_pid", "runner_started"


def properties() -> dict[str, str | int]:
    """Host, process id and the process's start time (in the kernel's clock ticks since boot; "" where unknown)."""
    return {_HOST: socket.gethostname(), _PID: os.getpid(), _STARTED: _started(os.getpid())}


def is_alive(of: Mapping[str, Any]) -> bool:
    """Whether the process that wrote these properties still runs. On another host, or when unknown: assumed so."""
    if not is_here(of):
        return True
    pid = int(of[_PID])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # The number may have gone to another process since.
    return _started(pid) == str(of.get(_STARTED, ""))


def is_here(of: Mapping[str, Any]) -> bool:
    """Whether the process that wrote these properties was one of this machine, so that `is_alive` knows."""
    return of.get(_HOST) == socket.gethostname() and isinstance(of.get(_PID), int)


def describe(of: Mapping[str, Any]) -> str:
    """``pid 12 on host``, for messages."""
    return f"pid {of.get(_PID)} on {of.get(_HOST)}"


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            # The name in parentheses may hold anything; fields are counted after it. Field 22 is the start time.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "dead" if fields[0] == "Z" else fields[19]

"""What state every version of every model is in, for GetModelStatus and for those who wait."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_tfx.serving.server.statuses import StatusError

# Waiting forever is waiting for an hour, again and again: the system's clocks do not take an infinity.
_LONGEST_WAIT = 3600.0


class State(enum.IntEnum):
    """The states of GetModelStatus, with their numbers."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionState:
    """The state of one version; ``error`` is why it could not be loaded."""

    version: int
    state: State
    error: StatusError | None = None


class StateBoard:
    """The states of all versions. Thread safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._states: dict[str, dict[int, VersionState]] = {}

    def set(self, model: str, version: int, state: State, error: StatusError | None = None) -> None:
        """Records a state and wakes all who wait."""
        with self._changed:
            self._states.setdefault(model, {})[version] = VersionState(version, state, error)
            self._changed.notify_all()

    def wake(self) -> None:
        """Wakes all who wait, so that they look at other conditions than states."""
        with self._changed:
            self._changed.notify_all()

    def versions(self, model: str) -> list[VersionState]:
        """Returns the versions of a model, highest first; empty for an unknown model."""
        with self._changed:
            return self._versions(model)

    def _versions(self, model: str) -> list[VersionState]:
        return sorted(self._states.get(model, {}).values(), key=lambda v: -v.version)

    def wait_for(self, model: str, found: Callable[[list[VersionState]], bool], timeout: float) -> list[VersionState]:
        """Waits until ``found`` says so of the model's versions, at most ``timeout`` seconds; returns the last ones."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not found(self._versions(model)):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._changed.wait(min(remaining, _LONGEST_WAIT))
            return self._versions(model)

    def wait_until(self, found: Callable[[], bool], timeout: float) -> bool:
        """Waits until ``found`` says so, at most ``timeout`` seconds; returns what it says. Others must wake it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not found():
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(min(remaining, _LONGEST_WAIT))
            return True

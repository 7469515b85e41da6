"""A lock file that makes processes take turns at writing one SQLite file.

SQLite alone is not enough: ML Metadata begins its transactions as a reader, so of two writers one is turned away at
once. The operating system releases the lock when its holder dies, however it dies; the file itself stays.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator

from mlops_tfx.errors import MetadataError

try:
    import fcntl
except ImportError:  # pragma: no cover - ML Metadata has no wheels where fcntl is missing
    fcntl = None  # type: ignore[assignment]

_FIRST_WAIT_SECONDS = 0.0005
_LONGEST_WAIT_SECONDS = 0.02


class FileLock:
    """An exclusive lock between processes and between threads. Reentrant in one thread."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        self.path = path
        self._timeout = timeout_seconds
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._file: int | None = None

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Holds the lock. Raises MetadataError when it cannot be had within the time limit."""
        deadline = time.monotonic() + self._timeout
        if not self._thread_lock.acquire(timeout=self._timeout):
            raise self._timed_out("another thread of this process")
        try:
            self._enter(deadline)
            try:
                yield
            finally:
                self._leave()
        finally:
            self._thread_lock.release()

    def close(self) -> None:
        """Closes the lock file. Nobody may hold the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _enter(self, deadline: float) -> None:
        if self._depth == 0:
            if self._file is None:
                self._file = self._open()
            self._lock_file(self._file, deadline)
        self._depth += 1

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise MetadataError(
                f"the metadata store needs a lock file beside it, and {self.path!r} cannot be opened for writing: "
                f"{error.strerror}; make the folder writable or put the store elsewhere"
            ) from error

    def _lock_file(self, file: int, deadline: float) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > deadline:
                raise self._timed_out("another process")
            # Spread out, so that waiting processes do not knock all at the same moment.
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _timed_out(self, holder: str) -> MetadataError:
        return MetadataError(
            f"expected to lock {self.path!r} within {self._timeout:g} seconds, but {holder} holds it; "
            f"see which process has the file open (fuser {self.path}) and whether it hangs"
        )

"""One open store: one connection, guarded by a lock; writes take turns with other processes; bounded retries."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mlops_tfx import filesystem
from mlops_tfx.connection import ConnectionConfig, SqliteConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata.connect import describe, open_store, prepare
from mlops_tfx.metadata.lock import FileLock

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd

Result = TypeVar("Result")

TIMEOUT_SECONDS = 60.0
"""How long a call waits for other writers before it gives up."""

_FIRST_WAIT_SECONDS = 0.002
_LONGEST_WAIT_SECONDS = 0.5


class Session:
    """Runs calls on ML Metadata's store.

    ml_metadata holds the interpreter lock during its calls, so several connections would not make threads faster: there
    is one, and threads take turns.
    """

    def __init__(
        self, connection: ConnectionConfig, *, read_only: bool = False, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.place = describe(connection) if isinstance(connection, ConnectionConfig) else ""
        self.read_only = read_only
        self._timeout = timeout_seconds
        self._lock = threading.RLock()
        self._file_lock: FileLock | None = None
        if isinstance(connection, SqliteConnection) and not read_only:
            path = filesystem.local_path(connection.filename_uri)
            self._file_lock = FileLock(f"{path}.lock", timeout_seconds)
        self._store: mlmd.MetadataStore | None = self._open(connection)

    def close(self) -> None:
        """Closes the connection; a second time is fine."""
        with self._lock:
            self._store = None
            if self._file_lock is not None:
                self._file_lock.close()

    def read(self, call: Callable[[mlmd.MetadataStore], Result]) -> Result:
        """Returns ``call(store)``; waits when another process is just writing. Raises MetadataError."""
        return self._retry(call)

    def write(self, call: Callable[[mlmd.MetadataStore], Result]) -> Result:
        """Returns ``call(store)`` while no other process writes.

        ``call`` may run more than once, so what it writes must be one ML Metadata call, or must stand being repeated.
        Raises MetadataError.
        """
        if self.read_only:
            raise MetadataError(f"the metadata store {self.place!r} was opened read only; open it for writing")
        with self._turn():
            return self._retry(call)

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        return self._file_lock.hold() if self._file_lock is not None else contextlib.nullcontext()

    def _open(self, connection: ConnectionConfig) -> mlmd.MetadataStore:
        prepare(connection, read_only=self.read_only)
        if self._file_lock is None:
            return open_store(connection, read_only=self.read_only)
        with self._file_lock.hold():
            return open_store(connection, read_only=False)

    def _retry(self, call: Callable[[mlmd.MetadataStore], Result]) -> Result:
        from ml_metadata import errors

        deadline = time.monotonic() + self._timeout
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return self._once(call)
            except errors.AbortedError as error:
                if time.monotonic() > deadline:
                    raise MetadataError(
                        f"the metadata store {self.place!r} was busy for {self._timeout:g} seconds: another program "
                        f"keeps it locked; end that program or use another store"
                    ) from error
            except errors.StatusError as error:
                raise MetadataError(f"the metadata store {self.place!r} refused: {error}") from error
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _once(self, call: Callable[[mlmd.MetadataStore], Result]) -> Result:
        with self._lock:
            if self._store is None:
                raise MetadataError(f"the metadata store {self.place!r} is closed; open it again")
            return call(self._store)

"""Keeps the right versions of one model loaded, and hands them to requests.

The newest version in the base path is loaded before the one that serves is let go; the switch is one assignment.
Requests hold what they use, so an old version is freed when the last of them is done. A version that cannot be loaded
changes nothing for the one that serves; it is tried again when its files change, and a few times anyway.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlops_tfx.serving.server import folders, saved_model, statuses
from mlops_tfx.serving.server.options import ServerOptions
from mlops_tfx.serving.server.states import State, StateBoard

_log = logging.getLogger(__name__)


class _LoadedVersion:
    """A loaded version, and how many requests use it."""

    def __init__(self, version: int, session: saved_model.SavedModelSession) -> None:
        self.version = version
        self.session = session
        self._lock = threading.Lock()
        self._users = 1  # the manager
        self._on_free: Any = None

    def acquire(self) -> bool:
        """Takes a hold. False if the version is already being freed."""
        with self._lock:
            if self._users == 0:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """Gives the hold back; the last one frees the session."""
        with self._lock:
            self._users -= 1
            free = self._users == 0
        if free:
            self.session.close()
            self._on_free()

    def retire(self, on_free: Any) -> None:
        """Gives the manager's hold back."""
        self._on_free = on_free
        self.release()


@dataclass
class _Failure:
    """Failed attempts to load one version with the same files."""

    files: Any
    attempts: int = 0
    retry_at: float = 0.0


class ModelManager:
    """Watches a base path in a thread of its own."""

    def __init__(self, options: ServerOptions, board: StateBoard) -> None:
        self._options = options
        self._board = board
        self._loaded: dict[int, _LoadedVersion] = {}
        self._failures: dict[int, _Failure] = {}
        self._base_path_error = ""
        self._looks = 0
        self._looking = True
        self._looked_last = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch {options.model_name}", daemon=True)

    def start(self) -> None:
        """Starts watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching and lets all versions go."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        for version in list(self._loaded):
            self._unload(version)

    @property
    def base_path_error(self) -> str:
        """Why the base path could not be read at the last look; empty if it could."""
        return self._base_path_error

    def next_look(self) -> int:
        """Returns the number of the first look that starts from now on; see ``has_looked``."""
        return self._looks + (2 if self._looking else 1)

    def has_looked(self, number: int) -> bool:
        """Whether that look is over, or will never be."""
        return self._looks >= number or self._looked_last

    @contextmanager
    def use(self, name: str, version: int | None) -> Iterator[tuple[int, saved_model.SavedModelSession]]:
        """Holds a version, the newest if None, while a request runs. Raises StatusError NOT_FOUND."""
        held = self._acquire(name, version)
        try:
            yield held.version, held.session
        finally:
            held.release()

    def _acquire(self, name: str, version: int | None) -> _LoadedVersion:
        while True:
            loaded = self._loaded if name == self._options.model_name else {}
            number = max(loaded, default=None) if version is None else version
            held = None if number is None else loaded.get(number)
            if held is None:
                raise statuses.servable_not_found(name, version)
            if held.acquire():
                return held
            # It was let go between the two lines above; look again.

    def _watch(self) -> None:
        wait = self._options.file_system_poll_wait_seconds
        while not self._stop.is_set():
            self._looking = True
            try:
                self._look()
            except Exception:
                # Whatever a file system does, the version that serves goes on serving.
                _log.exception("cannot look for versions in %s", self._options.model_base_path)
            self._looking = False
            self._looks += 1
            self._looked_last = wait <= 0 or self._stop.is_set()
            self._board.wake()
            if self._looked_last:
                return
            self._stop.wait(wait)

    def _look(self) -> None:
        try:
            found = folders.list_versions(self._options.model_base_path)
        except OSError as error:
            self._report_base_path(str(error))
            return
        self._report_base_path("" if found else "no version folders in it")
        for version in self._failures.keys() - found.keys():
            del self._failures[version]
        wanted = self._next_version(found)
        while wanted is not None and wanted not in self._loaded and not self._load(wanted, found[wanted]):
            wanted = None if self._stop.is_set() else self._next_version(found)
        for version in list(self._loaded):
            if version != wanted and (wanted in self._loaded or not found):
                self._unload(version)

    def _report_base_path(self, error: str) -> None:
        if error and error != self._base_path_error:
            _log.error("base path %s of model %s: %s", self._options.model_base_path, self._options.model_name, error)
        self._base_path_error = error

    def _next_version(self, found: dict[int, str]) -> int | None:
        """Returns the version to serve: the highest; with none loaded yet, the highest that may load."""
        for version in sorted(found, reverse=True):
            if version in self._loaded or self._may_load(version, found[version]):
                return version
            if self._loaded:
                return None
        return None

    def _may_load(self, version: int, path: str) -> bool:
        failure = self._failures.get(version)
        if failure is None:
            return True
        if failure.files != folders.fingerprint(path):
            del self._failures[version]
            return True
        return failure.attempts <= self._options.max_num_load_retries and time.monotonic() >= failure.retry_at

    def _load(self, version: int, path: str) -> bool:
        name = self._options.model_name
        files = folders.fingerprint(path)
        self._board.set(name, version, State.START)
        self._board.set(name, version, State.LOADING)
        started = time.monotonic()
        try:
            session = saved_model.load(path, self._options.session)
        except statuses.StatusError as error:
            self._record_failure(version, files, error)
            return False
        self._failures.pop(version, None)
        # A new dict in one assignment: a request sees the versions before, or after.
        self._loaded = {**self._loaded, version: _LoadedVersion(version, session)}
        self._board.set(name, version, State.AVAILABLE)
        _log.info("model %s version %d is available (%.2f s)", name, version, time.monotonic() - started)
        return True

    def _record_failure(self, version: int, files: Any, error: statuses.StatusError) -> None:
        failure = self._failures.setdefault(version, _Failure(files))
        failure.files = files
        failure.attempts += 1
        failure.retry_at = time.monotonic() + self._options.load_retry_interval_micros / 1e6
        retries = failure.attempts <= self._options.max_num_load_retries
        self._board.set(self._options.model_name, version, State.LOADING if retries else State.END, error)
        _log.error("model %s version %d cannot be loaded: %s", self._options.model_name, version, error)

    def _unload(self, version: int) -> None:
        name = self._options.model_name
        retired = self._loaded[version]
        self._loaded = {v: loaded for v, loaded in self._loaded.items() if v != version}
        self._board.set(name, version, State.UNLOADING)
        retired.retire(lambda: self._board.set(name, version, State.END))

"""Keeps the right versions of one model loaded.

New versions in the base path are loaded before those that serve are let go; the switch is one assignment. Requests
hold what they use, so an old version is freed when the last of them is done. A version that cannot be loaded changes
nothing for those that serve; it is tried again when its files change, and a few times anyway.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mlops_tfx.serving.server import folders, saved_model, statuses
from mlops_tfx.serving.server.model_config import ModelSettings
from mlops_tfx.serving.server.options import ServerOptions
from mlops_tfx.serving.server.priorities import give_way, short_turns
from mlops_tfx.serving.server.states import State, StateBoard

_log = logging.getLogger(__name__)

Load = Callable[[str, str, int], saved_model.SavedModelSession]


class LoadedVersion:
    """A loaded version, and how many requests use it.

    Attributes:
        version: its number.
        path: its folder.
        session: what runs it.
    """

    def __init__(self, version: int, path: str, session: saved_model.SavedModelSession) -> None:
        self.version = version
        self.path = path
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
        """Gives the hold back; the last one frees the session, in a thread of its own: a request need not wait."""
        if self._let_go():
            threading.Thread(target=self._free, name=f"free version {self.version}").start()

    def retire(self, on_free: Any) -> None:
        """Gives the manager's hold back; frees the session if nobody else has one."""
        self._on_free = on_free
        if self._let_go():
            self._free()

    def _let_go(self) -> bool:
        with self._lock:
            self._users -= 1
            return self._users == 0

    def _free(self) -> None:
        self.session.close()
        self._on_free()


@dataclass
class _Failure:
    """Failed attempts to load one version with the same files; ``over``: it is not wanted any more."""

    files: Any
    error: statuses.StatusError
    attempts: int = 0
    retry_at: float = 0.0
    over: bool = False


class ServedModel:
    """Watches the base path of one model in a thread of its own.

    Args:
        settings: the model.
        options: the server's settings.
        board: where states are told.
        load: loads a version, given the model's name, the folder and the version; raises StatusError.
        turn: entered while a version is loaded, so that not too many are at once; not for the first look.
        on_free: called when a version has been freed.
    """

    def __init__(
        self,
        settings: ModelSettings,
        options: ServerOptions,
        board: StateBoard,
        load: Load,
        turn: AbstractContextManager[Any],
        on_free: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._options = options
        self._board = board
        self._load_session = load
        self._turn = turn
        self._on_free = on_free
        self._loaded: dict[int, LoadedVersion] = {}
        self._failures: dict[int, _Failure] = {}
        self._base_path_error = ""
        self._looks = 0
        self._looking = True
        self._looked_last = False
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch {settings.name}", daemon=True)

    @property
    def settings(self) -> ModelSettings:
        """The model's settings."""
        return self._settings

    def change(self, settings: ModelSettings) -> int:
        """Goes over to other settings, from a look that starts now; returns its number, see ``has_looked``."""
        if settings == self._settings:
            return self._looks
        self._settings = settings
        number = self.next_look()
        self._looked_last = False
        self._wake.set()
        return number

    def start(self) -> None:
        """Starts watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching and lets all versions go."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._end_failures()
        for version in list(self._loaded):
            self._unload(version)

    @property
    def base_path_error(self) -> str:
        """Why the base path could not be read at the last look; empty if it could."""
        return self._base_path_error

    @property
    def loaded(self) -> tuple[int, ...]:
        """The versions that requests can ask, highest first."""
        return tuple(sorted(self._loaded, reverse=True))

    def next_look(self) -> int:
        """Returns the number of the first look that starts from now on; see ``has_looked``."""
        return self._looks + (2 if self._looking else 1)

    def has_looked(self, number: int) -> bool:
        """Whether that look is over, or will never be."""
        return self._looks >= number or self._looked_last

    def acquire(self, version: int | None) -> LoadedVersion:
        """Holds a version, the newest if None, until it is released. Raises StatusError NOT_FOUND."""
        while True:
            loaded = self._loaded
            number = max(loaded, default=None) if version is None else version
            held = None if number is None else loaded.get(number)
            if held is None:
                raise statuses.servable_not_found(self._settings.name, version)
            if held.acquire():
                return held
            # It was let go between the two lines above; look again.

    def _watch(self) -> None:
        give_way()
        wait = self._options.file_system_poll_wait_seconds
        while not self._stop.is_set():
            self._looking = True
            self._wake.clear()
            try:
                self._look()
            except Exception:
                # Whatever a file system does, the version that serves goes on serving.
                _log.exception("cannot look for versions in %s", self._settings.base_path)
            self._looking = False
            self._looks += 1
            self._looked_last = wait <= 0 or self._stop.is_set()
            self._board.wake()
            self._wake.wait(wait if wait > 0 else None)

    def _look(self) -> None:
        settings = self._settings
        try:
            found = folders.list_versions(settings.base_path)
        except OSError as error:
            self._report_base_path(str(error))
            return
        self._report_base_path("" if found else "no version folders in it")
        wanted = settings.policy.choose(found)
        self._end_failures(wanted)
        for version in self._failures.keys() - found.keys():
            del self._failures[version]
        for version in wanted:
            self._try_to_load(version, found[version])
        if not self._loaded and settings.policy.latest is not None:
            # The newest are broken: rather an older one than none.
            self._load_any([version for version in sorted(found, reverse=True) if version not in wanted], found)
        if any(version in self._loaded for version in wanted) or not wanted:
            for version in self._loaded.keys() - set(wanted):
                self._unload(version)

    def _end_failures(self, wanted: Sequence[int] = ()) -> None:
        """Tells of versions that failed that they are not being loaded any more, unless they are wanted."""
        for version, failure in self._failures.items():
            if version not in wanted and not failure.over:
                failure.over = True
                self._board.set(self._settings.name, version, State.END, failure.error)

    def _load_any(self, versions: list[int], found: dict[int, str]) -> None:
        for version in versions:
            if self._try_to_load(version, found[version]):
                return

    def _report_base_path(self, error: str) -> None:
        settings = self._settings
        if error and error != self._base_path_error:
            _log.error("base path %s of model %s: %s", settings.base_path, settings.name, error)
        self._base_path_error = error

    def _try_to_load(self, version: int, path: str) -> bool:
        """Loads a version unless it is loaded, or its next attempt is yet to come. Returns whether it is loaded."""
        present = self._loaded.get(version)
        if present is not None and present.path == path:
            return True
        if self._stop.is_set() or not self._may_load(version, path):
            return False
        if self._looks == 0:
            return self._load(version, path)
        with self._turn:
            return self._load(version, path)

    def _may_load(self, version: int, path: str) -> bool:
        failure = self._failures.get(version)
        if failure is None:
            return True
        if failure.files != folders.fingerprint(path):
            del self._failures[version]
            return True
        return failure.attempts <= self._options.max_num_load_retries and time.monotonic() >= failure.retry_at

    def _load(self, version: int, path: str) -> bool:
        name = self._settings.name
        files = folders.fingerprint(path)
        self._board.set(name, version, State.START)
        self._board.set(name, version, State.LOADING)
        started = time.monotonic()
        try:
            with short_turns:
                session = self._load_session(name, path, version)
        except statuses.StatusError as error:
            self._record_failure(version, files, error)
            return False
        self._failures.pop(version, None)
        replaced = self._loaded.get(version)
        # A new dict in one assignment: a request sees the versions before, or after.
        self._loaded = {**self._loaded, version: LoadedVersion(version, path, session)}
        if replaced is not None:
            replaced.retire(self._on_free)
        self._board.set(name, version, State.AVAILABLE)
        _log.info("model %s version %d is available (%.2f s)", name, version, time.monotonic() - started)
        return True

    def _record_failure(self, version: int, files: Any, error: statuses.StatusError) -> None:
        failure = self._failures.setdefault(version, _Failure(files, error))
        failure.files, failure.error, failure.over = files, error, False
        failure.attempts += 1
        failure.retry_at = time.monotonic() + self._options.load_retry_interval_micros / 1e6
        retries = failure.attempts <= self._options.max_num_load_retries
        self._board.set(self._settings.name, version, State.LOADING if retries else State.END, error)
        _log.error("model %s version %d cannot be loaded: %s", self._settings.name, version, error)

    def _unload(self, version: int) -> None:
        name = self._settings.name
        retired = self._loaded[version]
        self._loaded = {v: loaded for v, loaded in self._loaded.items() if v != version}
        self._board.set(name, version, State.UNLOADING)

        def freed() -> None:
            # It has come to its end once its memory is given back.
            with short_turns:
                self._on_free()
            self._board.set(name, version, State.END)

        retired.retire(freed)

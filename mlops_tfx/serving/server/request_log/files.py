"""TFRecord files that become visible when they are complete, one folder per span, bounded on disk.

Every request is written at once and whole, or not at all: what a full disk does not take is cut off again, and the
requests before it stay.

<folder>/.incoming/<content>.span-<SPAN>.<file>   being written, and locked by who writes
<folder>/<content>/span-<SPAN>/<file>             complete

What a server left behind that was killed has no lock. The next one completes it, up to its last whole record.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from mlops_tfx.serving.server.request_log.settings import LogSettings

_INCOMING = ".incoming"
_SPAN = "span-"
_MASK_DELTA = 0xA282EAD8
_HEAD, _TAIL = 12, 4
_SECONDS_UNTIL_LOCKED = 60.0
_numbers = itertools.count()
_log = logging.getLogger(__name__)


def frame(record: bytes) -> bytes:
    """Returns a record as it is in a TFRecord file: length, its masked CRC-32C, the record, its masked CRC-32C."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked(length), record, _masked(record)))


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)


def whole_bytes(file: BinaryIO) -> int:
    """Returns how many bytes of a TFRecord file whole records take, from its begin."""
    size, whole = os.fstat(file.fileno()).st_size, 0
    file.seek(0)
    while True:
        head = file.read(_HEAD)
        if len(head) < _HEAD or _masked(head[:8]) != head[8:]:
            return whole
        (length,) = struct.unpack("<Q", head[:8])
        if whole + _HEAD + length + _TAIL > size:
            return whole
        record = file.read(length)
        if _masked(record) != file.read(_TAIL):
            return whole
        whole += _HEAD + length + _TAIL


def _locks(file: BinaryIO) -> bool:
    """Locks a file for this process, until it is closed; whether no other process has."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _OpenFile:
    def __init__(self, folder: Path, content: str, span: int, now: float) -> None:
        self.name = f"{content}-{int(now)}-{socket.gethostname()}-{os.getpid()}-{next(_numbers):06d}.tfrecord"
        self.target = folder / content / f"{_SPAN}{span}" / self.name
        self.path = folder / _INCOMING / f"{content}.{_SPAN}{span}.{self.name}"
        self.span = span
        self.opened = now
        self.bytes = 0
        self.requests = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file: BinaryIO = open(self.path, "wb", buffering=0)
        with contextlib.suppress(OSError):  # not every file system has locks; then what is left behind stays there
            fcntl.flock(self.file.fileno(), fcntl.LOCK_EX)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError:
            self.file.truncate(self.bytes)
            self.file.seek(self.bytes)
            raise
        self.bytes += len(data)
        self.requests += 1


class SpanFiles:
    """The files of one model. For one thread.

    Args:
        folder: where they are.
        settings: how they are written.
        clock: seconds since 1970.
        lost: told how many requests were in a file that could not be completed.
    """

    def __init__(
        self,
        folder: Path,
        settings: LogSettings,
        clock: Callable[[], float],
        lost: Callable[[int], None] = lambda requests: None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._lost = lost
        self._open: dict[str, _OpenFile] = {}
        for path in (folder / _INCOMING).glob(f"*.{_SPAN}*.*.tfrecord"):
            self._recover(path)

    def _recover(self, path: Path) -> None:
        """Completes a file that a server has left behind, unless another one is writing it."""
        try:
            with open(path, "r+b") as file:
                if not _locks(file):
                    return
                found = os.fstat(file.fileno())
                if not found.st_size and time.time() - found.st_mtime < _SECONDS_UNTIL_LOCKED:
                    return  # just opened, and not locked yet
                whole = whole_bytes(file)
                file.truncate(whole)
                if whole:
                    _move(path, self._folder.joinpath(*path.name.split(".", 2)))
                else:
                    path.unlink()
        except FileNotFoundError:
            return  # the server that was writing it has completed it meanwhile
        except OSError as error:
            _log.warning("request log: cannot complete %s, which another server left behind: %s", path, error)

    def write(self, content: str, records: Iterable[bytes], timestamp: float) -> int:
        """Appends the records of a request to the file of their span; returns the bytes written.

        Raises OSError: nothing of the request was written. What was before is complete, and the next begins a file.
        """
        span = int(timestamp // self._settings.span_seconds)
        current = self._open.get(content)
        if current is not None and current.span != span:
            self._complete(content)
        current = self._open.get(content)
        if current is None:
            current = self._open[content] = _OpenFile(self._folder, content, span, self._clock())
        data = b"".join(map(frame, records))
        try:
            current.write(data)
        except OSError:
            with contextlib.suppress(OSError):  # it was told already, and the first reason is the one to tell
                self._complete(content)
            raise
        if current.bytes >= self._settings.max_file_bytes:
            self._complete(content)
        return len(data)

    def complete_old(self) -> None:
        """Completes the files whose time is over, or whose span is. Raises OSError."""
        now = self._clock()
        due, span = now - self._settings.max_file_seconds, int(now // self._settings.span_seconds)
        self._complete_all([c for c, file in self._open.items() if file.opened <= due or file.span < span])

    def close(self) -> None:
        """Completes all files. Raises OSError."""
        self._complete_all(list(self._open))

    def _complete_all(self, contents: Sequence[str]) -> None:
        """Completes every file that can be. Raises the first OSError."""
        errors = []
        for content in contents:
            try:
                self._complete(content)
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _complete(self, content: str) -> None:
        current = self._open[content]
        if not current.requests:
            self._abandon(content)
            return
        try:
            # Locked until it has its name: a server that starts now would take it for one left behind. Closing a copy
            # of the descriptor is when network file systems say what they could not write.
            os.close(os.dup(current.file.fileno()))
            _move(current.path, current.target)
        except OSError:
            self._abandon(content)
            raise
        del self._open[content]
        current.file.close()
        self._remove_oldest()

    def _abandon(self, content: str) -> None:
        current = self._open.pop(content)
        if current.requests:
            self._lost(current.requests)
        try:
            current.file.close()
        finally:
            current.path.unlink(missing_ok=True)

    def _remove_oldest(self) -> None:
        """Keeps to the bound: the oldest files go, and spans that are empty then.

        What a server that died left behind in .incoming counts, and goes, like the others.
        """
        writing = {current.path for current in self._open.values()}
        found = list(_sizes(path for path in self._folder.rglob("*.tfrecord") if path not in writing))
        total = sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda entry: (entry[0].st_mtime_ns, entry[1])):
            if total <= self._settings.max_bytes:
                return
            if _INCOMING in path.parts and self._is_written(path):
                continue
            path.unlink(missing_ok=True)
            total -= stat.st_size
            if path.parent.name.startswith(_SPAN):
                with contextlib.suppress(OSError):  # it has other files
                    path.parent.rmdir()

    def _is_written(self, path: Path) -> bool:
        """Whether another server writes a file."""
        try:
            with open(path, "rb") as file:
                return not _locks(file)
        except OSError:  # it is gone, or the file system has no locks
            return False


def _sizes(paths: Iterable[Path]) -> Iterator[tuple[os.stat_result, Path]]:
    for path in paths:
        # Another server that logs to this folder has just completed or removed it.
        with contextlib.suppress(FileNotFoundError):
            yield path.stat(), path


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, target)
    except FileNotFoundError:
        # Another server that logs to this folder has just removed the empty span.
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)

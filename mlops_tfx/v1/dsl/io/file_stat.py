"""Size and time of the last change of a file, under the names that TFX's two file systems have for them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mlops_tfx import filesystem


@dataclass(frozen=True)
class FileStat:
    """What `fileio.stat` returns.

    Attributes:
        length: bytes.
        mtime_nsec: nanoseconds since 1970 of the last change (whole seconds on object stores).
        is_directory: whether it is a folder.
    """

    length: int
    mtime_nsec: int
    is_directory: bool

    @property
    def st_size(self) -> int:
        """Bytes, as ``os.stat`` calls them."""
        return self.length

    @property
    def st_mtime(self) -> float:
        """Seconds since 1970 of the last change, as ``os.stat`` calls them."""
        return self.mtime_nsec / 1e9


def stat_of(path: str) -> FileStat:
    """Asks for a file or folder. Raises FileNotFoundError if there is none."""
    if filesystem.is_local(path):
        found = os.stat(filesystem.local_path(path))
        return FileStat(found.st_size, found.st_mtime_ns, os.path.isdir(filesystem.local_path(path)))
    if filesystem.isdir(path):
        return FileStat(0, 0, True)
    size, modified = filesystem.stat(path)
    return FileStat(size, modified, False)

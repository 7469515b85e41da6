"""Files of this machine as `open` returns them, with TensorFlow's ``size()``, which TFX's files have."""

from __future__ import annotations

import io
import os
from typing import Any


class Reader(io.BufferedReader):
    """A binary file to read."""

    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self.fileno()).st_size


class Writer(io.BufferedWriter):
    """A binary file to write."""

    def size(self) -> int:
        """Bytes in the file, with what has been written so far."""
        self.flush()
        return os.fstat(self.fileno()).st_size


class ReaderWriter(io.BufferedRandom):
    """A binary file to read and write."""

    def size(self) -> int:
        """Bytes in the file, with what has been written so far."""
        self.flush()
        return os.fstat(self.fileno()).st_size


class Text(io.TextIOWrapper):
    """A text file, UTF-8."""

    def size(self) -> int:
        """Bytes in the file, with what has been written so far."""
        if self.writable():
            self.flush()
        return os.fstat(self.fileno()).st_size


def open_sized(path: str, mode: str) -> Any:
    """Opens a file as Python's ``open`` does. Raises what that raises."""
    raw = io.FileIO(path, mode.replace("b", "").replace("t", ""))
    made: Any = ReaderWriter if raw.readable() and raw.writable() else Reader if raw.readable() else Writer
    return made(raw) if "b" in mode else Text(made(raw), encoding="utf-8")

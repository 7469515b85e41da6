"""Operations on files of this machine, by path."""

from __future__ import annotations

import contextlib
import glob as _glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any


def open(path: str, mode: str) -> IO[Any]:
    """Opens a file. Text modes are UTF-8."""
    if "b" in mode:
        return os.fdopen(os.open(path, _flags(mode), 0o666), mode)
    return os.fdopen(os.open(path, _flags(mode), 0o666), mode, encoding="utf-8")


def _flags(mode: str) -> int:
    base = {"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND}
    if mode[0] not in base or "+" in mode:
        raise ValueError(f"expected mode r, w or a with an optional b, received mode={mode!r}")
    return base[mode[0]] | getattr(os, "O_CLOEXEC", 0)


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    return os.path.exists(path)


def isdir(path: str) -> bool:
    """Whether a folder is there."""
    return os.path.isdir(path)


def listdir(path: str) -> list[str]:
    """Names in a folder, sorted."""
    return sorted(os.listdir(path))


def makedirs(path: str) -> None:
    """Makes a folder and its parents; one that is there already is fine."""
    os.makedirs(path, exist_ok=True)


def glob(pattern: str) -> list[str]:
    """Paths that match, sorted; ``**`` matches folders at any depth."""
    return sorted(_glob.glob(pattern, recursive=True))


def remove_tree(path: str) -> None:
    """Removes a file or a folder with all in it; nothing there is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def copy_tree(source: str, destination: str) -> None:
    """Copies a file, or a folder with all in it, making the destination's parents."""
    if os.path.isdir(source):
        shutil.copytree(source, destination, dirs_exist_ok=True)
        return
    os.makedirs(os.path.dirname(destination) or ".", exist_ok=True)
    shutil.copyfile(source, destination)


def rename(source: str, destination: str) -> None:
    """Moves a file or folder on one file system in a single step, making the destination's parents."""
    os.makedirs(os.path.dirname(destination) or ".", exist_ok=True)
    os.rename(source, destination)


def sync(path: str, *, recursive: bool = True) -> None:
    """Waits until a folder's entries, and with ``recursive`` all files and folders below, are on the disk."""
    folders = [folder for folder, _, _ in os.walk(path)] if recursive else [path]
    for entry in [*(walk_files(path) if recursive else ()), *folders]:
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Holds a folder for one process at a time; others wait. The lock ends with the process, however it ends."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def walk_files(path: str) -> Iterator[str]:
    """Paths of all files below a folder (or the file itself), sorted, so that two walks agree."""
    if os.path.isfile(path):
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            yield os.path.join(folder, name)


def stat(path: str) -> tuple[int, int]:
    """Bytes, and nanoseconds since 1970 of the last change."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def digest(path: str) -> str:
    """SHA-256 over the relative paths and bytes of all files below ``path``, as a hex string."""
    total = hashlib.sha256()
    for entry in walk_files(path):
        with open(entry, "rb") as file:
            content = file_digest(file)
        relative = os.path.relpath(entry, path)
        total.update(f"{relative}\0{content}\n".encode())
    return total.hexdigest()


def file_digest(file: IO[bytes]) -> str:
    """SHA-256 of an open file's bytes, as a hex string."""
    content = hashlib.sha256()
    while chunk := file.read(1 << 20):
        content.update(chunk)
    return content.hexdigest()

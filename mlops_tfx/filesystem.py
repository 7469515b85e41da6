"""The one place that touches files by path. Local paths for now; a URI with another scheme is refused by name.

Names follow ``tfx.dsl.io.fileio`` where it has one.
"""

from __future__ import annotations

import contextlib
import glob as _glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import IO, Any

from mlops_tfx.errors import ConfigError

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")


def local_path(uri: str | os.PathLike[str]) -> str:
    """Returns ``uri`` as a local path. Raises ConfigError for a scheme other than ``file://``."""
    text = os.fspath(uri)
    match = _SCHEME.match(text)
    if match is None:
        return text
    if match.group(1) == "file":
        return text[len("file://") :]
    raise ConfigError(f"expected a local path, received uri={text!r}: scheme {match.group(1)!r} is not supported")


def open(uri: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    """Opens a file. Text modes are UTF-8."""
    path = local_path(uri)
    if "b" in mode:
        return os.fdopen(os.open(path, _flags(mode), 0o666), mode)
    return os.fdopen(os.open(path, _flags(mode), 0o666), mode, encoding="utf-8")


def _flags(mode: str) -> int:
    base = {"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND}
    if mode[0] not in base or "+" in mode:
        raise ValueError(f"expected mode r, w or a with an optional b, received mode={mode!r}")
    return base[mode[0]] | getattr(os, "O_CLOEXEC", 0)


def read_bytes(uri: str | os.PathLike[str]) -> bytes:
    """Returns the whole file."""
    with open(uri, "rb") as file:
        data: bytes = file.read()
    return data


def write_bytes(uri: str | os.PathLike[str], data: bytes) -> None:
    """Writes the whole file, making its folder."""
    path = local_path(uri)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def exists(uri: str | os.PathLike[str]) -> bool:
    """Whether a file or folder is there."""
    return os.path.exists(local_path(uri))


def isdir(uri: str | os.PathLike[str]) -> bool:
    """Whether a folder is there."""
    return os.path.isdir(local_path(uri))


def listdir(uri: str | os.PathLike[str]) -> list[str]:
    """Names in a folder, sorted."""
    return sorted(os.listdir(local_path(uri)))


def makedirs(uri: str | os.PathLike[str]) -> None:
    """Makes a folder and its parents; one that is there already is fine."""
    os.makedirs(local_path(uri), exist_ok=True)


def glob(pattern: str | os.PathLike[str]) -> list[str]:
    """Paths that match, sorted; ``**`` matches folders at any depth."""
    return sorted(_glob.glob(local_path(pattern), recursive=True))


def remove_tree(uri: str | os.PathLike[str]) -> None:
    """Removes a file or a folder with all in it; nothing there is fine."""
    path = local_path(uri)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def copy_tree(source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> None:
    """Copies a file, or a folder with all in it, making the destination's parents."""
    src, dst = local_path(source), local_path(destination)
    if os.path.isdir(src):
        shutil.copytree(src, dst, dirs_exist_ok=True)
        return
    os.makedirs(os.path.dirname(dst) or ".", exist_ok=True)
    shutil.copyfile(src, dst)


def rename(source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> None:
    """Moves a file or folder on one file system in a single step, making the destination's parents."""
    dst = local_path(destination)
    os.makedirs(os.path.dirname(dst) or ".", exist_ok=True)
    os.rename(local_path(source), dst)


def sync(uri: str | os.PathLike[str], *, recursive: bool = True) -> None:
    """Waits until a folder's entries, and with ``recursive`` all files and folders below, are on the disk."""
    root = local_path(uri)
    folders = [folder for folder, _, _ in os.walk(root)] if recursive else [root]
    for path in [*(walk_files(root) if recursive else ()), *folders]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Holds a folder for one process at a time; others wait. The lock ends with the process, however it ends."""
    import fcntl

    descriptor = os.open(local_path(folder), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def walk_files(uri: str | os.PathLike[str]) -> Iterator[str]:
    """Paths of all files below a folder (or the file itself), sorted, so that two walks agree."""
    path = local_path(uri)
    if os.path.isfile(path):
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            yield os.path.join(folder, name)


def size(uri: str | os.PathLike[str]) -> int:
    """Bytes in a file, or in all files below a folder."""
    return sum(os.path.getsize(path) for path in walk_files(uri))


def digest(uri: str | os.PathLike[str]) -> str:
    """SHA-256 over the relative paths and bytes of all files below ``uri``, as a hex string."""
    root = local_path(uri)
    total = hashlib.sha256()
    for path in walk_files(root):
        with open(path, "rb") as file:
            content = file_digest(file)
        relative = os.path.relpath(path, root)
        total.update(f"{relative}\0{content}\n".encode())
    return total.hexdigest()


def file_digest(file: IO[bytes]) -> str:
    """SHA-256 of an open file's bytes, as a hex string."""
    content = hashlib.sha256()
    while chunk := file.read(1 << 20):
        content.update(chunk)
    return content.hexdigest()

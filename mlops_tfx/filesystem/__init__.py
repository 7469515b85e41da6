"""The one place that touches files: paths of this machine, ``s3://`` and ``gs://`` uris, with the same functions.

Names follow ``tfx.dsl.io.fileio`` where it has one. Errors are OSErrors that name path or uri: FileNotFoundError,
PermissionError, ConnectionError, TimeoutError, or StorageError for what an object store says beyond these. A scheme
that is not known is a ConfigError.

    uris.py          paths and uris as text
    local.py         files of this machine
    connections.py   object stores, by pyarrow; settings from the environment
    failures.py      what their errors mean
    remote.py        operations on object stores
    copying.py       trees of files, between any two places
    copies.py        local copies of what lies on object stores
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from mlops_tfx.filesystem import local, remote
from mlops_tfx.filesystem.copies import LocalCopy, work_folder
from mlops_tfx.filesystem.copying import copy_tree, download_tree, upload_tree
from mlops_tfx.filesystem.failures import StorageError, explained
from mlops_tfx.filesystem.local import file_digest
from mlops_tfx.filesystem.uris import (
    SCHEMES,
    Uri,
    absolute,
    basename,
    dirname,
    is_local,
    join,
    local_path,
    relative,
    scheme_of,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SCHEMES", "FileStat", "LocalCopy", "StorageError", "Uri", "absolute", "basename", "copy_tree", "digest", "dirname",
    "download_tree", "exists", "explained", "file_digest", "glob", "is_local", "isdir", "join", "listdir", "local_path",
    "locked", "makedirs", "open", "open_native", "read_bytes", "relative", "remove_tree", "rename", "scheme_of", "size",
    "stat", "sync", "upload_tree", "walk_files", "work_folder", "write_bytes",
]  # fmt: skip


class FileStat(NamedTuple):
    """Bytes of a file, and nanoseconds since 1970 of its last change (whole seconds on object stores)."""

    size: int
    modified_ns: int


def open(uri: Uri, mode: str = "r") -> IO[Any]:
    """Opens a file or an object. Text modes are UTF-8.

    An object that is written appears when the file is closed, whole; if the ``with`` block raises, there is none. An
    object that is read is streamed.
    """
    return local.open(local_path(uri), mode) if is_local(uri) else remote.open(str(uri), mode)


def open_native(uri: Uri) -> pa.NativeFile:
    """Opens a file or an object for readers in C++ that read in threads of their own."""
    import pyarrow as pa

    return pa.OSFile(local_path(uri)) if is_local(uri) else remote.open_native(str(uri))


def read_bytes(uri: Uri) -> bytes:
    """Returns the whole file."""
    with open(uri, "rb") as file:
        data: bytes = file.read()
    return data


def write_bytes(uri: Uri, data: bytes) -> None:
    """Writes the whole file, making its folder."""
    makedirs(dirname(uri) or ".")
    with open(uri, "wb") as file:
        file.write(data)


def exists(uri: Uri) -> bool:
    """Whether a file or folder is there."""
    return local.exists(local_path(uri)) if is_local(uri) else remote.exists(str(uri))


def isdir(uri: Uri) -> bool:
    """Whether a folder is there. On an object store that is a name that others begin with."""
    return local.isdir(local_path(uri)) if is_local(uri) else remote.isdir(str(uri))


def listdir(uri: Uri) -> list[str]:
    """Names in a folder, sorted."""
    return local.listdir(local_path(uri)) if is_local(uri) else remote.listdir(str(uri))


def makedirs(uri: Uri) -> None:
    """Makes a folder and its parents; one that is there already is fine. On an object store: checks the bucket."""
    if is_local(uri):
        local.makedirs(local_path(uri))
    else:
        remote.check_bucket(str(uri))


def glob(pattern: Uri) -> list[str]:
    """Paths or uris that match, sorted; ``**`` matches folders at any depth."""
    return local.glob(local_path(pattern)) if is_local(pattern) else remote.glob(str(pattern))


def remove_tree(uri: Uri) -> None:
    """Removes a file or a folder with all in it; nothing there is fine."""
    if is_local(uri):
        local.remove_tree(local_path(uri))
    else:
        remote.remove_tree(str(uri))


def rename(source: Uri, destination: Uri) -> None:
    """Moves a file or folder on one file system in a single step, making the destination's parents.

    Raises:
        io.UnsupportedOperation: one of them lies on an object store, which has no such step.
    """
    _only_local("moved in a single step", source, destination)
    local.rename(local_path(source), local_path(destination))


def sync(uri: Uri, *, recursive: bool = True) -> None:
    """Waits until a folder's entries, and with ``recursive`` all below, are on the disk. Objects always are."""
    if is_local(uri):
        local.sync(local_path(uri), recursive=recursive)


@contextlib.contextmanager
def locked(folder: Uri) -> Iterator[None]:
    """Holds a folder for one process at a time; others wait. The lock ends with the process, however it ends.

    Raises:
        io.UnsupportedOperation: the folder lies on an object store, which has no locks.
    """
    _only_local("locked", folder)
    with local.locked(local_path(folder)):
        yield


def walk_files(uri: Uri) -> Iterator[str]:
    """Paths of all files below a folder (or the file itself), sorted, so that two walks agree."""
    return local.walk_files(local_path(uri)) if is_local(uri) else remote.walk_files(str(uri))


def stat(uri: Uri) -> FileStat:
    """Bytes and time of the last change of a file. Raises FileNotFoundError if there is none."""
    return FileStat(*(local.stat(local_path(uri)) if is_local(uri) else remote.stat(str(uri))))


def size(uri: Uri) -> int:
    """Bytes in a file, or in all files below a folder."""
    if is_local(uri):
        return sum(local.stat(path)[0] for path in walk_files(uri))
    return sum(length for _, length in remote.files(str(uri)))


def digest(uri: Uri) -> str:
    """A digest of all files below ``uri``, as a hex string, that changes when one of them does.

    SHA-256 over relative paths and, for files of this machine, their bytes. Objects are not read: for them it is over
    sizes and entity tags. So a digest is to be compared with an earlier one of the same place only.
    """
    return local.digest(local_path(uri)) if is_local(uri) else remote.digest(str(uri))


def _only_local(what: str, *uris: Uri) -> None:
    for uri in uris:
        if not is_local(uri):
            raise io.UnsupportedOperation(f"objects cannot be {what}: {str(uri)!r}; write to a local folder instead")

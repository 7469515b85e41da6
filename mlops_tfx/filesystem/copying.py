"""Copies trees of files between any two places: several at a time, each checked for its size."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlops_tfx.filesystem import local, remote
from mlops_tfx.filesystem.failures import StorageError, explained
from mlops_tfx.filesystem.uris import Uri, is_local, join, local_path, relative, scheme_of

_FILES_AT_ONCE = 8


def copy_tree(source: Uri, destination: Uri, *, last: Sequence[str] = ()) -> None:
    """Copies a file, or a folder with all in it, making the destination's parents.

    Args:
        source: a path or uri.
        destination: likewise.
        last: relative paths of files that become visible after all others, on object stores.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        OSError: reading or writing failed.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    if is_local(source) and is_local(destination):
        local.copy_tree(local_path(source), local_path(destination))
    elif is_local(source):
        upload_tree(local_path(source), destination, last=last)
    elif is_local(destination):
        download_tree(source, local_path(destination))
    else:
        _between_stores(source, destination, last)


def upload_tree(source: str, destination: str, *, last: Sequence[str] = ()) -> None:
    """Copies files of this machine to an object store; folders that hold nothing are kept.

    Raises:
        OSError: a file cannot be read or written; what was sent so far is still there.
    """
    if os.path.isfile(source):
        _send(source, destination)
        return
    empty = [folder for folder, folders, names in os.walk(source) if not folders and not names]
    for folder in empty:
        remote.make_folder(_at(folder, source, destination))
    names = [os.path.relpath(path, source) for path in local.walk_files(source)]
    _in_parallel(lambda name: _send(join(source, name), join(destination, name)), names, last)
    expected = {join(destination, name): local.stat(join(source, name))[0] for name in names}
    found = dict(remote.files(destination)) if names else {}
    for uri, length in expected.items():
        if found.get(uri) != length:
            raise StorageError(5, f"expected {length} bytes to arrive, found {found.get(uri, 'none')}", uri)


def download_tree(source: str, destination: str) -> None:
    """Copies objects to this machine; each file gets its name when it is complete.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        StorageError: fewer bytes came than were listed.
    """
    found = remote.files(source)
    empty = remote.empty_folders(source)
    if not found and not empty:
        with explained(source):
            raise FileNotFoundError
    for folder in empty:
        os.makedirs(_at(folder, source, destination), exist_ok=True)
    places = {uri: (_at(uri, source, destination), length) for uri, length in found}
    _in_parallel(lambda uri: _receive(uri, *places[uri]), list(places), ())


def _at(path: str, base: str, other_base: str) -> str:
    below = relative(path, base)
    return other_base if below == "." else join(other_base, below)


def _in_parallel(copy: Callable[[str], None], names: Iterable[str], last: Sequence[str]) -> None:
    kept = [name for name in names if name in last]
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        for done in [pool.submit(copy, name) for name in names if name not in last]:
            done.result()
    for name in sorted(kept, key=list(last).index):
        copy(name)


def _send(path: str, uri: str) -> None:
    with local.open(path, "rb") as file:
        remote.send(file, uri)


def _receive(uri: str, path: str, length: int) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    partial = f"{path}.partial"
    with remote.open(uri, "rb") as source, local.open(partial, "wb") as file:
        shutil.copyfileobj(source, file, remote.READ_BYTES)
    received, _ = local.stat(partial)
    if received != length:
        raise StorageError(5, f"expected {length} bytes, received {received}; it changed while it was read", uri)
    os.replace(partial, path)


def _between_stores(source: str, destination: str, last: Sequence[str]) -> None:
    same = scheme_of(source) == scheme_of(destination)
    found = remote.files(source)
    if not found:
        with explained(source):
            raise FileNotFoundError
    names = [posixpath.normpath(relative(uri, source)) for uri, _ in found]

    def copy(name: str) -> None:
        before, after = (source, destination) if name == "." else (join(source, name), join(destination, name))
        if same:
            remote.copy_object(before, after)
            return
        with remote.open(before, "rb") as file:
            remote.send(file, after)

    _in_parallel(copy, names, last)

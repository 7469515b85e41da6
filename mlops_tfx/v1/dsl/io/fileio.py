"""``tfx.v1.dsl.io.fileio``: files of this machine, and objects on ``s3://`` and ``gs://``, by the same functions.

Paths may be str or bytes; what is returned is of the kind that was given. What `mlops_tfx.filesystem` says of object
stores holds here too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.v1.dsl.io.file_stat import FileStat, stat_of
from mlops_tfx.v1.dsl.io.sized_files import open_sized

__all__ = [
    "NotFoundError",
    "PathType",
    "copy",
    "exists",
    "glob",
    "isdir",
    "listdir",
    "makedirs",
    "mkdir",
    "open",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]

PathType = bytes | str
"""What a path may be."""

NotFoundError = FileNotFoundError
"""There is no such file or folder."""


def open(path: PathType, mode: str = "r") -> Any:
    """Opens a file; text is UTF-8. An object that is written appears when the file is closed.

    Files of this machine have ``size()``, too.
    """
    if filesystem.is_local(_text(path)):
        return open_sized(_local(path), mode)
    return filesystem.open(_text(path), mode)


def copy(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Copies a file, between any two places. Raises FileExistsError if there is one, unless ``overwrite``."""
    _check_free(dst, overwrite)
    with open(src, "rb") as source, open(dst, "wb") as destination:
        shutil.copyfileobj(source, destination)


def exists(path: PathType) -> bool:
    """Whether a file or folder is there."""
    return filesystem.exists(_text(path))


def glob(pattern: PathType) -> list[Any]:
    """Returns the paths that match, sorted."""
    return [_like(pattern, found) for found in filesystem.glob(_text(pattern))]


def isdir(path: PathType) -> bool:
    """Whether a folder is there."""
    return filesystem.isdir(_text(path))


def listdir(path: PathType) -> list[Any]:
    """Returns the names in a folder, sorted."""
    return [_like(path, name) for name in filesystem.listdir(_text(path))]


def makedirs(path: PathType) -> None:
    """Makes a folder and its parents; one that is there already is fine."""
    filesystem.makedirs(_text(path))


def mkdir(path: PathType) -> None:
    """Makes a folder whose parent is there. Raises FileExistsError if it is there already."""
    if filesystem.is_local(_text(path)):
        os.mkdir(_local(path))
    else:
        filesystem.makedirs(_text(path))


def remove(path: PathType) -> None:
    """Removes a file."""
    text = _text(path)
    if filesystem.is_local(text):
        os.remove(_local(path))
        return
    filesystem.stat(text)
    filesystem.remove_tree(text)


def rename(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Moves a file or folder. Raises FileExistsError if there is one, unless ``overwrite``.

    Objects are copied and then removed: a store has no other way.
    """
    _check_free(dst, overwrite)
    if filesystem.is_local(_text(src)) and filesystem.is_local(_text(dst)):
        os.replace(_local(src), _local(dst))
        return
    filesystem.copy_tree(_text(src), _text(dst))
    filesystem.remove_tree(_text(src))


def rmtree(path: PathType) -> None:
    """Removes a folder with all in it."""
    text = _text(path)
    if not filesystem.exists(text):
        raise NotFoundError(f"there is no folder {text!r} to remove")
    filesystem.remove_tree(text)


def stat(path: PathType) -> FileStat:
    """Returns size and time of the last change, under the names of ``os.stat`` and of TensorFlow's ``gfile.stat``."""
    return stat_of(_text(path))


def walk(
    top: PathType, topdown: bool = True, onerror: Callable[..., None] | None = None
) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """Yields folder, names of folders and names of files in it, for every folder below ``top``, as ``os.walk`` does."""
    if filesystem.is_local(_text(top)):
        yield from os.walk(_local(top), topdown=topdown, onerror=onerror)
        return
    for folder, folders, files in _walk_objects(_text(top), topdown):
        yield _like(top, folder), [_like(top, name) for name in folders], [_like(top, name) for name in files]


def _walk_objects(top: str, topdown: bool) -> Iterator[tuple[str, list[str], list[str]]]:
    names = filesystem.listdir(top)
    folders = [name for name in names if filesystem.isdir(filesystem.join(top, name))]
    here = (top, folders, [name for name in names if name not in folders])
    if topdown:
        yield here
    for name in folders:
        yield from _walk_objects(filesystem.join(top, name), topdown)
    if not topdown:
        yield here


def _text(path: PathType) -> str:
    return os.fsdecode(path)


def _local(path: PathType) -> Any:
    return _like(path, filesystem.local_path(_text(path)))


def _like(given: PathType, path: str) -> PathType:
    return os.fsencode(path) if isinstance(given, bytes) else path


def _check_free(path: PathType, overwrite: bool) -> None:
    if not overwrite and exists(path):
        raise FileExistsError(f"there is a file {_text(path)!r} already; pass overwrite=True to replace it")

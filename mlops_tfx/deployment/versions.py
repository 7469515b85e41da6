"""Versions of a model in a folder that a server watches: they come whole or not at all, and grow."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterator

from mlops_tfx import filesystem
from mlops_tfx.deployment.lineage import LINEAGE_FILES
from mlops_tfx.errors import PushError

# A model server takes a folder for a version if its name is an integer, so it never looks at these.
_PARTIAL = ".pushing-"
_ABANDONED_SECONDS = 24 * 3600
# What makes a folder a SavedModel: on an object store it must not be there before the rest.
_LAST = ("saved_model.pbtxt", "saved_model.pb")


def push(source: str, base_directory: str, log: Callable[[str], None]) -> str:
    """Copies the folder ``source`` to a new version below ``base_directory`` and returns the version.

    If the newest version there has the same content, returns that one and copies nothing. Pushes to one local
    ``base_directory`` wait for each other; on an object store each takes a version of its own. Raises PushError if the
    destination cannot be written.
    """
    try:
        filesystem.makedirs(base_directory)
        if not filesystem.is_local(base_directory):
            return _standing(source, base_directory, log) or _push_objects(source, base_directory)
        with filesystem.locked(base_directory):
            _remove_partial(base_directory)
            return _standing(source, base_directory, log) or _copy_as_new_version(source, base_directory)
    except OSError as error:
        raise PushError(
            f"cannot push the model ({filesystem.size(source):,} bytes): expected a folder that can be written, "
            f"received push_destination.filesystem.base_directory={base_directory!r}: {_reason(error)}; nothing was "
            "changed there; make room or make it writable, or choose another folder"
        ) from error


def _copy_as_new_version(source: str, base_directory: str) -> str:
    version = str(max([int(time.time()), *(v + 1 for v in list_versions(base_directory))]))
    partial = filesystem.join(base_directory, f"{_PARTIAL}{version}")
    try:
        filesystem.copy_tree(source, partial)
        filesystem.sync(partial)
        filesystem.rename(partial, filesystem.join(base_directory, version))
        filesystem.sync(base_directory, recursive=False)
    finally:
        filesystem.remove_tree(partial)
    return version


def _push_objects(source: str, base_directory: str) -> str:
    """Sends the files aside, and copies them inside the store to a version that nobody else takes."""
    token = uuid.uuid4().hex
    aside = filesystem.join(base_directory, f"{_PARTIAL}files-{token}")
    _remove_abandoned(base_directory)
    try:
        filesystem.copy_tree(source, aside)
        with _claimed_version(base_directory, token) as version:
            destination = filesystem.join(base_directory, version)
            try:
                filesystem.copy_tree(aside, destination, last=_LAST)
            except BaseException:
                filesystem.remove_tree(destination)
                raise
    finally:
        filesystem.remove_tree(aside)
    return version


@contextlib.contextmanager
def _claimed_version(base_directory: str, token: str) -> Iterator[str]:
    """A number that no other push takes.

    Object stores have no locks, but list what is there: whoever sees a claim beside its own, or the version itself,
    gives up that number. So of two pushes that want one, at most one keeps it.
    """
    version = max([int(time.time()), *(v + 1 for v in list_versions(base_directory))])
    while True:
        claim = f"{_PARTIAL}{version}-"
        filesystem.write_bytes(filesystem.join(base_directory, claim + token), b"")
        try:
            names = _names(base_directory)
            if str(version) not in names and [name for name in names if name.startswith(claim)] == [claim + token]:
                yield str(version)
                return
        finally:
            filesystem.remove_tree(filesystem.join(base_directory, claim + token))
        version += random.randint(1, 3)


def _remove_abandoned(base_directory: str) -> None:
    # Whether a push elsewhere is still alive cannot be known; one that wrote nothing for a day is not.
    for name in _names(base_directory):
        folder = filesystem.join(base_directory, name)
        if name.startswith(_PARTIAL) and _last_change(folder) < time.time() - _ABANDONED_SECONDS:
            filesystem.remove_tree(folder)


def _last_change(folder: str) -> float:
    return max((filesystem.stat(path).modified_ns / 1e9 for path in filesystem.walk_files(folder)), default=0.0)


def _remove_partial(base_directory: str) -> None:
    # The lock is ours, so nobody is writing to these: they are left from pushes that were killed.
    for name in filesystem.listdir(base_directory):
        if name.startswith(_PARTIAL):
            filesystem.remove_tree(filesystem.join(base_directory, name))


def list_versions(base_directory: str) -> list[int]:
    """Versions in a folder, lowest first."""
    return sorted(int(name) for name in _names(base_directory) if name.isdecimal())


def _names(folder: str) -> list[str]:
    return filesystem.listdir(folder) if filesystem.isdir(folder) else []


def newest_version(base_directory: str) -> str | None:
    """The highest version in a folder, or None."""
    version = max(list_versions(base_directory), default=None)
    return None if version is None else str(version)


def _standing(source: str, base_directory: str, log: Callable[[str], None]) -> str | None:
    """The newest version, if it has the content of ``source``."""
    newest = newest_version(base_directory)
    if newest is None or not _equal_trees(source, filesystem.join(base_directory, newest)):
        return None
    log(f"not pushed again: version {newest} in {base_directory} is this model")
    return newest


def _equal_trees(first: str, second: str) -> bool:
    if _sizes(first) != _sizes(second):
        return False  # an answer without reading anything
    return all(
        _content(filesystem.join(first, name)) == _content(filesystem.join(second, name)) for name in _sizes(first)
    )


def _sizes(folder: str) -> dict[str, int]:
    sizes = {filesystem.relative(path, folder): filesystem.stat(path).size for path in filesystem.walk_files(folder)}
    # Where a model came from does not make it another one.
    return {name: size for name, size in sizes.items() if name not in LINEAGE_FILES}


def _content(path: str) -> str:
    with filesystem.open(path, "rb") as file:
        return filesystem.file_digest(file)


def _reason(error: OSError) -> str:
    # shutil.copytree collects (source, destination, reason) for every file that it could not copy.
    if error.args and isinstance(error.args[0], list):
        return "; ".join(dict.fromkeys(str(item[-1]) for item in error.args[0]))
    return str(error)

"""Local copies of trees on object stores, for consumers that need paths: models, graphs, user code.

{cache}/copies/{key}/tree      the copy, with the names that the tree has
{cache}/copies/{key}/have/     an empty file for each part that is complete
{cache}/locks/{key}.fill       held while files are copied
{cache}/locks/{key}.use        held, shared, while somebody uses the copy
{cache}/work/                  what nodes write before it is sent

The key is made of uri and version, so that a tree that is replaced by another gets another copy. Copies that nobody
uses are removed, oldest first, when all of them together are larger than ``MLOPS_TFX_CACHE_BYTES`` (20 GB by default).
The cache lies in ``MLOPS_TFX_CACHE``, by default in ``$XDG_CACHE_HOME/mlops_tfx`` or ``~/.cache/mlops_tfx``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from urllib.parse import quote

from mlops_tfx.errors import ConfigError
from mlops_tfx.filesystem import local, remote
from mlops_tfx.filesystem.copying import download_tree
from mlops_tfx.filesystem.uris import join

_ALL = "."
_LIMIT = 20_000_000_000


def cache_folder() -> str:
    """The folder of all local copies."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("MLOPS_TFX_CACHE") or os.path.join(base, "mlops_tfx")


def work_folder(name: str) -> str:
    """A folder on the same disk as the copies, for what is written here before it is sent to ``name``."""
    return os.path.join(cache_folder(), "work", hashlib.sha256(name.encode()).hexdigest()[:16])


class LocalCopy:
    """A tree on an object store, and the copy of it on this machine. Parts are copied when they are first asked for.

    Several threads and processes may use one copy; each part is copied once. Use it in a ``with`` statement, or call
    ``close``: until then the copy is not removed to make room.

    Args:
        uri: a folder or an object.
        version: anything that changes when the tree does.
        streamed: ``readable`` always answers with uris, for readers that may be on other machines.
    """

    def __init__(self, uri: str, version: str, *, streamed: bool = False) -> None:
        self.uri = uri
        self._streamed = streamed
        self._key = hashlib.sha256(f"{uri}\0{version}".encode()).hexdigest()[:32]
        self._folder = os.path.join(cache_folder(), "copies", self._key)
        self._in_use: int | None = None

    def path(self, part: str = _ALL) -> str:
        """Returns the local path of the tree, or of a part of it, and copies what is not there yet.

        Raises:
            FileNotFoundError: there is no such tree or part.
            OSError: it cannot be copied.
        """
        self._use()
        if not self._has(part):
            with _held(self._lock("fill"), fcntl.LOCK_EX):
                if not self._has(part):
                    self._fill(part)
        return self._place(part)

    def readable(self, part: str = _ALL) -> str:
        """Returns the local path of a part that was copied already, and otherwise the uri, which can be streamed."""
        if self._streamed:
            return _below(self.uri, part)
        self._use()
        return self._place(part) if self._has(part) else _below(self.uri, part)

    def adopt(self, tree: str) -> None:
        """Makes a local tree, whose content is that at the uri, the copy. It is moved."""
        self._use()
        with _held(self._lock("fill"), fcntl.LOCK_EX):
            local.remove_tree(self._folder)
            local.rename(tree, self._place(_ALL))
            self._have(_ALL)
        make_room(self._key)

    def close(self) -> None:
        """Lets the copy be removed when room is needed."""
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None

    def __enter__(self) -> LocalCopy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_in_use": None}

    def _lock(self, kind: str) -> str:
        return os.path.join(cache_folder(), "locks", f"{self._key}.{kind}")

    def _use(self) -> None:
        if self._in_use is None:
            self._in_use = _open_lock(self._lock("use"))
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._folder)

    def _place(self, part: str) -> str:
        return _below(os.path.join(self._folder, "tree"), part)

    def _marker(self, part: str) -> str:
        name = "all" if part == _ALL else f"part {quote(part, safe='')}"
        return os.path.join(self._folder, "have", name)

    def _has(self, part: str) -> bool:
        return os.path.exists(self._marker(_ALL)) or os.path.exists(self._marker(part))

    def _have(self, part: str) -> None:
        os.makedirs(os.path.dirname(self._marker(part)), exist_ok=True)
        local.open(self._marker(part), "w").close()

    def _fill(self, part: str) -> None:
        download_tree(_below(self.uri, part), self._place(part))
        self._have(part)
        make_room(self._key)


def make_room(keep: str) -> None:
    """Removes copies that nobody uses, the one unused for longest first, until the rest fits; never ``keep``."""
    folder = os.path.join(cache_folder(), "copies")
    sizes = {key: sum(map(_size, local.walk_files(os.path.join(folder, key)))) for key in local.listdir(folder)}
    total, limit = sum(sizes.values()), _limit()
    for key in sorted(sizes, key=_last_use(folder)):
        if total <= limit:
            return
        if key != keep and _removed(folder, key):
            total -= sizes[key]


def _limit() -> int:
    text = os.environ.get("MLOPS_TFX_CACHE_BYTES", str(_LIMIT))
    if not text.isdecimal():
        raise ConfigError(
            f"expected a number of bytes, received the environment variable MLOPS_TFX_CACHE_BYTES={text!r}"
        )
    return int(text)


def _size(path: str) -> int:
    try:
        return local.stat(path)[0]
    except FileNotFoundError:  # another process makes room, too
        return 0


def _last_use(folder: str) -> Callable[[str], float]:
    def when(key: str) -> float:
        try:
            return os.stat(os.path.join(folder, key)).st_mtime
        except FileNotFoundError:
            return 0.0

    return when


def _removed(folder: str, key: str) -> bool:
    descriptor = _open_lock(os.path.join(cache_folder(), "locks", f"{key}.use"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        local.remove_tree(os.path.join(folder, key))
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def _held(path: str, kind: int) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _below(base: str, part: str) -> str:
    return base if part == _ALL else join(base, part)


def version_of(uri: str) -> str:
    """A version for trees whose content digest is not recorded: names, sizes and entity tags."""
    return remote.digest(uri)

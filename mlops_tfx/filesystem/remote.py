"""Operations on object stores, over pyarrow's file systems. Folders are what names have in common before a slash."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, cast

from mlops_tfx.filesystem.connections import connection
from mlops_tfx.filesystem.failures import explained, has_bucket
from mlops_tfx.filesystem.uris import object_path, relative, scheme_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs

READ_BYTES = 4 << 20
WRITE_BYTES = 8 << 20
REQUESTS_AT_ONCE = 16
_SPOOL_BYTES = 16 << 20
_MAGIC = re.compile(r"[*?\[]")


def connect(uri: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Returns the file system of a uri, and the path in it (``bucket/key``)."""
    bucket, key = object_path(uri)
    return connection(scheme_of(uri), bucket), f"{bucket}/{key}" if key else bucket


def open_native(uri: str) -> pa.NativeFile:
    """Opens an object for readers in C++, which read ranges of it."""
    system, path = connect(uri)
    with explained(uri):
        return system.open_input_file(path)


def open(uri: str, mode: str) -> IO[Any]:
    """Opens an object to be read by ranges, or to be written: it appears when the file is closed, whole or not at all.

    What is written waits in a temporary file; if the ``with`` block raises, nothing is sent.
    """
    if mode.rstrip("b") not in ("r", "w") or len(mode) > 2:
        raise ValueError(f"expected mode r, rb, w or wb for an object store, received mode={mode!r} for {uri!r}")
    if mode[0] == "w":
        upload = _Upload(uri)
        return cast("IO[Any]", upload if mode.endswith("b") else _TextUpload(upload))
    file = io.BufferedReader(_Download(uri), READ_BYTES)
    return file if mode.endswith("b") else io.TextIOWrapper(file, encoding="utf-8")


class _Download(io.RawIOBase):
    """Each read is one request for a range; the buffer above makes them large."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._file = open_native(uri)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._file.size()}[whence]
        return int(self._file.seek(start + offset))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with explained(self._uri):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        # One request; what RawIOBase does makes one for every 8 KiB.
        with explained(self._uri):
            return bytes(self._file.read())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Upload(io.BufferedIOBase):
    """A file that becomes an object when it is closed, unless it is abandoned."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._abandoned = False
        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._spool.write(data)

    def tell(self) -> int:
        return self._spool.tell()

    def abandon(self) -> None:
        """Lets nothing be sent."""
        self._abandoned = True

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            if not self._abandoned:
                self._spool.seek(0)
                send(self._spool, self._uri)
        finally:
            self._spool.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._abandoned = self._abandoned or kind is not None
        self.close()

    def __del__(self) -> None:
        # Nobody closed it, so nobody says that it is complete.
        self._abandoned = True
        self.close()


class _TextUpload(io.TextIOWrapper):
    def __init__(self, upload: _Upload) -> None:
        super().__init__(cast("IO[bytes]", upload), encoding="utf-8")
        self._upload = upload

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._upload.abandon()
        self.close()

    def __del__(self) -> None:
        self._upload.abandon()


def send(source: IO[bytes], uri: str) -> None:
    """Writes the rest of an open file to an object, in parts. A process that is killed meanwhile leaves no object."""
    system, path = connect(uri)
    complete = False
    try:
        # By default pyarrow compresses what is written to a name that ends in .gz.
        with explained(uri), system.open_output_stream(path, compression=None) as stream:
            shutil.copyfileobj(source, stream, WRITE_BYTES)
            complete = True
    finally:
        # pyarrow has no way to abandon a stream: closing it makes an object of what there is.
        if not complete and _kind(uri) == "file":
            system.delete_file(path)


def _info(uri: str) -> pyarrow.fs.FileInfo:
    system, path = connect(uri)
    with explained(uri):
        return system.get_file_info(path)


def _kind(uri: str) -> str:
    from pyarrow import fs

    kinds = {fs.FileType.File: "file", fs.FileType.Directory: "folder"}
    return kinds.get(_info(uri).type, "nothing")


def exists(uri: str) -> bool:
    """Whether there is an object, or one below it."""
    return _kind(uri) != "nothing"


def isdir(uri: str) -> bool:
    """Whether there is an object below it."""
    return _kind(uri) == "folder"


def stat(uri: str) -> tuple[int, int]:
    """Bytes, and nanoseconds since 1970 of the last change. Raises FileNotFoundError if there is no such object."""
    info = _info(uri)
    if not info.is_file:
        with explained(uri):
            raise FileNotFoundError
    return int(info.size), int(info.mtime_ns or 0)


def _below(uri: str, *, recursive: bool, allow_not_found: bool = True) -> list[tuple[str, pyarrow.fs.FileInfo]]:
    """What lies below, as uris, sorted. Raises FileNotFoundError if there is no such bucket."""
    from pyarrow import fs

    system, path = connect(uri)
    with explained(uri):
        selector = fs.FileSelector(path, recursive=recursive, allow_not_found=allow_not_found)
        infos = system.get_file_info(selector)
        if not infos and not has_bucket(uri):
            raise FileNotFoundError
    scheme = scheme_of(uri)
    return sorted((f"{scheme}://{info.path}", info) for info in infos)


def listdir(uri: str) -> list[str]:
    """Names in a folder, sorted. Raises FileNotFoundError if it is not there."""
    return [info.base_name for _, info in _below(uri, recursive=False, allow_not_found=False)]


def files(uri: str) -> list[tuple[str, int]]:
    """Uris and bytes of all objects below a folder (or of the object itself), sorted; nothing there gives none."""
    found = [(name, int(info.size)) for name, info in _below(uri, recursive=True) if info.is_file]
    if found:
        return found
    info = _info(uri)
    return [(uri, int(info.size))] if info.is_file else []


def empty_folders(uri: str) -> list[str]:
    """Folders that hold nothing, kept by an object of their own."""
    below = _below(uri, recursive=True)
    parents = {name.rpartition("/")[0] for name, _ in below}
    return [name for name, info in below if not info.is_file and name not in parents]


def make_folder(uri: str) -> None:
    """Makes an object that keeps an empty folder; a folder with something in it needs none."""
    system, path = connect(uri)
    with explained(uri):
        system.create_dir(path)


def check_bucket(uri: str) -> None:
    """Raises FileNotFoundError if there is no such bucket."""
    if not has_bucket(uri):
        with explained(uri):
            raise FileNotFoundError


def glob(pattern: str) -> list[str]:
    """Uris that match, sorted."""
    head = pattern.rstrip("/").split("/")
    fixed = next((n for n, part in enumerate(head) if n > 2 and _MAGIC.search(part)), len(head))
    base, parts = "/".join(head[:fixed]), head[fixed:]
    if not parts:
        return [pattern] if exists(pattern) else []
    expression = re.compile(_expression(parts))
    below = _below(base, recursive=len(parts) > 1 or parts == ["**"])
    return [name for name, _ in below if expression.fullmatch(name[len(base) + 1 :])]


def _expression(parts: list[str]) -> str:
    """A regular expression for a pattern; as for local paths, no wildcard matches a dot at the beginning of a name."""
    text = ""
    for number, part in enumerate(parts):
        last = number + 1 == len(parts)
        if part == "**":
            text += r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else "")
        else:
            hidden = "" if part.startswith(".") else r"(?!\.)"
            text += hidden + _name_expression(part) + ("" if last else "/")
    return text


def _name_expression(part: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*|\?|\[!?\]?[^\]]*\])", part)
    sets = (f"[^/{p[2:]}" if p.startswith("[!") else p for p in pieces)
    return "".join(p if p.startswith("[") else wild.get(p) or re.escape(p) for p in sets)


def remove_tree(uri: str) -> None:
    """Removes an object and all below it; nothing there is fine."""
    system, path = connect(uri)
    kind = _kind(uri)
    with explained(uri):
        if kind == "file":
            system.delete_file(path)
        elif kind == "folder":
            _remove_folder(system, path)


def _remove_folder(system: pyarrow.fs.FileSystem, path: str) -> None:
    from pyarrow import fs

    try:
        system.delete_dir(path)
    except FileNotFoundError:
        # Google's: all objects are gone, but there was none that stood for the folder itself.
        if system.get_file_info(path).type != fs.FileType.NotFound:
            raise


def copy_object(source: str, destination: str) -> None:
    """Copies an object inside one store, without reading it here."""
    system, path = connect(source)
    with explained(source):
        system.copy_file(path, connect(destination)[1])


def digest(uri: str) -> str:
    """SHA-256 over names, sizes and entity tags of all objects below ``uri``, as a hex string. No content is read.

    An object without an entity tag gives the time of its last change instead.
    """
    found = files(uri)
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        tags = list(pool.map(_tag, (name for name, _ in found)))
    total = hashlib.sha256()
    for (name, size), tag in zip(found, tags, strict=True):
        total.update(f"{relative(name, uri)}\0{size}\0{tag}\n".encode())
    return total.hexdigest()


def _tag(uri: str) -> str:
    with explained(uri), open_native(uri) as file:
        metadata = {_text(key).lower(): _text(value) for key, value in (file.metadata() or {}).items()}
    known = (metadata[name] for name in ("md5hash", "crc32c", "etag", "generation") if metadata.get(name))
    return next(known, None) or str(stat(uri)[1])


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def walk_files(uri: str) -> Iterator[str]:
    """Uris of all objects below a folder (or the object itself), sorted."""
    return (name for name, _ in files(uri))

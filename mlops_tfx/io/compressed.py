"""Files that may be compressed, read as if they were not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}


def codec_of(path: str) -> str | None:
    """Which codec a file is compressed with, known by its first bytes, or None."""
    with filesystem.open(path, "rb") as file:
        start = file.read(4)
    return next((codec for magic, codec in _MAGIC.items() if start.startswith(magic)), None)


def damaged(path: str, codec: str, error: Exception) -> DataError:
    """The error that says that a compressed file cannot be read to its end."""
    return DataError(f"{path}: the {codec} data is damaged or cut off ({error}); compress or copy the file again")


def read_lines(path: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Reads a file line by line, each with its line feed; errors as for `read_chunks`."""
    rest = b""
    for chunk in read_chunks(path, chunk_bytes):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def read_chunks(path: str, chunk_bytes: int) -> Iterator[bytes]:
    """Reads a file piece by piece; gzip, bzip2 and Zstandard are known by their first bytes and decompressed.

    Raises:
        DataError: a compressed file is damaged or cut off; names the file.
    """
    codec = codec_of(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(filesystem.open(path, "rb"))
        if codec is None:
            yield from iter(lambda: file.read(chunk_bytes), b"")
            return
        try:
            stream = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(file, "r"), codec))
            yield from iter(lambda: stream.read(chunk_bytes), b"")
        except (OSError, pa.ArrowException) as error:
            raise damaged(path, codec, error) from error

"""Files that may be compressed, read as if they were not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}


def read_chunks(path: str, chunk_bytes: int) -> Iterator[bytes]:
    """Reads a file piece by piece; gzip, bzip2 and Zstandard are known by their first bytes and decompressed.

    Raises:
        DataError: a compressed file is damaged or cut off; names the file.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(filesystem.open(path, "rb"))
        start = file.read(4)
        file.seek(0)
        codec = next((codec for magic, codec in _MAGIC.items() if start.startswith(magic)), None)
        if codec is None:
            yield from iter(lambda: file.read(chunk_bytes), b"")
            return
        try:
            stream = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(file, "r"), codec))
            yield from iter(lambda: stream.read(chunk_bytes), b"")
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{path}: the {codec} data is damaged or cut off ({error}); compress or copy the file again"
            ) from error

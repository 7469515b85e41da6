"""Avro object container files: their header, and their blocks, decompressed and checked one by one.

Read here and not through fastavro, because its reader takes a file that is cut off inside the head of a block for a
complete one. Layout: magic, a map of metadata (schema, codec), 16 bytes of synchronisation marker; then blocks, each a
number of records, a number of bytes, that many bytes, and the marker again.
"""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16


class DamagedError(Exception):
    """What is wrong with some bytes. Never leaves this package."""


_DECOMPRESSING = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException, DamagedError)


@dataclass(frozen=True)
class Header:
    """What the beginning of a file says.

    Attributes:
        schema: the writer's schema, parsed as JSON.
        codec: name of the compression of blocks.
        sync: the marker that ends every block.
        size: bytes of the header.
    """

    schema: Any
    codec: str
    sync: bytes
    size: int


@dataclass(frozen=True)
class Block:
    """One block, decompressed.

    Attributes:
        path: the file.
        number: position of the block in the file, from 0.
        first: number of its first record in the file, from 0.
        count: its records.
        data: their bytes.
    """

    path: str
    number: int
    first: int
    count: int
    data: bytes

    @property
    def where(self) -> str:
        """File, block and records, for error messages."""
        return f"{self.path}, block {self.number} (records {self.first} to {self.first + self.count - 1})"


def read_header(path: str) -> Header:
    """Reads the header of a file.

    Raises:
        DataError: the file is not an Avro container, its header is damaged, or its codec is not known.
    """
    with filesystem.open(path, "rb") as file:
        return _header(path, file)


def count_records(path: str) -> int:
    """Number of records, from the heads of the blocks; nothing is decompressed.

    Raises:
        DataError: the file is damaged or cut off; names the block.
    """
    with filesystem.open(path, "rb") as file:
        header = _header(path, file)
        return sum(count for _, _, count, _ in _raw_blocks(path, file, header))


def read_blocks(path: str) -> Iterator[Block]:
    """Reads the blocks that have records, in order.

    Raises:
        DataError: the file is damaged or cut off; names the block.
    """
    with filesystem.open(path, "rb") as file:
        header = _header(path, file)
        decompress = _CODECS[header.codec]
        for number, first, count, data in _raw_blocks(path, file, header):
            try:
                plain = decompress(data)
            except _DECOMPRESSING as error:
                raise _damaged(
                    path, number, first, f"its {header.codec} data cannot be decompressed: {error}"
                ) from error
            yield Block(path, number, first, count, plain)


def _header(path: str, file: IO[bytes]) -> Header:
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise DataError(
            f"{path}: expected an Avro file, which begins with {_MAGIC!r}, received {magic!r}; "
            f"choose the ExampleGen for the format of the files"
        )
    try:
        meta = _metadata(file)
        sync = _read(file, _SYNC_BYTES)
        schema = json.loads(meta["avro.schema"])
        codec = meta.get("avro.codec", b"null").decode()
    except (DamagedError, EOFError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: the header of the Avro file is damaged ({error!r}); write or copy it again"
        ) from error
    if codec not in _CODECS:
        raise DataError(
            f"{path}: expected one of the codecs {', '.join(_CODECS)}, received {codec!r}; rewrite the file"
        )
    return Header(schema, codec, sync, file.tell())


def _metadata(file: IO[bytes]) -> dict[str, bytes]:
    meta: dict[str, bytes] = {}
    while count := _long(file):
        if count < 0:
            count, _ = -count, _long(file)
        for _ in range(count):
            key = _read(file, _length(file)).decode()
            meta[key] = _read(file, _length(file))
    return meta


def _raw_blocks(path: str, file: IO[bytes], header: Header) -> Iterator[tuple[int, int, int, bytes]]:
    """Number of the block, number of its first record, its records, its bytes."""
    number = first = 0
    while True:
        start = file.read(1)
        if not start:
            return
        try:
            count = _long(file, start)
            if count < 0:
                raise DamagedError(f"it has a negative number of records ({count})")
            data = _read(file, _length(file))
            if _read(file, _SYNC_BYTES) != header.sync:
                raise DamagedError("it does not end with the file's synchronisation marker")
        except EOFError as error:
            raise _damaged(path, number, first, "the file is cut off in it") from error
        except DamagedError as error:
            raise _damaged(path, number, first, str(error)) from error
        if count:
            yield number, first, count, data
        elif data:
            raise _damaged(path, number, first, f"it has no records but {len(data)} bytes")
        number, first = number + 1, first + count


def _damaged(path: str, number: int, first: int, reason: str) -> DataError:
    return DataError(f"{path}: block {number} (from record {first}) is damaged: {reason}; write or copy the file again")


def _read(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError(f"expected {size} bytes, received {len(data)}")
    return data


def _length(file: IO[bytes]) -> int:
    size = _long(file)
    if size < 0:
        raise DamagedError(f"a length is negative ({size})")
    return size


def _long(file: IO[bytes], start: bytes = b"") -> int:
    """A zigzag varint."""
    value = shift = 0
    while True:
        byte = (start or _read(file, 1))[0]
        start = b""
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        if shift > 63:
            raise DamagedError("a number is longer than 64 bits")


def _inflate(data: bytes) -> bytes:
    engine = zlib.decompressobj(-15)
    plain = engine.decompress(data)
    if not engine.eof:
        raise DamagedError("it is cut off")
    return plain


def _unsnap(data: bytes) -> bytes:
    """Raw snappy, which begins with its size, and a checksum of what comes out."""
    size = shift = 0
    for byte in data[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    plain: bytes = pa.Codec("snappy").decompress(data[:-4], size, asbytes=True)
    if zlib.crc32(plain).to_bytes(4, "big") != data[-4:]:
        raise DamagedError("the checksum differs")
    return plain


def _zstandard(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        plain: bytes = stream.read()
    return plain


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "deflate": _inflate,
    "snappy": _unsnap,
    "zstandard": _zstandard,
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
}

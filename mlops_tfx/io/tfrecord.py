"""TFRecord files, plain or gzip, without TensorFlow: importing it would cost more than reading a million rows.

A record is: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the data; all little-endian.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io import wire

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_LEVEL = 1  # four times as fast as the default level, files a tenth larger
_CHUNK = 1 << 20
_MAX_INFLATED = 8 << 20
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_AROUND = _HEADER.size + _FOOTER.size


@dataclass(frozen=True)
class RecordBlock:
    """Consecutive records of one file: ``data[starts[i]:stops[i]]`` is record ``first + i``."""

    data: bytes
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    first: int

    def __len__(self) -> int:
        return len(self.starts)

    def records(self) -> list[bytes]:
        """The records as separate byte strings."""
        data = self.data
        return [data[a:b] for a, b in zip(self.starts.tolist(), self.stops.tolist(), strict=True)]

    def array(self) -> pa.BinaryArray:
        """The records as an Arrow array."""
        return cut(self.data, self.starts, self.stops).cast(pa.binary())


def cut(data: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> pa.LargeBinaryArray:
    """Copies pieces of ``data``, which lie in order, out of an array that has them and what is between them in turn."""
    edges = np.empty(2 * len(starts), np.int64)
    edges[0::2], edges[1::2] = starts, stops
    both = pa.Array.from_buffers(pa.large_binary(), len(edges) - 1, [None, pa.py_buffer(edges), pa.py_buffer(data)])
    return both.take(pa.array(np.arange(0, len(edges) - 1, 2)))


def read_blocks(
    uri: str, *, max_rows: int, max_bytes: int, on_damaged: Callable[[DataError], None] | None = None
) -> Iterator[RecordBlock]:
    """Reads a file block by block; a block ends at ``max_rows`` records or ``max_bytes`` bytes, whichever is first.

    Args:
        uri: the file.
        max_rows: records of a block at most.
        max_bytes: bytes of a block, but for its last record.
        on_damaged: called for every record whose checksum is wrong, which is then left out; by default it is raised.

    Raises:
        DataError: the file is not TFRecord, is damaged or ends early; names the file and the record.
    """
    first, buffer = 0, bytearray()
    walker = _Walker(uri, first)
    for chunk in _plain_chunks(uri):
        buffer += chunk
        while True:
            walker.walk(buffer, max_rows, max_bytes)
            if not walker.full(max_rows, max_bytes):
                break
            yield from walker.blocks(buffer, on_damaged)
            first += walker.rows
            del buffer[: walker.position]
            walker = _Walker(uri, first)
    if walker.rows:
        yield from walker.blocks(buffer, on_damaged)
    if walker.position != len(buffer):
        rest = len(buffer) - walker.position
        raise DataError(
            f"{uri}: expected a whole record number {first + walker.rows}, received only {rest} bytes of it; "
            f"the file was cut short: write or copy it again"
        )


def count_records(uri: str) -> int:
    """Records in a file. Raises DataError as `read_blocks` does, but does not check the data's checksums."""
    count, skip, buffer = 0, 0, bytearray()
    for chunk in _plain_chunks(uri):
        buffer += chunk
        position = skip
        while position + _HEADER.size <= len(buffer):
            position += _read_length(buffer, position, uri, count) + _AROUND
            count += 1
        # The last record may reach into chunks that are yet to come.
        skip = max(position - len(buffer), 0)
        del buffer[: min(position, len(buffer))]
    if skip or buffer:
        raise DataError(f"{uri}: expected whole records, received a file that ends within record {count - (skip > 0)}")
    return count


def frame(records: pa.BinaryArray) -> pa.BinaryArray:
    """Puts every record into TFRecord's frame, ready to be written one after the other."""
    data, offsets = records.buffers()[2], wire.binary_offsets(records)
    raw = data.to_pybytes() if data is not None else b""
    checksum = google_crc32c.value
    edges = offsets.tolist()
    checks = [checksum(raw[a:b]) for a, b in itertools.pairwise(edges)]
    footers = _mask(np.array(checks, np.uint32)).astype("<u4")
    footer_array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(checks), [None, pa.py_buffer(footers)])
    headers = wire.take_by_length(np.diff(offsets), _header)
    separator = pa.scalar(b"", pa.binary())
    return pc.binary_join_element_wise(headers, records, footer_array.cast(pa.binary()), separator)


class TFRecordFile:
    """Writes framed records to one gzip file."""

    def __init__(self, path: str) -> None:
        self._file: IO[bytes] = filesystem.open(path, "wb")
        # 31: a gzip header, which zlib writes without a time stamp, so that equal input gives equal files.
        self._gzip = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)

    def write(self, framed: Any) -> None:
        """Appends bytes that `frame` made."""
        self._file.write(self._gzip.compress(framed))

    def close(self) -> None:
        """Ends the gzip stream and closes the file."""
        try:
            self._file.write(self._gzip.flush())
        finally:
            self._file.close()

    def abort(self) -> None:
        """Closes the file as it is."""
        self._file.close()


class _Walker:
    """Finds the records in a growing buffer."""

    def __init__(self, uri: str, first: int) -> None:
        self.uri = uri
        self.first = first
        self.position = 0
        self.starts: list[int] = []
        self.stops: list[int] = []

    @property
    def rows(self) -> int:
        return len(self.starts)

    def full(self, max_rows: int, max_bytes: int) -> bool:
        return self.rows >= max_rows or (self.rows > 0 and self.position >= max_bytes)

    def walk(self, buffer: bytearray, max_rows: int, max_bytes: int) -> None:
        position, size, rows = self.position, len(buffer), self.rows
        while position + _HEADER.size <= size and rows < max_rows and position < max_bytes:
            length = _read_length(buffer, position, self.uri, self.first + rows)
            start = position + _HEADER.size
            stop = start + length
            if stop + _FOOTER.size > size:
                break
            self.starts.append(start)
            self.stops.append(stop)
            position, rows = stop + _FOOTER.size, rows + 1
        self.position = position

    def blocks(self, buffer: bytearray, on_damaged: Callable[[DataError], None] | None) -> Iterator[RecordBlock]:
        """What was found: one block, or the blocks between damaged records."""
        data = bytes(memoryview(buffer)[: self.position])
        starts, stops = np.array(self.starts, np.int64), np.array(self.stops, np.int64)
        checksum = google_crc32c.value
        checks = [checksum(data[a:b]) for a, b in zip(self.starts, self.stops, strict=True)]
        raw = np.frombuffer(data, np.uint8)
        stored = raw[stops[:, None] + np.arange(4)].copy().view("<u4")[:, 0]
        wrong = np.flatnonzero(_mask(np.array(checks, np.uint32)) != stored)
        for row in wrong.tolist():
            error = DataError(
                f"{self.uri}: record {self.first + row} is damaged (its checksum does not match its "
                f"{self.stops[row] - self.starts[row]} bytes); write or copy the file again"
            )
            if on_damaged is None:
                raise error
            on_damaged(error)
        for begin, end in itertools.pairwise([-1, *wrong.tolist(), len(starts)]):
            if end - begin > 1:
                yield RecordBlock(data, starts[begin + 1 : end], stops[begin + 1 : end], self.first + begin + 1)


def _mask(checks: NDArray[np.uint32]) -> NDArray[np.uint32]:
    rotated: NDArray[np.uint32] = (checks >> np.uint32(15)) | (checks << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


def _masked_length_checksum(length: int) -> int:
    return int(_mask(np.array([google_crc32c.value(length.to_bytes(8, "little"))], np.uint32))[0])


def _header(length: int) -> bytes:
    return _HEADER.pack(length, _length_checksum(length))


_LENGTH_CHECKSUMS: dict[int, int] = {}


def _length_checksum(length: int) -> int:
    check = _LENGTH_CHECKSUMS.get(length)
    if check is None:
        check = _masked_length_checksum(length)
        if len(_LENGTH_CHECKSUMS) < 1 << 16:
            _LENGTH_CHECKSUMS[length] = check
    return check


def _read_length(buffer: bytearray, position: int, uri: str, row: int) -> int:
    length, stored = _HEADER.unpack_from(buffer, position)
    if _LENGTH_CHECKSUMS.get(length) != stored and _length_checksum(length) != stored:
        raise DataError(
            f"{uri}: expected a TFRecord file, received one whose record {row} has a damaged header at byte {position} "
            f"of the uncompressed data; write or copy the file again, or check that it is TFRecord at all"
        )
    return int(length)


def _plain_chunks(uri: str) -> Iterator[bytes]:
    with filesystem.open(uri, "rb") as file:
        chunk = file.read(_CHUNK)
        if _is_gzip(chunk):
            yield from _gunzip(file, chunk, uri)
            return
        while chunk:
            yield chunk
            chunk = file.read(_CHUNK)


def _is_gzip(chunk: bytes) -> bool:
    if not chunk.startswith(_GZIP_MAGIC):
        return False
    # A plain file may begin with the same bytes, if its first record is 559,903 bytes long; then its header is valid.
    length, check = _HEADER.unpack(chunk[: _HEADER.size].ljust(_HEADER.size, b"\0"))
    return bool(_length_checksum(length) != check)


def _gunzip(file: IO[bytes], chunk: bytes, uri: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(31)
    while chunk:
        yield _inflate(stream, chunk, uri)
        chunk = stream.unconsumed_tail or stream.unused_data or file.read(_CHUNK)
        if chunk and stream.eof:  # several gzip members in one file
            stream = zlib.decompressobj(31)
    while not stream.eof:
        plain = _inflate(stream, b"", uri)
        if not plain:
            raise DataError(f"{uri}: the gzip data ends early: the file was cut short; write or copy it again")
        yield plain


def _inflate(stream: Any, chunk: bytes, uri: str) -> bytes:
    try:
        plain: bytes = stream.decompress(chunk, _MAX_INFLATED)
    except zlib.error as error:
        raise DataError(f"{uri}: the gzip data is damaged ({error}); write or copy the file again") from error
    return plain

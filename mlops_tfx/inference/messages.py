"""Protobuf messages of many rows at once: no Python runs per row.

A message is a list of pieces, each a constant or an Arrow array with the bytes of every row. To nest it as a field of
another one puts tag and length before it, which depend on its length only. All pieces are joined once, in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_tfx.io import wire

_DELIMITED, _FIXED32 = 2, 5
_MAX_BYTES = 1 << 30  # Arrow's 32-bit offsets hold 2 GiB; stay well below


@dataclass(frozen=True)
class Messages:
    """A serialized message per row.

    Attributes:
        pieces: Arrow binary arrays with a value per row, and binary scalars; joined in this order.
        lengths: bytes per row, an int64 array; or one number for all rows.
    """

    pieces: tuple[Any, ...]
    lengths: Any

    def __add__(self, other: Messages) -> Messages:
        return Messages(self.pieces + other.pieces, self.lengths + other.lengths)


NOTHING = Messages((), 0)


def constant(data: bytes) -> Messages:
    """The same bytes in every row."""
    return Messages((pa.scalar(data, pa.binary()),), len(data)) if data else NOTHING


def values(array: pa.BinaryArray) -> Messages:
    """The bytes of a binary array without nulls."""
    return Messages((array,), wire.binary_lengths(array))


def field(number: int, content: Messages) -> Messages:
    """A field of bytes, text or a message."""
    tag = wire.varint(number << 3 | _DELIMITED)
    if isinstance(content.lengths, int):
        return constant(tag + wire.varint(content.lengths)) + content
    heads = wire.take_by_length(content.lengths, lambda size: tag + wire.varint(size))
    sizes = len(heads.as_py()) if isinstance(heads, pa.Scalar) else wire.binary_lengths(heads)
    return Messages((heads, *content.pieces), content.lengths + sizes)


def text(number: int, value: str) -> Messages:
    """A text field with the same value in every row."""
    return field(number, constant(value.encode()))


def number(field_number: int, value: int) -> bytes:
    """A field with a non-negative integer."""
    return wire.varint(field_number << 3) + wire.varint(value)


def floats(field_number: int, array: Any) -> Messages:
    """A float field, from an array of one number per row."""
    return constant(wire.varint(field_number << 3 | _FIXED32)) + values(fixed_width(array.astype("<f4")))


def fixed_width(array: Any) -> pa.BinaryArray:
    """The bytes of every row of an array ``[rows, ...]``."""
    rows = len(array)
    flat = np.ascontiguousarray(array).reshape(rows, -1)
    width = flat.shape[1] * flat.dtype.itemsize
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = pa.py_buffer(flat.view(np.uint8).reshape(-1)) if flat.size else pa.py_buffer(b"")
    return pa.BinaryArray.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), data])


def joined(content: Messages, rows: int) -> Iterator[pa.BinaryArray]:
    """The messages of all rows in order, in arrays of at most a gigabyte."""
    lengths = np.broadcast_to(np.asarray(content.lengths, np.int64), (rows,))
    if rows > 1 and int(lengths.sum()) > _MAX_BYTES:
        half = rows // 2
        yield from joined(_sliced(content, slice(0, half)), half)
        yield from joined(_sliced(content, slice(half, rows)), rows - half)
    elif all(isinstance(piece, pa.Scalar) for piece in content.pieces):
        yield pa.array([b"".join(piece.as_py() for piece in content.pieces)] * rows, pa.binary())
    else:
        yield pc.binary_join_element_wise(*content.pieces, pa.scalar(b"", pa.binary()))


def _sliced(content: Messages, part: slice) -> Messages:
    pieces = (piece if isinstance(piece, pa.Scalar) else piece[part] for piece in content.pieces)
    lengths = content.lengths if isinstance(content.lengths, int) else content.lengths[part]
    return Messages(tuple(pieces), lengths)

"""Arrow columns to serialized tf.Examples, vectorised: no Python runs per row.

The bytes are canonical (see example_proto.py): map entries sorted by key, a null row a feature without a value
(``Feature()``), an empty list a typed empty list. tfx_bsl's encoder writes the same messages
with map entries in an order that changes from process to process, which makes its bytes useless for hashing.

How it works. Within one column, everything before the values (tags, lengths, the feature's name) depends only on the
length of the values. So a column is two binary arrays: prefixes, taken from a small table by length, and values, which
for floats and single strings are the column's own buffers. Arrow then joins all columns row by row.

Wire format: Example{features=1}, Features{map feature=1}, entry{key=1, value=2},
Feature{bytes_list=1 | float_list=2 | int64_list=3}, lists{value=1, numbers packed}.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BYTES, _FLOAT, _INT = 0x0A, 0x12, 0x1A
_MAX_ENCODED = 1 << 30  # Arrow's 32-bit offsets hold 2 GiB; stay well below


def encode_examples(batch: pa.RecordBatch) -> pa.BinaryArray:
    """Serializes every row of a batch in tf.Example form.

    Args:
        batch: columns of (large_)list of int64, float32 or (large_)binary/string, or of type null.

    Returns:
        One serialized tf.Example per row.

    Raises:
        DataError: a column has another type.
    """
    if batch.num_rows > 1 and batch.nbytes > _MAX_ENCODED // 2:
        half = batch.num_rows // 2
        parts = [encode_examples(batch.slice(0, half)), encode_examples(batch.slice(half))]
        return pa.chunked_array(parts, pa.binary()).combine_chunks()
    order = sorted(range(batch.num_columns), key=lambda i: batch.schema.names[i].encode())
    pieces: list[Any] = []
    for index in order:
        name = batch.schema.names[index]
        pieces.extend(_column_pieces(name.encode(), name, batch.column(index)))
    features = _whole(pieces, batch.num_rows)
    return _whole(
        [take_by_length(binary_lengths(features), lambda size: b"\x0a" + varint(size)), features], len(features)
    )


def is_ordered(names: Sequence[str]) -> bool:
    """Whether features are in the order in which canonical examples have them."""
    keys = [name.encode() for name in names]
    return all(before < after for before, after in itertools.pairwise(keys))


def encode_feature(column: pa.Array) -> pa.BinaryArray:
    """Serializes every row of one column as a tf.train.Feature; errors as for `encode_examples`."""
    return _whole(_column_pieces(None, "", column), len(column))


def varint(value: int) -> bytes:
    """A non-negative integer in protobuf's base-128 form."""
    # The model server has the same few lines (varints.py): it imports nothing of the framework, nor this layer of it.
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary_lengths(array: pa.BinaryArray) -> NDArray[np.int64]:
    """Bytes of each value of a binary array without nulls."""
    return np.diff(binary_offsets(array))


def binary_offsets(array: pa.Array) -> NDArray[np.int64]:
    """Offsets of a (large) binary, string or list array, honouring slices; one more than there are values."""
    wide = pa.types.is_large_binary(array.type) or pa.types.is_large_string(array.type)
    wide = wide or pa.types.is_large_list(array.type)
    buffer = array.buffers()[1]
    if buffer is None or not buffer.size:
        return np.zeros(len(array) + 1, np.int64)
    raw = np.frombuffer(buffer, np.int64 if wide else np.int32)
    return raw[array.offset : array.offset + len(array) + 1].astype(np.int64, copy=False)


def _whole(pieces: list[Any], rows: int) -> pa.BinaryArray:
    """Joins pieces, of which those that are equal in all rows are scalars."""
    if all(isinstance(piece, pa.Scalar) for piece in pieces):
        return pa.array([b"".join(piece.as_py() for piece in pieces)] * rows, pa.binary())
    return _join(pieces)


def _join(pieces: list[Any]) -> pa.BinaryArray:
    if len(pieces) == 1:
        return pieces[0]
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))


def _column_pieces(key: bytes | None, name: str, column: pa.Array) -> list[Any]:
    """What, joined, makes a map entry with this key, or without key a Feature, in every row."""
    if pa.types.is_null(column.type):
        return [pa.scalar(_entry(key, b"", 0), pa.binary())]
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise DataError(
            f"column {name!r}: expected a list of int64, float32 or binary, received type={column.type}; "
            f"convert the batch with mlops_tfx.io.columns.to_example_form"
        )
    offsets = binary_offsets(column)
    values = column.values.slice(offsets[0], offsets[-1] - offsets[0])
    offsets = offsets - offsets[0]
    if values.null_count:
        raise DataError(f"column {name!r}: expected lists without nulls inside, received {values.null_count} nulls")
    missing = np.asarray(column.is_null()) if column.null_count else None
    offsets, values = _without_null_rows(offsets, values, missing)
    value_type = column.type.value_type
    if pa.types.is_int64(value_type):
        data, ends = _varints(np.asarray(values).view(np.uint64))
        return _packed(key, _INT, data, ends[offsets], missing)
    if pa.types.is_float32(value_type):
        return _packed(key, _FLOAT, np.ascontiguousarray(values).view(np.uint8), offsets * 4, missing)
    if pa.types.is_null(value_type):
        return [_prefixes(key, b"", np.zeros(len(column), np.int64), np.ones(len(column), bool))]
    if not is_bytes(value_type):
        raise DataError(f"column {name!r}: expected int64, float32 or binary values, received type={column.type}")
    return _byte_strings(key, values, offsets, missing)


def is_bytes(data_type: pa.DataType) -> bool:
    """Whether values are byte strings or text, of either offset width."""
    types = pa.types
    binary = types.is_binary(data_type) or types.is_large_binary(data_type)
    return bool(binary or types.is_string(data_type) or types.is_large_string(data_type))


def _without_null_rows(offsets: Any, values: pa.Array, missing: NDArray[np.bool_] | None) -> tuple[Any, pa.Array]:
    # A null row may still span values; they do not count.
    if missing is None or not (counts := np.diff(offsets))[missing].any():
        return offsets, values
    keep = np.repeat(~missing, counts)
    counts = np.where(missing, 0, counts)
    return _ends(counts), values.filter(pa.array(keep))


def _ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def _varints(values: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All values in base-128 form, one after the other, and where each begins."""
    top = int(values.max()) if len(values) else 0
    if top < 0x80:
        return values.astype(np.uint8), np.arange(len(values) + 1)
    lengths = np.ones(len(values), np.int64)
    for bits in range(7, min(top.bit_length(), 64), 7):
        lengths += values >= np.uint64(1 << bits)
    ends = _ends(lengths)
    out = np.empty(ends[-1], np.uint8)
    positions = ends[:-1]
    while True:
        more = values >= np.uint64(0x80)
        out[positions] = (values & np.uint64(0x7F)).astype(np.uint8) | (more.astype(np.uint8) << 7)
        if not more.any():
            return out, ends
        values, positions = values[more] >> np.uint64(7), positions[more] + 1


def _packed(key: bytes | None, kind: int, data: NDArray[np.uint8], ends: Any, missing: Any) -> list[Any]:
    payload = _binary_array(data, ends)
    lengths = np.diff(ends)
    # An empty list has no packed field at all: `1a 00`, not `1a 02 0a 00`.
    return [_prefixes(key, bytes([kind]), lengths, missing), payload]


def _prefixes(key: bytes | None, kind: bytes, lengths: NDArray[np.int64], missing: Any) -> Any:
    def prefix(size: int) -> bytes:
        if size < 0:
            return _entry(key, b"", 0)
        head = b"\x0a" + varint(size) if size else b""
        return _entry(key, kind + varint(len(head) + size) + head, size)

    return take_by_length(lengths if missing is None else np.where(missing, -1, lengths), prefix)


def _entry(key: bytes | None, feature_head: bytes, size: int) -> bytes:
    """A map entry (or without key a Feature) up to its values, of which ``size`` bytes follow."""
    if key is None:
        return feature_head
    feature = b"\x12" + varint(len(feature_head) + size) + feature_head
    head = b"\x0a" + varint(len(key)) + key + feature
    return b"\x0a" + varint(len(head) + size) + head


def _byte_strings(key: bytes | None, values: pa.Array, offsets: NDArray[np.int64], missing: Any) -> list[Any]:
    values = values.cast(pa.binary()) if not pa.types.is_string(values.type) else values.view(pa.binary())
    lengths = binary_lengths(values)
    counts = np.diff(offsets)
    if len(values) == len(counts) and (counts == 1).all():
        return [take_by_length(lengths, lambda size: _single_string(key, size)), values]
    items = _join([take_by_length(lengths, lambda size: b"\x0a" + varint(size)), values]) if len(values) else values
    item_ends = binary_offsets(items)
    ends = item_ends[offsets]
    payload_lengths = np.diff(ends)

    def prefix(size: int) -> bytes:
        return _entry(key, b"" if size < 0 else b"\x0a" + varint(size), max(size, 0))

    heads = take_by_length(payload_lengths if missing is None else np.where(missing, -1, payload_lengths), prefix)
    return [heads, _binary_array(_data(items), ends)]


def _single_string(key: bytes | None, size: int) -> bytes:
    item = b"\x0a" + varint(size)
    return _entry(key, b"\x0a" + varint(len(item) + size) + item, size)


def _data(array: pa.BinaryArray) -> Any:
    buffer = array.buffers()[2]
    return np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)


def _binary_array(data: Any, ends: NDArray[np.int64]) -> pa.BinaryArray:
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(ends) - 1, buffers)


def take_by_length(lengths: NDArray[np.int64], make: Any) -> Any:
    """``make(length)`` for every length, made once per distinct length; a scalar when there is only one."""
    if not len(lengths):
        return pa.array([], pa.binary())
    low, high = int(lengths.min()), int(lengths.max())
    if low == high:
        return pa.scalar(make(low), pa.binary())
    if high - low < 1 << 16:
        shifted = lengths - low
        distinct = np.flatnonzero(np.bincount(shifted))
        places = np.zeros(high - low + 1, np.int32)
        places[distinct] = np.arange(len(distinct), dtype=np.int32)
        indices, sizes = places[shifted], distinct + low
    else:
        sizes, inverse = np.unique(lengths, return_inverse=True)
        indices = inverse.astype(np.int32)
    return pa.array([make(int(size)) for size in sizes], pa.binary()).take(pa.array(indices))

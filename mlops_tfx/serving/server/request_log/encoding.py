"""Columns of values as serialized tf.Examples, column by column: no Python runs per value, and little per row.

A tf.Example is a map from names to lists of one kind. In the wire format every entry of that map stands for itself,
so the entries of a column are made together, and a row is those of its columns, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise, starmap
from typing import Any

import numpy as np

from mlops_tfx.serving.server.varints import varint

# Field numbers 1, 2 and 3 with wire type 2: a length, and so many bytes.
_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"
_KINDS = {"bytes_list": _FIRST, "float_list": _SECOND, "int64_list": _THIRD}


def encode_rows(columns: Mapping[str, tuple[str, Any, Any]], rows: int) -> list[bytes]:
    """Returns serialized tf.Examples.

    Args:
        columns: feature -> kind (``bytes_list``, ``float_list``, ``int64_list``), values of all rows one after the
            other, and offsets ``[rows + 1]`` of the rows among them. A row without values does not get the feature.
        rows: how many.
    """
    entries = [_entries(name, *column) for name, column in columns.items()]
    bodies = map(b"".join, zip(*entries, strict=True)) if entries else [b""] * rows
    return [_FIRST + varint(len(body)) + body for body in bodies]


def _entries(name: str, kind: str, values: Any, offsets: Any) -> list[bytes]:
    payloads = _PAYLOADS[kind](values, offsets)
    tag, key = _KINDS[kind], name.encode()
    key = _FIRST + varint(len(key)) + key
    heads: dict[int, bytes] = {0: b""}

    def head(length: int) -> bytes:
        # Numbers are packed into one field of their list; strings are fields of their own already.
        inner = _FIRST + varint(length) if kind != "bytes_list" else b""
        feature = tag + varint(len(inner) + length) + inner
        entry = key + _SECOND + varint(len(feature) + length) + feature
        return _FIRST + varint(len(entry) + length) + entry

    for length in set(map(len, payloads)) - {0}:
        heads[length] = head(length)
    return [heads[len(payload)] + payload for payload in payloads]


def _floats(values: Any, offsets: Any) -> list[bytes]:
    return _cut(np.ascontiguousarray(values, "<f4").tobytes(), offsets * 4)


def _integers(values: Any, offsets: Any) -> list[bytes]:
    """Varints: seven bits a byte, the lowest first, the highest bit says that more follow; negative ones take ten."""
    rest = np.ascontiguousarray(values, np.int64).view(np.uint64)
    parts = np.empty([len(rest), 10], np.uint8)
    for index in range(10):
        parts[:, index] = rest & np.uint64(0x7F)
        rest = rest >> np.uint64(7)
    used = parts != 0
    used[:, 0] = True
    # Up to the last part that is not zero.
    used = np.flip(np.logical_or.accumulate(np.flip(used, 1), 1), 1)
    parts[:, :-1] += np.uint8(0x80) * used[:, 1:]
    ends = np.concatenate([[0], np.cumsum(used.sum(1))])
    return _cut(parts[used].tobytes(), ends[offsets])


def _strings(values: Any, offsets: Any) -> list[bytes]:
    found = values.tolist()
    heads = {length: _FIRST + varint(length) for length in set(map(len, found))}
    fields = [heads[len(value)] + value for value in found]
    if len(fields) == len(offsets) - 1 and (np.diff(offsets) == 1).all():
        return fields
    return [b"".join(fields[begin:end]) for begin, end in pairwise(offsets.tolist())]


_PAYLOADS: dict[str, Callable[[Any, Any], list[bytes]]] = {
    "bytes_list": _strings,
    "float_list": _floats,
    "int64_list": _integers,
}


def _cut(data: bytes, offsets: Any) -> list[bytes]:
    return [data[part] for part in starmap(slice, pairwise(offsets.tolist()))]

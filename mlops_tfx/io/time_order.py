"""Splits in order of a feature, such as a time: the oldest rows are the first split, the newest the last.

The rows are read twice. The first pass writes the values of the feature, as byte strings that sort as the values do, to
a temporary file; where the splits part is then found by counting, two bytes of the value at a time. So memory does not
grow with the number of rows, and the answer is exact. The second pass compares every row with these values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io.partition import Partition, feature_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_tfx.io.rows import Rows

_LONGEST = 256
_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class _Cut:
    """Rows whose key is below ``key``, or equal to it if ``included``, are in the splits before the cut."""

    key: bytes
    included: bool


def fit(partition: Partition, batches: Iterable[Rows], path: str) -> OrderedPartition:
    """Returns the partition that divides these rows in the order of ``partition.order_by``.

    Args:
        partition: the splits and their shares, oldest first.
        batches: all rows, in any order.
        path: a file that may be written.

    Raises:
        DataError: a row has no value, several values, or none that can be ordered, or a split would have no row.
    """
    fitted = OrderedPartition(partition)
    total, width = 0, 1
    with filesystem.open(path, "wb") as file:
        for rows in batches:
            keys = fitted.keys(rows)
            np.save(file, keys, allow_pickle=False)
            total, width = total + len(keys), max(width, keys.dtype.itemsize)
    fitted.find_cuts(path, total, width)
    filesystem.remove_tree(path)
    return fitted


class OrderedPartition(Partition):
    """Divides rows in the order of a feature, in the ratio of the buckets; made by `fit`.

    Rows with one value stay in one split, so the ratio is met as closely as the values allow. The feature is one
    integer, float or byte string (at most 256 bytes, such as ``2024-02-29T12:00``) per row.
    """

    def __init__(self, partition: Partition) -> None:
        super().__init__(list(zip(partition.names, partition.shares, strict=True)), order_by=partition.order_by)
        self._cuts: list[_Cut] = []
        self._kind = ""

    def find_cuts(self, path: str, total: int, width: int) -> None:
        """Finds where the splits part, from the keys in a file."""
        ends = list(itertools.accumulate(self.shares))
        before = 0
        for name, end in zip(self.names, ends[:-1], strict=False):
            wanted = max(1, round(total * end / ends[-1]))
            key, less, equal = _select(path, wanted, width)
            # The rows of one value stay together, on the side that is nearer to the ratio.
            included = less + equal - wanted <= wanted - less
            after = less + equal if included else less
            self._check_share(name, after - before)
            self._cuts.append(_Cut(key, included))
            before = after
        self._check_share(self.names[-1], total - before)

    def _check_share(self, name: str, rows: int) -> None:
        if rows < 1:
            raise DataError(
                f"order_by: expected enough different values of {self.order_by!r} to give every split a row, received "
                f"so few that split {name!r} would be empty; order by a finer feature, or divide by hash"
            )

    def assign(self, rows: Rows) -> NDArray[np.int64]:
        """Returns the position of every row's split; errors as for `fit`."""
        keys = self.keys(rows)
        split = np.zeros(len(keys), np.int64)
        for cut in self._cuts:
            above, equal = _compare(keys, cut.key)
            split += above if cut.included else above | equal
        return split

    def keys(self, rows: Rows) -> NDArray[Any]:
        """Byte strings that sort as the values of the rows do."""
        name = str(self.order_by)
        column = feature_column(rows.batch, name, "rows are ordered")
        if len(column) and not np.all(np.asarray(pa.compute.list_value_length(column)) == 1):
            raise DataError(f"column {name!r}: expected one value per row, because rows are ordered by it")
        values = column.flatten()
        kind = str(values.type) if str(values.type) in ("int64", "float") else "bytes"
        self._kind = self._kind or kind
        if kind != self._kind:
            raise DataError(f"column {name!r}: expected values of one type, received {self._kind} and {kind}")
        if kind == "bytes":
            return _bytes_keys(name, values)
        numbers = np.asarray(values)
        return _integer_keys(numbers) if kind == "int64" else _float_keys(name, numbers)


def _compare(keys: NDArray[Any], key: bytes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which keys are above a key, and which equal it. NumPy's own comparison takes bytes for signed."""
    words = -(-max(keys.dtype.itemsize, len(key)) // 8)
    own = keys.astype(f"S{words * 8}").view(">u8").reshape(-1, words)
    other = np.frombuffer(key.ljust(words * 8, b"\0"), ">u8")
    above, equal = np.zeros(len(keys), np.bool_), np.ones(len(keys), np.bool_)
    for index in range(words):
        above |= equal & (own[:, index] > other[index])
        equal &= own[:, index] == other[index]
    return above, equal


def _integer_keys(values: NDArray[Any]) -> NDArray[Any]:
    return (values.astype(np.int64).view(np.uint64) ^ _SIGN).astype(">u8").view("S8")


def _float_keys(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if np.isnan(values).any():
        raise DataError(f"column {name!r}: expected numbers to order rows by, received nan")
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)  # adding zero makes -0.0 the same as 0.0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(">u8").view("S8")


def _bytes_keys(name: str, values: pa.Array) -> NDArray[Any]:
    longest = pa.compute.max(pa.compute.binary_length(values)).as_py() or 1
    if longest > _LONGEST:
        raise DataError(f"column {name!r}: expected at most {_LONGEST} bytes to order rows by, received {longest}")
    return np.array(values.to_pylist(), dtype=f"S{longest}")


def _chunks(path: str) -> Iterator[NDArray[Any]]:
    with filesystem.open(path, "rb") as file:
        while _more(file):
            yield np.load(file, allow_pickle=False)


def _more(file: IO[bytes]) -> bool:
    place = file.tell()
    found = bool(file.read(1))
    file.seek(place)
    return found


def _select(path: str, rank: int, width: int) -> tuple[bytes, int, int]:
    """The key of a rank (from 1), how many keys are less, and how many are equal to it."""
    prefix, less, equal = b"", 0, 0
    for position in range(0, width, 2):
        counts = np.zeros(1 << 16, np.int64)
        for keys in _chunks(path):
            counts += np.bincount(_words(keys, prefix, position), minlength=1 << 16)
        ends = np.cumsum(counts)
        word = int(np.searchsorted(ends, rank - less))
        equal = int(counts[word])
        less += int(ends[word]) - equal
        prefix += word.to_bytes(2, "big")
    return prefix.rstrip(b"\0"), less, equal


def _words(keys: NDArray[Any], prefix: bytes, position: int) -> NDArray[np.int64]:
    """Two bytes of every key that begins with the prefix, as a number."""
    width = max(keys.dtype.itemsize, position + 2)
    raw = keys.astype(f"S{width}").view(np.uint8).reshape(-1, width)
    matching = (raw[:, :position] == np.frombuffer(prefix, np.uint8)).all(axis=1)
    chosen = raw[matching, position : position + 2].astype(np.int64)
    return chosen[:, 0] * 256 + chosen[:, 1]

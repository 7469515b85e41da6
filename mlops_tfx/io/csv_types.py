"""Types of CSV columns: TFX's rule, applied to whole columns.

A cell is INT if Python's ``int`` takes it and it fits into 64 bits, else FLOAT if ``float`` takes it, else STRING; a
whole number beyond 64 bits is a STRING. A column has the widest type of its cells; empty cells do not count. Arrow
checks whole columns in C++; only where it refuses are cells looked at one by one, each different one once.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ColumnType(enum.IntEnum):
    """Types in the order in which they widen."""

    EMPTY = -1
    INT = 0
    FLOAT = 1
    STRING = 2


class ColumnInference:
    """Learns the type of one column from one batch of cells after the other.

    Attributes:
        type: the type so far.
        plain: whether Arrow's own parser reads all cells, or some need Python's (``+5``, ``1_000``, ``' 7'``).
    """

    def __init__(self) -> None:
        self.type = ColumnType.EMPTY
        self.plain = True

    def add(self, cells: pa.StringArray) -> None:
        """Takes a batch of cells; empty ones are null."""
        if self.type is ColumnType.STRING or cells.null_count == len(cells):
            return
        if cells.null_count:
            cells = cells.drop_null()
        found, plain = _infer(cells)
        self.plain = self.plain and plain
        self.type = max(self.type, found)


def cell_type(cell: bytes) -> ColumnType:
    """The type of one cell, by TFX's rule."""
    if not cell:
        return ColumnType.EMPTY
    try:
        value = int(cell)
    except ValueError:
        return ColumnType.FLOAT if _is_float(cell) else ColumnType.STRING
    return ColumnType.INT if -(1 << 63) <= value < 1 << 63 else ColumnType.STRING


def _is_float(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parse_cells(cells: pa.StringArray, column_type: ColumnType) -> pa.Array:
    """Parses cells as Python would, each different one once; null stays null."""
    encoded = cells.dictionary_encode()
    if column_type is ColumnType.INT:
        values = pa.array([int(cell.encode()) for cell in encoded.dictionary.to_pylist()], pa.int64())
    else:
        values = pa.array([float(cell.encode()) for cell in encoded.dictionary.to_pylist()], pa.float64())
    return values.take(encoded.indices)


def to_float32(values: pa.DoubleArray) -> pa.FloatArray:
    """Rounds to float32; what is too large becomes infinite, as in protobuf."""
    with np.errstate(over="ignore", invalid="ignore"):
        return pa.array(np.asarray(values).astype(np.float32))


def _infer(cells: pa.StringArray) -> tuple[ColumnType, bool]:
    """The type of a batch without nulls, and whether Arrow parses it as Python would."""
    # A cast that fails is slow: Arrow goes on to the end, and words an error for every cell. A few cells mostly tell.
    widest = max(cell_type(cells[place].as_py().encode()) for place in (0, len(cells) // 2, -1))
    if widest is ColumnType.STRING:
        return ColumnType.STRING, False
    # Arrow also takes hexadecimal integers and nan(...), which Python does not.
    text = _bytes_of(cells)
    hexadecimal = b"x" in text or b"X" in text
    if widest is ColumnType.INT and not hexadecimal and _casts(cells, pa.int64()):
        return ColumnType.INT, True
    numbers = None if hexadecimal or b"(" in text else _cast(cells, pa.float64())
    if numbers is not None and not _has_long_integers(cells, numbers):
        return ColumnType.FLOAT, True
    return _infer_one_by_one(cells), False


def _has_long_integers(cells: pa.StringArray, numbers: pa.DoubleArray) -> bool:
    large = np.flatnonzero(np.abs(np.asarray(numbers)) >= 2.0**63)
    return any(cell_type(cells[int(i)].as_py().encode()) is ColumnType.STRING for i in large)


def _infer_one_by_one(cells: pa.StringArray) -> ColumnType:
    widest = ColumnType.EMPTY
    for cell in cells.unique().to_pylist():
        widest = max(widest, cell_type(cell.encode()))
        if widest is ColumnType.STRING:
            break
    return widest


def _casts(cells: pa.StringArray, target: pa.DataType) -> bool:
    return _cast(cells, target) is not None


def _cast(cells: pa.StringArray, target: pa.DataType) -> Any:
    try:
        return pc.cast(cells, target)
    except pa.ArrowInvalid:
        return None


def _bytes_of(cells: pa.StringArray) -> bytes:
    buffer = cells.buffers()[2]
    return buffer.to_pybytes() if buffer is not None else b""

"""Decodes many blocks of an Avro file at once with numpy: the first record of every block, then the second, and so on.

Where a record begins is known only when the one before it has been read, but blocks are independent. So there is one
position per block, and each step (a branch of a union, a length, a number) is one numpy operation over all blocks. With
a few hundred blocks that is several times as fast as fastavro. Only where values are is noted on the way; the values
themselves are taken out in bulk at the end.

It works for records of numbers, booleans, text, bytes, fixed and enums, each possibly null; whatever else, and damaged
data, raises IrregularError, and fastavro decodes the blocks, or says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.io.lockstep import IrregularError
from mlops_tfx.io.tfrecord import cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_tfx.io.avro_file import Block
    from mlops_tfx.io.avro_schema import Field, RecordSchema

    Positions = NDArray[np.int64]

FEWEST_BLOCKS = 16  # with fewer, fastavro is as fast
_PADDING = b"\0" * 16  # so that words that begin at the last byte can be read
_MOST_WASTE = 4  # blocks differ in their records; so many times the room they need may be taken
_LOW_7 = np.uint64(0x7F)
_HIGH_BITS = np.uint64(0x8080808080808080)
_SIZES = {"boolean": 1, "float": 4, "double": 8}
_FIXED = ("null", "boolean", "float", "double", "fixed")
_PLAIN = ("null", "boolean", "int", "long", "float", "double", "bytes")


@dataclass(frozen=True)
class _Plan:
    """How one field is read: its type, and the union branch that is null, if any."""

    name: str
    kind: str
    size: int = 0
    symbols: tuple[str, ...] = ()
    null_branch: int | None = None
    branches: int = 1


def decode(blocks: Sequence[Block], schema: RecordSchema) -> list[pa.Array]:
    """Returns one array per field, in the field's storage type, with the records of all blocks in order.

    Raises:
        IrregularError: the blocks need a general decoder.
    """
    plans = [_plan(field) for field in schema.fields]
    counts = np.array([block.count for block in blocks])
    rows = int(counts.sum())
    if len(blocks) * int(counts.max()) > _MOST_WASTE * rows or not plans:
        raise IrregularError
    if any(block.count > len(block.data) for block in blocks):  # a damaged number, or records without bytes
        raise IrregularError
    # Blocks with more records first: those that still have one are then always the first ones.
    by_count = np.argsort(-counts, kind="stable")
    lanes = _Lanes([blocks[index].data for index in by_count], counts[by_count])
    try:
        notes = lanes.walk(plans)
    except IndexError as error:  # a length leads out of the data
        raise IrregularError from error
    lane_of_block = np.argsort(by_count)
    row_in_block = np.arange(rows) - np.repeat(np.cumsum(counts) - counts, counts)
    order = row_in_block * len(blocks) + np.repeat(lane_of_block, counts)
    # Pieces are cut in the order in which they lie in the data.
    rank = np.argsort(np.repeat(lane_of_block, counts), kind="stable")
    columns = zip(plans, notes, schema.fields, strict=True)
    return [_column(lanes, plan, note, field, order, rank) for plan, note, field in columns]


def _plan(field: Field) -> _Plan:
    wire = field.wire
    if not isinstance(wire, list):
        return _single(field.name, wire)
    others = [branch for branch in wire if branch != "null"]
    if len(others) != 1 or len(wire) > 2:
        raise IrregularError
    single = _single(field.name, others[0])
    null_branch = wire.index("null") if len(wire) == 2 else None
    return _Plan(single.name, single.kind, single.size, single.symbols, null_branch, len(wire) + 1)


def _single(name: str, wire: Any) -> _Plan:
    if isinstance(wire, str):
        if wire not in _PLAIN:
            raise IrregularError
        return _Plan(name, wire, _SIZES.get(wire, 0))
    if wire.get("logicalType") is not None or wire["type"] not in ("fixed", "enum"):
        raise IrregularError
    return _Plan(name, wire["type"], wire.get("size", 0), tuple(wire.get("symbols", ())))


class _Note:
    """Where the values of one field are, by step and lane: first byte, number of bytes, whether there is one."""

    def __init__(self, shape: tuple[int, int], plan: _Plan) -> None:
        self.start = np.zeros(shape, np.int32)
        self.size = None if plan.kind in _FIXED else np.zeros(shape, np.int32)
        self.present = None if plan.null_branch is None else np.zeros(shape, np.bool_)


class _Lanes:
    """One position per block."""

    def __init__(self, data: Sequence[bytes], counts: NDArray[np.int64]) -> None:
        self.data = b"".join(data)
        if len(self.data) >= 1 << 30:
            raise IrregularError
        padded = self.data + _PADDING
        sizes = np.array([len(piece) for piece in data])
        self.counts = counts
        self.stops = np.cumsum(sizes)
        self.position = self.stops - sizes
        self.raw = np.frombuffer(padded, np.uint8)
        self.words: NDArray[np.uint64] = np.ndarray(len(self.data) + 8, "<u8", padded, strides=(1,))

    def walk(self, plans: Sequence[_Plan]) -> list[_Note]:
        """Goes through all records of all blocks, which must end where their blocks do."""
        shape = (int(self.counts[0]), len(self.counts))
        notes = [_Note(shape, plan) for plan in plans]
        left = np.searchsorted(-self.counts, -np.arange(shape[0]), side="left").tolist()
        for step, lanes in enumerate(left):
            position = self.position[:lanes].copy()
            for plan, note in zip(plans, notes, strict=True):
                position = self._field(plan, note, step, position)
            _expect((position <= self.stops[:lanes]).all())
            self.position[:lanes] = position
        _expect(np.array_equal(self.position, self.stops))
        return notes

    def _field(self, plan: _Plan, note: _Note, step: int, position: Positions) -> Positions:
        lanes = len(position)
        if plan.branches == 1:
            return self._value(plan, note, (step, slice(0, lanes)), position)
        branch = self.raw[position]
        position = position + 1
        if plan.null_branch is None:
            _expect(not branch.any())
            return self._value(plan, note, (step, slice(0, lanes)), position)
        assert note.present is not None
        present = branch != 2 * plan.null_branch
        _expect((branch[present] == 2 * (1 - plan.null_branch)).all())
        note.present[step, :lanes] = present
        chosen = np.flatnonzero(present)
        if len(chosen) == lanes:
            return self._value(plan, note, (step, slice(0, lanes)), position)
        if len(chosen):
            position[chosen] = self._value(plan, note, (step, chosen), position[chosen])
        return position

    def _value(self, plan: _Plan, note: _Note, place: Any, position: Positions) -> Positions:
        """Notes where the values begin that lie here; returns the positions behind them."""
        if note.size is None:
            note.start[place] = position
            return position + plan.size
        size = self._varint_size(position)
        if plan.kind != "bytes":
            note.start[place] = position
            note.size[place] = size
            after: Positions = position + size
            return after
        length: Positions = self.numbers(position, size)
        _expect((length >= 0).all() and (length < 1 << 30).all())
        position = position + size
        note.start[place] = position
        note.size[place] = length
        return position + length

    def _varint_size(self, position: Positions) -> Any:
        """Bytes of the number at each position; 1 if all are that short."""
        if (self.raw[position] < 0x80).all():
            return 1
        ends = ~self.words[position] & _HIGH_BITS
        lowest = ends & (~ends + np.uint64(1))
        # The exponent of a power of two is the number of its bit: 7 for the first byte, 15 for the second ...
        size = ((lowest.astype(np.float64).view(np.int64) >> 52) - 1022) >> 3
        long = np.flatnonzero(ends == 0)
        if len(long):
            after = position[long] + 8
            size[long] = np.where(self.raw[after] < 0x80, 9, 10)
            tenth = long[size[long] == 10]
            _expect((self.raw[position[tenth] + 9] <= 1).all())
        return size

    def numbers(self, position: Positions, size: Any) -> Positions:
        """The numbers at the positions, of which the sizes are known."""
        if isinstance(size, int):
            values = self.raw[position].astype(np.uint64)
        else:
            values = self._long_numbers(position, size)
        return ((values >> np.uint64(1)) ^ (~(values & np.uint64(1)) + np.uint64(1))).view(np.int64)

    def _long_numbers(self, position: Positions, size: Positions) -> NDArray[np.uint64]:
        words = self.words[position]
        values = words & _LOW_7
        for index in range(1, min(int(size.max(initial=1)), 8)):
            piece = ((words >> np.uint64(8 * index)) & _LOW_7) << np.uint64(7 * index)
            values |= np.where(size > index, piece, np.uint64(0))
        for index in (8, 9):
            longer = np.flatnonzero(size > index)
            if len(longer):
                piece = self.raw[position[longer] + index].astype(np.uint64) & _LOW_7
                values[longer] |= piece << np.uint64(7 * index)
        return values


def _expect(regular: bool | np.bool_) -> None:
    if not regular:
        raise IrregularError


def _column(lanes: _Lanes, plan: _Plan, note: _Note, field: Field, order: Positions, rank: Positions) -> pa.Array:
    present = None if note.present is None else note.present.reshape(-1)[order]
    if plan.kind == "null":
        return pa.nulls(len(order))
    start = note.start.reshape(-1)[order].astype(np.int64)
    size = None if note.size is None else note.size.reshape(-1)[order].astype(np.int64)
    if present is not None and present.all():
        present = None
    if plan.kind in ("bytes", "fixed"):
        lengths = np.full(len(start), plan.size) if size is None else size
        return _pieces(lanes.data, start, lengths, rank, present)
    if present is None:
        values, mask = _numbers(lanes, plan, start, size), None
    else:
        # In the place of what is not there, the first number of the data is read, and replaced by zero.
        size = None if size is None else np.where(present, size, 1)
        values = _numbers(lanes, plan, np.where(present, start, 0), size)
        values, mask = np.where(present, values, values.dtype.type(0)), ~present
    try:
        array = pa.array(values, mask=mask)
        if plan.kind == "enum":
            return pa.array(plan.symbols, pa.string()).cast(pa.large_binary()).take(array)
        return array.cast(field.storage)
    except pa.ArrowException as error:  # no such symbol, or an int of more than 32 bits
        raise IrregularError from error


def _numbers(lanes: _Lanes, plan: _Plan, start: Positions, size: Any) -> Any:
    if plan.kind == "boolean":
        values = lanes.raw[start]
        return values != 0
    if plan.kind == "double":
        return lanes.words[start].view(np.float64)
    if plan.kind == "float":
        return (lanes.words[start] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
    return lanes.numbers(start, size)


def _pieces(
    data: bytes, start: Positions, size: Positions, rank: Positions, present: NDArray[np.bool_] | None
) -> pa.Array:
    if present is not None:
        start, size = np.where(present, start, 0), np.where(present, size, 0)
    # In the order of lanes pieces lie one behind the other; those that are not there have no bytes anywhere.
    ranked = start[rank] if present is None else np.maximum.accumulate(start[rank])
    values = cut(data, ranked, ranked + size[rank])
    back = np.empty(len(rank), np.int64)
    back[rank] = np.arange(len(rank))
    return values.take(pa.array(back, mask=None if present is None else ~present))

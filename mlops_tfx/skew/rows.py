"""The rows that are sent through all paths: drawn from the examples, or made from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import tfrecord, wire
from mlops_tfx.io.columns import concat
from mlops_tfx.io.decode import Decoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_tfx.artifacts import Examples

SAMPLED, SYNTHESISED = "sampled", "synthesised"
_BLOCK_ROWS, _BLOCK_BYTES = 20_000, 32 << 20
_SHOWN_VALUES = 8
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class RowSet:
    """Some rows.

    Attributes:
        origin: SAMPLED or SYNTHESISED.
        batch: the rows in tf.Example form.
        names: what each is called in the report.
        records: the rows as serialized tf.Examples, if they were read as such.
    """

    origin: str
    batch: pa.RecordBatch
    names: tuple[str, ...]
    records: pa.BinaryArray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def serialized(self) -> pa.BinaryArray:
        """Serialized tf.Examples: those of the file, where there is one."""
        return self.records if self.records is not None else wire.encode_examples(self.batch)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> RowSet:
        """Returns some of the rows."""
        places = pa.array(np.asarray(rows, np.int64))
        columns = [column.take(places) for column in self.batch.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=self.batch.schema)
        records = None if self.records is None else self.records.take(places)
        return RowSet(self.origin, batch, tuple(self.names[row] for row in rows), records)

    def without(self, features: Sequence[str]) -> RowSet:
        """Returns the rows without some features."""
        kept = [name for name in self.batch.schema.names if name not in features]
        if len(kept) == len(self.batch.schema.names):
            return self
        columns = [self.batch.column(self.batch.schema.get_field_index(name)) for name in kept]
        return RowSet(self.origin, pa.RecordBatch.from_arrays(columns, kept), self.names)

    def show(self, row: int) -> dict[str, Any]:
        """Returns the features of a row for people: long lists and texts are cut, bytes are escaped."""
        values = {name: column[row].as_py() for name, column in
                  zip(self.batch.schema.names, self.batch.columns, strict=True)}  # fmt: skip
        return {name: _shown(value) for name, value in values.items()}


def _shown(values: list[Any] | None) -> Any:
    if values is None:
        return None
    shown = [shown_value(value) for value in values[:_SHOWN_VALUES]]
    return [*shown, f"... {len(values)} values"] if len(values) > _SHOWN_VALUES else shown


def shown_value(value: Any) -> Any:
    """Returns a value as JSON has it: bytes as escaped text, NaN and infinities by name."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
        size = f"... {len(value):,} bytes"
        return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + size
    if isinstance(value, np.floating):
        # The shortest digits that give this float32 again.
        value = float(str(value))
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


@dataclass(frozen=True)
class Sample:
    """Rows drawn from some splits.

    Attributes:
        rows: the rows, in the order of the data.
        places: split and number in the split of each.
        counts: rows of each split.
    """

    rows: RowSet
    places: tuple[tuple[str, int], ...]
    counts: dict[str, int]


def draw(examples: Sequence[Examples], splits: Sequence[str], size: int, seed: int) -> Sample:
    """Draws rows, the same ones for the same seed: as many of each split, every row of a split equally likely.

    What a small split lacks, the others have more.

    Raises:
        DataError: the rows are no tf.Examples, or there are none.
    """
    drawn = {split: _draw_split(examples, split, size, np.random.default_rng([seed, index]))
             for index, split in enumerate(splits)}  # fmt: skip
    counts = {split: count for split, (_, count) in drawn.items()}
    parts: list[RowSet] = []
    places: list[tuple[str, int]] = []
    for split, quota in _quotas(counts, size).items():
        kept, _ = _smallest(drawn[split][0], quota)
        for piece in kept if quota else ():
            names = tuple(f"row {number} of split {split!r}" for number in piece.numbers)
            parts.append(RowSet(SAMPLED, piece.content.batch, names, piece.content.records))
            places += [(split, int(number)) for number in piece.numbers]
    if not parts:
        where = " and ".join(artifact.recorded_uri for artifact in examples)
        raise DataError(f"expected rows in splits {list(splits)!r} of the examples at {where}, found none")
    return Sample(_joined(parts), tuple(places), counts)


def _quotas(counts: dict[str, int], size: int) -> dict[str, int]:
    """How many rows of each split, in the order of the splits: the smallest first takes its share, or all it has."""
    quotas, left = dict.fromkeys(counts, 0), size
    by_size = sorted(counts, key=lambda split: counts[split])
    for index, split in enumerate(by_size):
        quotas[split] = min(counts[split], -(-left // (len(by_size) - index)))
        left -= quotas[split]
    return quotas


def _draw_split(
    examples: Sequence[Examples], split: str, size: int, random: np.random.Generator
) -> tuple[list[_Piece], int]:
    """The rows with the smallest of random numbers, ``size`` or somewhat more, and how many rows there are."""
    kept: list[_Piece] = []
    count, limit = 0, 1.0
    for block in _blocks(examples, split):
        drawn = random.random(block.rows)
        chosen = np.flatnonzero(drawn < limit)
        if len(chosen):
            kept.append(_Piece(block.take(chosen), drawn[chosen], count + chosen))
        count += block.rows
        if sum(len(piece.draws) for piece in kept) > 4 * max(size, 64):
            kept, limit = _smallest(kept, size)
    return _smallest(kept, size)[0], count


@dataclass(frozen=True)
class _Content:
    batch: pa.RecordBatch
    records: pa.BinaryArray | None

    def take(self, rows: NDArray[np.int64]) -> _Content:
        places = pa.array(rows)
        columns = [column.take(places) for column in self.batch.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=self.batch.schema)
        return _Content(batch, None if self.records is None else self.records.take(places))


@dataclass(frozen=True)
class _Piece:
    content: _Content
    draws: NDArray[np.float64]
    numbers: NDArray[np.int64]


def _smallest(pieces: list[_Piece], size: int) -> tuple[list[_Piece], float]:
    """The pieces with the ``size`` smallest draws only, and the largest of these."""
    draws = np.concatenate([piece.draws for piece in pieces]) if pieces else np.zeros(0)
    if len(draws) <= size:
        return pieces, 1.0
    limit = float(np.partition(draws, size - 1)[size - 1]) if size else -1.0
    kept = []
    for piece in pieces:
        rows = np.flatnonzero(piece.draws <= limit)
        if len(rows):
            kept.append(_Piece(piece.content.take(rows), piece.draws[rows], piece.numbers[rows]))
    return kept, limit


@dataclass(frozen=True)
class _Block:
    """Rows of a file, of which only those that are taken are decoded."""

    content: tfrecord.RecordBlock | pa.RecordBatch
    where: str

    @property
    def rows(self) -> int:
        return len(self.content) if isinstance(self.content, tfrecord.RecordBlock) else int(self.content.num_rows)

    def take(self, rows: NDArray[np.int64]) -> _Content:
        if not isinstance(self.content, tfrecord.RecordBlock):
            return _Content(self.content, None).take(rows)
        block = self.content
        records = [block.data[block.starts[row] : block.stops[row]] for row in rows]
        return _Content(Decoder().decode_records(records, self.where), pa.array(records, pa.binary()))


def _blocks(examples: Sequence[Examples], split: str) -> Iterator[_Block]:
    for shard in examples_io.list_shards(examples, split):
        if shard.payload not in ("FORMAT_TF_EXAMPLE", "FORMAT_PARQUET"):
            raise DataError(
                f"{shard.uri}: expected tf.Examples or Parquet, received payload_format={shard.payload!r}, whose rows "
                "a model server cannot be asked about as tf.Examples"
            )
        if shard.file_format == examples_io.PARQUET:
            yield from (_Block(batch, shard.uri) for batch in examples_io.read_shard(shard))
            continue
        for block in tfrecord.read_blocks(shard.uri, max_rows=_BLOCK_ROWS, max_bytes=_BLOCK_BYTES):
            yield _Block(block, shard.uri)


def read_places(
    examples: Sequence[Examples], places: Sequence[tuple[str, int]]
) -> tuple[pa.RecordBatch | None, dict[str, int]]:
    """Returns the rows at some places, in the order of the splits and of the data, and how many each split has.

    The rows are None if a split ends before one of its places.
    """
    parts: list[pa.RecordBatch] = []
    counts: dict[str, int] = {}
    for split in dict.fromkeys(split for split, _ in places):
        wanted = np.array([number for name, number in places if name == split], np.int64)
        counts[split] = 0
        for block in _blocks(examples, split):
            here = wanted[(wanted >= counts[split]) & (wanted < counts[split] + block.rows)] - counts[split]
            if len(here):
                parts.append(block.take(here).batch)
            counts[split] += block.rows
    found = sum(part.num_rows for part in parts)
    return (concat(parts) if found == len(places) else None), counts


def _joined(parts: Sequence[RowSet]) -> RowSet:
    if len(parts) == 1:
        return parts[0]
    records = [part.records for part in parts if part.records is not None]
    names = tuple(name for part in parts for name in part.names)
    whole = pa.concat_arrays(records) if len(records) == len(parts) else None
    return RowSet(parts[0].origin, concat([part.batch for part in parts]), names, whole)

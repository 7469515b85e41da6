"""Reads a shard in batches that are bounded by rows and by bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from mlops_tfx.io import decode, sequences, tfrecord, views, wire
from mlops_tfx.io.examples import PARQUET, Shard, read_shard

if TYPE_CHECKING:
    import pyarrow as pa


class Batch:
    """Some rows, as serialized records and as columns; what is not there is made when it is asked for.

    Attributes:
        where: file and rows, for messages.
    """

    def __init__(self, content: tfrecord.RecordBlock | pa.RecordBatch, shard: Shard, first: int) -> None:
        self._content = content
        self._shard = shard
        rows = len(content) if isinstance(content, tfrecord.RecordBlock) else content.num_rows
        self._rows = int(rows)
        self.where = f"{shard.uri}, rows {first} to {first + self._rows - 1}"

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def records(self) -> pa.BinaryArray:
        """The serialized records, byte for byte those of the file; of Parquet, tf.Examples of the rows."""
        if isinstance(self._content, tfrecord.RecordBlock):
            return self._content.array()
        return wire.encode_examples(self._content)

    @property
    def payload(self) -> str:
        """What the records are, such as ``FORMAT_TF_EXAMPLE``; of Parquet, tf.Examples are made."""
        return "FORMAT_TF_EXAMPLE" if self._shard.file_format == PARQUET else self._shard.payload

    @cached_property
    def columns(self) -> pa.RecordBatch:
        """The rows in tf.Example form, through the view of the data if there is one. DataError for records without."""
        if not isinstance(self._content, tfrecord.RecordBlock):
            return self._content
        if self._shard.view is not None:
            return views.ViewDecoder(self._shard.view).decode(self._content, self._shard.uri)
        if self._shard.payload == "FORMAT_TF_SEQUENCE_EXAMPLE":
            return sequences.SequenceDecoder().decode(self._content, self._shard.uri)
        if self._shard.payload == "FORMAT_PROTO":
            return decode.RawDecoder().decode(self._content, self._shard.uri)
        return decode.Decoder().decode(self._content, self._shard.uri)


def read_in_batches(shard: Shard, max_rows: int, max_bytes: int) -> Iterator[Batch]:
    """Reads a shard in order. A batch ends at ``max_rows`` rows or ``max_bytes`` bytes; it has at least one row."""
    if shard.file_format != PARQUET:
        for block in tfrecord.read_blocks(shard.uri, max_rows=max_rows, max_bytes=max_bytes):
            yield Batch(block, shard, block.first)
        return
    first = 0
    for table in read_shard(shard, batch_rows=max_rows):
        step = max(1, int(table.num_rows * max_bytes / max(table.nbytes, 1)))
        for start in range(0, table.num_rows, step):
            part = table.slice(start, step)
            yield Batch(part, shard, first)
            first += part.num_rows

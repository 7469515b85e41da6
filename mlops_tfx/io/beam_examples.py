"""Examples in Beam pipelines: the elements are shards, which the workers expand to record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import pyarrow as pa

from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.ahead import ahead

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples


class ReadExamples(beam.PTransform):
    """Reads a split as a PCollection of Arrow record batches in tf.Example form.

    Only file names travel through the pipeline graph; rows are read where they are needed.

    Args:
        examples: one or several Examples artifacts.
        split: name of the split.
        schema: a tensorflow_metadata Schema; then exactly its features, in its order and types.
        columns: only these features.
        batch_rows: rows of a batch at most.

    Raises:
        ArtifactError: there is no such split, or it has no files.
    """

    def __init__(
        self,
        examples: Examples | Sequence[Examples],
        split: str,
        schema: Any = None,
        columns: Sequence[str] | None = None,
        batch_rows: int = examples_io.BATCH_ROWS,
    ) -> None:
        super().__init__()
        self._shards = examples_io.list_shards(examples, split)
        self._read = _ReadShard(None if schema is None else schema.SerializeToString(), columns, batch_rows)

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform to a pipeline."""
        # Grouping by number spreads shards over the workers, like Reshuffle, but always in the same order.
        numbered = pipeline | "Shards" >> beam.Create(list(enumerate(self._shards)), reshuffle=False)
        shards = numbered | "Spread" >> beam.GroupByKey() | "Shard" >> beam.FlatMapTuple(lambda number, group: group)
        return shards | "Read" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)


class _ReadShard(beam.DoFn):
    def __init__(self, schema: bytes | None, columns: Sequence[str] | None, batch_rows: int) -> None:
        super().__init__()
        self._schema_bytes = schema
        self._columns = columns
        self._batch_rows = batch_rows

    def process(self, shard: examples_io.Shard) -> Iterator[pa.RecordBatch]:
        schema = None
        if self._schema_bytes is not None:
            from tensorflow_metadata.proto.v0 import schema_pb2

            schema = schema_pb2.Schema.FromString(self._schema_bytes)
        batches = examples_io.read_shard(shard, batch_rows=self._batch_rows, columns=self._columns, schema=schema)
        yield from ahead(batches)

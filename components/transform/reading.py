"""Reads a dataset into the analysis, and leaves a tally of every shard behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import pyarrow as pa

from mlops_tfx.components.transform.tallies import Tallying
from mlops_tfx.io.ahead import ahead
from mlops_tfx.io.examples import Shard, read_shard
from mlops_tfx.statistics.compute import Computation
from mlops_tfx.transformation import tensors
from mlops_tfx.transformation.raw_batches import RawBatches

if TYPE_CHECKING:
    from mlops_tfx.components.transform.datasets import Dataset
    from mlops_tfx.statistics.settings import Settings


class ReadDataset(beam.PTransform):
    """Reads a dataset as record batches that fit the tensors of preprocessing_fn.

    Only file names travel through the pipeline graph; rows are read where they are needed.

    Args:
        dataset: what to read.
        schema: a Schema of the features to read.
        tallies: the folder for the tally of every shard.
        settings: what statistics to compute on the way; None for none.
    """

    def __init__(self, dataset: Dataset, schema: Any, tallies: str, settings: Settings | None) -> None:
        super().__init__()
        self._shards = dataset.shards
        self._read = _ReadShard(schema.SerializeToString(), tallies, settings)

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Applies the transform to a pipeline."""
        # Grouping by number spreads shards over the workers, like Reshuffle, but always in the same order.
        numbered = pipeline | "Shards" >> beam.Create(list(enumerate(self._shards)), reshuffle=False)
        return numbered | "Spread" >> beam.GroupByKey() | "Read" >> beam.ParDo(self._read)


@beam.typehints.with_output_types(pa.RecordBatch)
class _ReadShard(beam.DoFn):
    def __init__(self, schema: bytes, tallies: str, settings: Settings | None) -> None:
        super().__init__()
        self._schema_bytes = schema
        self._tallies = tallies
        self._settings = settings

    def setup(self) -> None:
        from tensorflow_metadata.proto.v0 import schema_pb2

        self._schema = schema_pb2.Schema.FromString(self._schema_bytes)
        self._raw = RawBatches.of(tensors.adapter_config(self._schema))
        self._computation = None if self._settings is None else Computation(self._settings)

    def process(self, numbered: tuple[int, Iterable[Shard]]) -> Iterator[pa.RecordBatch]:
        number, shards = numbered
        for shard in shards:
            tally = Tallying(self._computation, shard.uri)
            for batch in ahead(read_shard(shard, schema=self._schema)):
                checked = self._raw.check(batch, shard.uri)
                tally.add(checked)
                yield checked
            tally.write(self._tallies, number)

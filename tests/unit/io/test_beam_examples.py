from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mlops_tfx.artifacts import Examples
from mlops_tfx.execution.beam import beam_pipeline
from mlops_tfx.io import examples as examples_io


def _numbers(batch: pa.RecordBatch) -> list[int]:
    return list(batch.column(0).flatten().to_pylist())


def test_shards_become_batches(tmp_path: Path) -> None:
    import apache_beam as beam
    from apache_beam.testing.util import assert_that, equal_to
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.io.beam_examples import ReadExamples

    examples = Examples(str(tmp_path))
    examples.splits = ["train"]
    batch = pa.RecordBatch.from_arrays([pa.array([[n] for n in range(500)], pa.large_list(pa.int64()))], ["n"])
    with examples_io.ExamplesWriter(examples.path("train"), max_shard_bytes=4000) as writer:
        writer.write(batch)
    assert len(writer.paths) > 2
    schema = schema_pb2.Schema()
    schema.feature.add(name="n", type=schema_pb2.INT)
    with beam_pipeline() as pipeline:
        plain = pipeline | "Read" >> ReadExamples(examples, "train") | beam.FlatMap(_numbers)
        typed = (
            pipeline
            | "ReadTyped" >> ReadExamples(examples, "train", schema, batch_rows=7)
            | "N" >> beam.FlatMap(_numbers)
        )
        assert_that(plain, equal_to(list(range(500))), label="plain")
        assert_that(typed, equal_to(list(range(500))), label="typed")

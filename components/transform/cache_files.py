"""Writes the analyzer cache: TensorFlow Transform's files, all entries in one step of the Beam pipeline.

TensorFlow Transform's own sink adds some twenty steps per analyzer, which costs more than the analysis of small data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import apache_beam as beam
import pyarrow as pa
from tensorflow_transform.beam import analyzer_cache

from mlops_tfx.io import tfrecord

_BLOCK = 10_000


def write_cache(pipeline: beam.Pipeline, results: Mapping[Any, Any], folder: str, keys: Sequence[Any]) -> None:
    """Adds writing the analyzers' results of all datasets to a pipeline.

    Args:
        pipeline: the pipeline.
        results: dataset key to its results, as the analysis returned them.
        folder: where the cache goes.
        keys: all dataset keys, also those without new results.
    """
    entries: list[beam.PCollection] = []
    _ = results | "WriteCache" >> analyzer_cache.WriteAnalysisCacheToFS(
        pipeline=pipeline, cache_base_dir=folder, dataset_keys=keys, sink=lambda path: _Collect(path, entries)
    )
    if entries:
        _ = (
            tuple(entries)
            | "FlattenCache" >> beam.Flatten(pipeline=pipeline)
            | "GroupCache" >> beam.GroupByKey()
            | "WriteCacheFiles" >> beam.MapTuple(_write_entry)
        )


class _Collect(beam.PTransform):
    """Marks the values of one cache entry with the path of its file."""

    def __init__(self, path: str, entries: list[beam.PCollection]) -> None:
        super().__init__()
        self._path = path
        self._entries = entries

    def expand(self, values: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        marked = values | beam.Map(_mark, self._path).with_output_types(tuple[str, bytes])
        self._entries.append(marked)
        return marked

    def to_runner_api_pickled(self, context: Any) -> Any:
        # The list of entries is for the construction of the pipeline only.
        return self.to_runner_api_parameter(context)


def _mark(value: bytes, path: str) -> tuple[str, bytes]:
    return path, value


def _write_entry(path: str, values: Iterable[bytes]) -> None:
    file = tfrecord.TFRecordFile(f"{path}-00000-of-00001.gz")
    try:
        for block in _blocks(iter(values)):
            framed = tfrecord.frame(pa.array(block, pa.binary()))
            file.write(framed.buffers()[2])
    finally:
        file.close()


def _blocks(values: Iterator[bytes]) -> Iterator[list[bytes]]:
    while block := list(islice(values, _BLOCK)):
        yield block

"""The second pass: applies the graph to all splits, and writes the transformed examples."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apache_beam as beam
import pyarrow as pa
from apache_beam.utils.shared import Shared

from mlops_tfx import filesystem
from mlops_tfx.components.transform.saved_graph import SavedGraph
from mlops_tfx.io.examples import ExamplesWriter, Shard, list_shards

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples

_PREFIX = "transformed_examples"


@dataclass(frozen=True)
class Piece:
    """One shard to transform, and the folder for its rows; None if they are not kept."""

    shard: Shard
    folder: str | None


def list_pieces(examples: Sequence[Examples], split: str, folder: str | None) -> list[Piece]:
    """Returns the pieces of a split; their rows go to subfolders of ``folder`` until all are written."""
    shards = list_shards(examples, split)
    subfolders = [None if folder is None else os.path.join(folder, f".piece-{i:05d}") for i in range(len(shards))]
    return [Piece(shard, subfolder) for shard, subfolder in zip(shards, subfolders, strict=True)]


def publish_pieces(pieces: Sequence[Piece], folder: str) -> None:
    """Moves the files of all pieces into ``folder``, numbered in order: ``transformed_examples-00000-of-00004.gz``."""
    subfolders = [piece.folder for piece in pieces if piece.folder is not None]
    paths = [os.path.join(subfolder, name) for subfolder in subfolders for name in filesystem.listdir(subfolder)]
    for index, path in enumerate(paths):
        suffix = os.path.splitext(path)[1]
        filesystem.rename(path, os.path.join(folder, f"{_PREFIX}-{index:05d}-of-{len(paths):05d}{suffix}"))
    for subfolder in subfolders:
        filesystem.remove_tree(subfolder)


class TransformPieces(beam.DoFn):
    """Reads, transforms and writes shards; its outputs are the transformed batches.

    Args:
        graph_uri: the transform graph.
        columns: the raw features that the graph needs.
        file_format: ``tfrecords_gzip`` or ``parquet``.
    """

    ROWS = "transformed_rows"

    def __init__(self, graph_uri: str, columns: Sequence[str], file_format: str) -> None:
        super().__init__()
        self._graph_uri = graph_uri
        self._columns = tuple(columns)
        self._file_format = file_format
        self._shared = Shared()  # threads of one process share the graph
        self._rows = beam.metrics.Metrics.counter("mlops_tfx", self.ROWS)

    def setup(self) -> None:
        """Loads the graph."""
        self._graph = self._shared.acquire(lambda: SavedGraph(self._graph_uri, self._columns))

    def process(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        """Transforms one piece."""
        keep = piece.folder is not None
        writer = ExamplesWriter(piece.folder or "", _PREFIX, self._file_format) if keep else None
        with writer or nullcontext():
            for batch in self._graph.read(piece.shard):
                transformed = self._graph.transform(batch, piece.shard.uri)
                if writer is not None:
                    writer.write(transformed)
                self._rows.inc(transformed.num_rows)
                yield transformed


class _Nothing:
    """Something to share in place of a graph."""


def release_graph() -> None:
    """Lets go of the graph that this process applied.

    Beam keeps what was shared last until something else is: memory, and at the end of the interpreter TensorFlow's
    functions complain when they are torn down with it.
    """
    Shared().acquire(_Nothing)


def transform_pieces(pipeline: beam.Pipeline, pieces: Sequence[Piece], do_fn: TransformPieces) -> beam.PCollection:
    """Adds the second pass to a pipeline and returns the transformed batches."""
    # Grouping by number spreads the pieces over the workers, like Reshuffle, but in an order that is always the same.
    spread = (
        pipeline | "Pieces" >> beam.Create(list(enumerate(pieces)), reshuffle=False) | "Spread" >> beam.GroupByKey()
    )
    return (
        spread
        | "Piece" >> beam.FlatMapTuple(lambda number, group: group)
        | "Transform" >> beam.ParDo(do_fn).with_output_types(pa.RecordBatch)
    )


def count_rows(pipeline: beam.Pipeline) -> int:
    """Returns the rows that a finished pipeline transformed, as far as its runner counts."""
    found = pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_name(TransformPieces.ROWS))
    return sum(counter.committed or counter.attempted for counter in found["counters"])

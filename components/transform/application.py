"""The second pass: applies the graph to all splits, and writes the transformed examples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apache_beam as beam
import pyarrow as pa
from apache_beam.utils.shared import Shared

from mlops_tfx import filesystem
from mlops_tfx.components.transform.tallies import Tallying
from mlops_tfx.errors import DataError
from mlops_tfx.io.examples import ExamplesWriter, Shard, list_shards
from mlops_tfx.statistics.compute import Computation
from mlops_tfx.transformation.saved_graph import SavedGraph

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.statistics.settings import Settings

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


@dataclass(frozen=True)
class Application:
    """How pieces are transformed; plain data, for any process.

    Attributes:
        graph_uri: the transform graph.
        columns: the raw tensors that the graph needs.
        file_format: ``tfrecords_gzip`` or ``parquet``.
        tallies: the folder for the tally of every piece.
        settings: what statistics of the transformed rows to compute; None for none.
    """

    graph_uri: str
    columns: tuple[str, ...]
    file_format: str
    tallies: str
    settings: Settings | None

    def load(self) -> SavedGraph:
        """Loads the graph; threads may share it."""
        return SavedGraph(self.graph_uri, self.columns)

    def transform(self, graph: SavedGraph, number: int, piece: Piece) -> Iterator[pa.RecordBatch]:
        """Reads, transforms and writes one piece; yields the transformed batches, and writes a tally in the end."""
        keep = piece.folder is not None
        writer = ExamplesWriter(piece.folder or "", _PREFIX, self.file_format) if keep else None
        tally = Tallying(None if self.settings is None else Computation(self.settings), piece.shard.uri)
        read = 0
        with writer or nullcontext():
            for batch in graph.read(piece.shard):
                transformed = graph.transform(batch, piece.shard.uri)
                read += batch.num_rows
                if writer is not None:
                    writer.write(graph.flattener.flatten(transformed))
                tally.add(transformed)
                yield transformed
        written = read if writer is None else writer.rows
        if not read == tally.rows == written:
            raise DataError(f"{piece.shard.uri}: {read} rows were read, {tally.rows} transformed, {written} written")
        tally.write(self.tallies, number)


def transform_here(application: Application, pieces: Sequence[Piece], threads: int) -> None:
    """Transforms all pieces in threads of this process: reading, the graph, encoding and writing leave Python's lock.

    Raises:
        DataError, UserCodeError: of the first piece that failed.
    """
    graph = application.load()

    def work(numbered: tuple[int, Piece]) -> None:
        for _ in application.transform(graph, *numbered):
            pass

    pool = ThreadPoolExecutor(max(1, min(threads, len(pieces))), thread_name_prefix="transform")
    try:
        for _ in pool.map(work, enumerate(pieces)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


class TransformPieces(beam.DoFn):
    """Transforms numbered pieces on Beam's workers; its outputs are the transformed batches."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application
        self._shared = Shared()  # threads of one process share the graph

    def setup(self) -> None:
        """Loads the graph."""
        self._graph = self._shared.acquire(self._application.load)

    def process(self, numbered: tuple[int, Iterable[Piece]]) -> Iterator[pa.RecordBatch]:
        """Transforms one piece."""
        number, pieces = numbered
        for piece in pieces:
            yield from self._application.transform(self._graph, number, piece)


class _Nothing:
    """Something to share in place of a graph."""


def release_graph() -> None:
    """Lets go of the graph that this process applied.

    Beam keeps what was shared last until something else is: memory, and at the end of the interpreter TensorFlow's
    functions complain when they are torn down with it.
    """
    Shared().acquire(_Nothing)


def transform_pieces(pipeline: beam.Pipeline, pieces: Sequence[Piece], application: Application) -> beam.PCollection:
    """Adds the second pass to a pipeline and returns the transformed batches."""
    # Grouping by number spreads the pieces over the workers, like Reshuffle, but in an order that is always the same.
    numbered = pipeline | "Pieces" >> beam.Create(list(enumerate(pieces)), reshuffle=False)
    transform = beam.ParDo(TransformPieces(application)).with_output_types(pa.RecordBatch)
    return numbered | "Spread" >> beam.GroupByKey() | "Transform" >> transform

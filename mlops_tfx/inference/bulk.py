"""One shard from reading to writing, and all shards in threads of this process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlops_tfx import filesystem
from mlops_tfx.config import OutputExampleSpec
from mlops_tfx.errors import DataError
from mlops_tfx.inference import batches, columns, log_messages
from mlops_tfx.inference.loaded_model import LoadedModel
from mlops_tfx.io import shard_folder, tfrecord
from mlops_tfx.io.ahead import ahead
from mlops_tfx.io.examples import ExamplesWriter, Shard, shard_names


@dataclass(frozen=True)
class Piece:
    """One shard to read, and the folder for what comes out of it."""

    shard: Shard
    folder: str


@dataclass(frozen=True)
class Job:
    """What is done with every piece; plain data, for any process.

    Attributes:
        model: the SavedModel.
        signatures: names; none for ``serving_default``.
        tags: of the graph; none for ``serve``.
        spec: columns wanted; None for PredictionLogs.
        keep: features to keep; None for all.
        prefix: how names of files begin.
        file_format: of the files.
        batch_rows: rows of a batch at most.
        batch_bytes: bytes of a batch of more than one row at most.
        results: folder for what is said of every piece.
    """

    model: str
    signatures: tuple[str, ...]
    tags: tuple[str, ...]
    spec: OutputExampleSpec | None
    keep: tuple[str, ...] | None
    prefix: str
    file_format: str
    batch_rows: int
    batch_bytes: int
    results: str

    def load(self) -> LoadedModel:
        """Loads the model; threads may share it."""
        return LoadedModel(self.model, self.signatures, self.tags, self.spec)

    def infer(self, model: LoadedModel, number: int, piece: Piece) -> None:
        """Reads, infers and writes one piece, and leaves a file that says how many rows it had."""
        read, per_row = 0, 1 if self.spec is not None else log_messages.logs_per_row(model.tasks)
        features: set[str] = set()
        with ExamplesWriter(piece.folder, self.prefix, self.file_format) as writer:
            for batch in ahead(batches.read_in_batches(piece.shard, self.batch_rows, self.batch_bytes), depth=1):
                if self.spec is None:
                    self._write_logs(writer, model, batch)
                else:
                    self._write_columns(writer, model, batch)
                if self.keep:
                    features.update(columns.features_in(batch))
                read += len(batch)
        if writer.rows != read * per_row:
            raise DataError(f"{piece.shard.uri}: {read} rows were read, {writer.rows} written, {per_row} for each")
        result = json.dumps({"rows": read, "features": sorted(features)}).encode()
        filesystem.write_bytes(filesystem.join(self.results, f"{number}.json"), result)

    def _write_logs(self, writer: ExamplesWriter, model: LoadedModel, batch: batches.Batch) -> None:
        for logs in log_messages.prediction_logs(batch, model.tasks, model.run(batch)):
            writer.write_framed(tfrecord.frame(logs))

    def _write_columns(self, writer: ExamplesWriter, model: LoadedModel, batch: batches.Batch) -> None:
        columns.check_free(batch, self.keep, model.tasks)
        writer.write(columns.with_predictions(batch, self.keep, model.tasks, model.run(batch)))


def infer_here(job: Job, pieces: Sequence[Piece]) -> None:
    """Does all pieces in threads: reading, the model, encoding and compressing leave Python's lock."""
    model = job.load()
    pool = ThreadPoolExecutor(max(1, min(len(pieces), _usable_cores())), thread_name_prefix="bulk-inferrer")
    try:
        for _ in pool.map(lambda numbered: job.infer(model, *numbered), enumerate(pieces)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
        model.close()


def _usable_cores() -> int:
    # Containers are often given fewer cores than the machine has; not every system can say so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_results(job: Job, pieces: Sequence[Piece]) -> tuple[list[int], set[str]]:
    """Returns the rows of every piece and, where some features are chosen, all that rows have.

    Raises:
        DataError: a piece was not done.
    """
    rows: list[int] = []
    features: set[str] = set()
    for number, piece in enumerate(pieces):
        path = filesystem.join(job.results, f"{number}.json")
        if not filesystem.exists(path):
            raise DataError(f"{piece.shard.uri}: expected its predictions, received none; a worker left it out")
        result = json.loads(filesystem.read_bytes(path))
        rows.append(int(result["rows"]))
        features.update(result["features"])
    return rows, features


def publish(job: Job, pieces: Sequence[Piece], folder: str) -> None:
    """Moves the files of some pieces into ``folder``, numbered in order; without any piece, writes an empty file."""
    if not pieces:  # an empty Parquet file has no row groups to read
        with ExamplesWriter(folder, job.prefix, job.file_format):
            return
    paths = [os.path.join(piece.folder, name) for piece in pieces for name in filesystem.listdir(piece.folder)]
    shard_folder.adopt(paths, folder, job.prefix, shard_names(job.file_format)[1])
    for piece in pieces:
        filesystem.remove_tree(piece.folder)

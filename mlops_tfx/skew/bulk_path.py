"""BulkInferrer's way: rows are written as Examples, read in batches, run, and written as PredictionLogs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from mlops_tfx import filesystem
from mlops_tfx.errors import MlopsTfxError
from mlops_tfx.inference.bulk import Job, Piece
from mlops_tfx.inference.signatures import CLASSES, SCORES, VALUE
from mlops_tfx.io import tfrecord
from mlops_tfx.io.examples import TFRECORDS_GZIP, ExamplesWriter, Shard
from mlops_tfx.serving.export import SERVING_RAW
from mlops_tfx.skew import raw_tensors
from mlops_tfx.skew.paths import BULK, joined
from mlops_tfx.skew.signatures import SERIALIZED
from mlops_tfx.skew.training import RejectedError, message_of

if TYPE_CHECKING:
    from mlops_tfx.inference.loaded_model import LoadedModel
    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.signatures import Signature

_MANY = 1 << 30


class BulkPath:
    """Runs the job that BulkInferrer runs, on one file of rows.

    Args:
        model: the SavedModel.
        folder: for files.
        spec: raw feature -> how it is parsed.

    Attributes:
        name: BULK.
    """

    name = BULK

    def __init__(self, model: str, folder: str, spec: Mapping[str, Any]) -> None:
        self._model, self._folder, self._spec = model, folder, spec
        self._loaded: dict[str, LoadedModel] = {}
        self._count = 0

    def inexpressible(self, rows: RowSet, signature: Signature) -> dict[int, str]:
        """Row -> why BulkInferrer cannot be given it: as raw tensors, features have one number of values in all rows.

        That is, but for ``serving_raw``, whose inputs have defaults for values that are missing.
        """
        if signature.takes == SERIALIZED:
            return {}
        found = raw_tensors.inexpressible(rows, signature, self._spec)
        if signature.name == SERVING_RAW:
            return found
        renamed = [name for alias, name in signature.features.items() if alias != name]
        if renamed:
            reason = f"feature {renamed[0]!r}: the signature's input has another name, and BulkInferrer goes by names"
            return dict.fromkeys(range(len(rows)), reason)
        for name in signature.features.values():
            place = rows.batch.schema.get_field_index(name)
            lengths = None if place < 0 else rows.batch.column(place).value_lengths().fill_null(0)
            wrong = np.ones(len(rows), bool) if lengths is None else np.asarray(lengths) != 1
            for row in np.flatnonzero(wrong):
                found.setdefault(int(row), f"a number of values of {name!r} other than one, which BulkInferrer refuses")
        return found

    def answer(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """See `Path`."""
        return self._infer(rows, signature, batch_rows=max(1, len(rows)))

    def answer_one_by_one(self, rows: RowSet, signature: Signature) -> dict[str, Any]:
        """See `Path`."""
        return self._infer(rows, signature, batch_rows=1)

    def _infer(self, rows: RowSet, signature: Signature, batch_rows: int) -> dict[str, Any]:
        self._count += 1
        folder = os.path.join(self._folder, f"bulk-{self._count}")
        with ExamplesWriter(os.path.join(folder, "rows")) as writer:
            writer.write_framed(tfrecord.frame(rows.serialized))
        piece = Piece(Shard(writer.paths[0], TFRECORDS_GZIP), os.path.join(folder, "logs"))
        job = Job(self._model, (signature.name,), (), None, None, "logs", TFRECORDS_GZIP, batch_rows, _MANY, folder)
        try:
            job.infer(self._load(job), 0, piece)
            return joined([_row(record) for record in _records(piece.folder)])
        except MlopsTfxError as error:
            raise RejectedError(message_of(error)) from error
        finally:
            filesystem.remove_tree(folder)

    def _load(self, job: Job) -> LoadedModel:
        name = job.signatures[0]
        if name not in self._loaded:
            self._loaded[name] = job.load()
        return self._loaded[name]

    def close(self) -> None:
        """Frees the models."""
        for model in self._loaded.values():
            model.close()


@contextlib.contextmanager
def bulk_path(model: str, folder: str, spec: Mapping[str, Any], wanted: set[str]) -> Iterator[list[BulkPath]]:
    """Yields the path, if it is wanted."""
    if BULK not in wanted:
        yield []
        return
    path = BulkPath(model, folder, spec)
    try:
        yield [path]
    finally:
        path.close()


def _records(folder: str) -> Iterator[bytes]:
    for name in filesystem.listdir(folder):
        for block in tfrecord.read_blocks(os.path.join(folder, name), max_rows=_MANY, max_bytes=_MANY):
            yield from block.records()


def _row(record: bytes) -> dict[str, Any]:
    """The outputs of one PredictionLog."""
    log = prediction_log_pb2.PredictionLog.FromString(record)
    if log.HasField("predict_log"):
        return {name: tf.make_ndarray(proto) for name, proto in log.predict_log.response.outputs.items()}
    if log.HasField("regress_log"):
        (regression,) = log.regress_log.response.result.regressions
        return {VALUE: np.array([[regression.value]], np.float32)}
    (row,) = log.classify_log.response.result.classifications
    labels, scores = [entry.label.encode() for entry in row.classes], [entry.score for entry in row.classes]
    return {CLASSES: np.array([labels], object), SCORES: np.array([scores], np.float32)}

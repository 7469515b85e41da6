"""Runs recorded requests through a new version before it becomes available: ``tf_serving_warmup_requests``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.calls import Target
from mlops_tfx.serving.server.inference import Inference
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.saved_model import SavedModelSession
from mlops_tfx.serving.server.served_model import LoadedVersion
from mlops_tfx.serving.server.waiting import run

FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000


class _OneVersion:
    """Stands in for the manager: whatever a record asks, the new version answers."""

    def __init__(self, held: LoadedVersion) -> None:
        self._held = held

    def acquire(self, target: Target) -> LoadedVersion:
        """Holds the version."""
        self._held.acquire()
        return self._held


class Warmup:
    """Warms up versions.

    Args:
        metrics: where it is counted.
        iterations: how often every record is run.
    """

    def __init__(self, metrics: Metrics, iterations: int) -> None:
        self._metrics = metrics
        self._iterations = max(iterations, 1)

    def __call__(self, name: str, path: str, version: int, session: SavedModelSession) -> None:
        """Runs the records of a version's folder, if it has any. Raises StatusError if one of them fails."""
        file = os.path.join(path, FILE)
        if not tf.io.gfile.exists(file):
            return
        started, code, count = time.monotonic(), "OK", 0
        manager: Any = _OneVersion(LoadedVersion(version, path, session))
        inference = Inference(manager)
        try:
            for record in _records(file):
                count += 1
                if count > _MAX_RECORDS:
                    text = f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {file}"
                    raise statuses.invalid(text)
                self._replay(name, inference, record)
        except statuses.StatusError as error:
            code = error.code.name
            raise
        finally:
            self._metrics.warmup_records.add(path, code, value=count)
            self._metrics.warmup_latency.add(path, code, value=1e6 * (time.monotonic() - started))

    def _replay(self, name: str, inference: Inference, record: bytes) -> None:
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError as error:
            raise statuses.invalid(f"Failed to parse warmup record: {error}") from error
        kind = log.WhichOneof("log_type")
        answers: dict[str | None, Callable[[Any], Any]] = {
            "predict_log": inference.predict,
            "classify_log": inference.classify,
            "regress_log": inference.regress,
            "multi_inference_log": inference.multi_inference,
        }
        if kind not in answers:
            number = log.DESCRIPTOR.fields_by_name[kind].number if kind else 0
            raise statuses.StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
        request = getattr(log, kind).request
        if kind != "multi_inference_log":
            # As in TF Serving the model need not be named, nor be this one.
            request.model_spec.name = name
            request.model_spec.ClearField("version_choice")
        for _ in range(self._iterations):
            run(answers[kind](request))


def _records(file: str) -> Any:
    try:
        yield from tf.data.TFRecordDataset(file).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise statuses.from_number(error.error_code, error.message) from error

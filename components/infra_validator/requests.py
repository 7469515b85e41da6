"""What is asked: rows of the examples as requests of every signature, and what this process computes for them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2, regression_pb2

from mlops_tfx import filesystem
from mlops_tfx.components.infra_validator.failures import ModelRefusedError
from mlops_tfx.errors import ConfigError, DataError, did_you_mean
from mlops_tfx.inference.batches import Batch, read_in_batches
from mlops_tfx.inference.features import feeds_of
from mlops_tfx.inference.signatures import CLASSIFY, PREDICT, REGRESS, Task, make_tasks
from mlops_tfx.io import examples as examples_io

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.config import RequestSpec

_LOGS = {PREDICT: "predict_log", CLASSIFY: "classify_log", REGRESS: "regress_log"}
_REQUESTS: Mapping[str, Any] = {
    PREDICT: predict_pb2.PredictRequest,
    CLASSIFY: classification_pb2.ClassificationRequest,
    REGRESS: regression_pb2.RegressionRequest,
}
_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Query:
    """A request for some of the rows.

    Attributes:
        task: the signature.
        definition: its SignatureDef.
        start: first row.
        stop: row after the last.
        message: the request.
    """

    task: Task
    definition: Any
    start: int
    stop: int
    message: Any

    @property
    def where(self) -> str:
        """For messages."""
        rows = f"row {self.start}" if self.stop == self.start + 1 else f"rows {self.start} to {self.stop - 1}"
        return f"signature {self.task.signature!r}, {rows}"

    def as_log(self) -> bytes:
        """The request as a warmup record, a serialized PredictionLog."""
        log = prediction_log_pb2.PredictionLog()
        getattr(log, _LOGS[self.task.kind]).request.CopyFrom(self.message)
        return bytes(log.SerializeToString())


def read_definitions(path: str, tags: Sequence[str]) -> Any:
    """Returns the SignatureDefs of a SavedModel by name, without loading it. Raises ModelRefusedError."""
    wanted = set(tags or ["serve"])
    for graph in _read_proto(path).meta_graphs:
        if wanted <= set(graph.meta_info_def.tags):
            return graph.signature_def
    raise ModelRefusedError(f"expected a graph with tags {sorted(wanted)!r} in the SavedModel, found none")


def _read_proto(path: str) -> Any:
    binary, text = (os.path.join(path, name) for name in ("saved_model.pb", "saved_model.pbtxt"))
    try:
        if filesystem.exists(binary):
            return saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(binary))
        return text_format.Parse(filesystem.read_bytes(text), saved_model_pb2.SavedModel())
    except (DecodeError, text_format.ParseError, FileNotFoundError) as error:
        raise ModelRefusedError(f"expected a SavedModel, received none that can be read: {error}") from error


def asked_signatures(path: str, spec: RequestSpec) -> list[tuple[Task, Any]]:
    """Returns the signatures to ask, with their SignatureDefs. Raises ModelRefusedError if there is no such one."""
    serving = spec.tensorflow_serving
    tags, names = (serving.tag_set, serving.signature_names) if serving else ([], [])
    definitions = read_definitions(path, tags)
    try:
        return [(task, definitions[task.signature]) for task in make_tasks(definitions, names, None)]
    except ConfigError as error:
        raise ModelRefusedError(str(error).replace("model_spec", "request_spec")) from error


def read_rows(examples: Examples, spec: RequestSpec) -> Batch:
    """Returns the rows to send. Raises ConfigError for an unknown split, DataError for one without rows."""
    split = spec.split_name or next(iter(examples.splits), "")
    if split not in examples.splits:
        raise ConfigError(f"request_spec: the examples have no split {split!r}{did_you_mean(split, examples.splits)}")
    for shard in examples_io.list_shards(examples, split):
        for batch in read_in_batches(shard, spec.num_examples, _MAX_BYTES):
            return batch
    raise DataError(f"expected rows in split {split!r} of the examples at {examples.recorded_uri!r}, found none")


def make_queries(model_name: str, signatures: Sequence[tuple[Task, Any]], rows: Batch) -> list[Query]:
    """Returns a request for every row and signature, then one for all rows together (if there are several)."""
    count = len(rows)
    spans = [(row, row + 1) for row in range(count)] + ([(0, count)] if count > 1 else [])
    queries = []
    for task, definition in signatures:
        feeds = _feeds(task, rows)
        for start, stop in spans:
            message = _REQUESTS[task.kind]()
            message.model_spec.name = model_name
            message.model_spec.signature_name = task.signature
            _fill(message, task, feeds, slice(start, stop))
            queries.append(Query(task, definition, start, stop, message))
    return queries


def _feeds(task: Task, rows: Batch) -> dict[str, Any]:
    try:
        return feeds_of(task, rows)
    except DataError as error:
        raise ModelRefusedError(f"the signature does not fit the examples: {error}") from error


def _fill(message: Any, task: Task, feeds: Mapping[str, Any], part: slice) -> None:
    if task.kind == PREDICT:
        for tensor in task.inputs:
            values = feeds[tensor.tensor][part]
            message.inputs[tensor.alias].CopyFrom(tf.make_tensor_proto(values, tensor.dtype, values.shape))
        return
    if not task.takes_records:
        raise ModelRefusedError(f"signature {task.signature!r}: expected one input of serialized examples, for it is "
                                f"asked to {task.kind}")  # fmt: skip
    for record in feeds[task.inputs[0].tensor][part]:
        try:
            message.input.example_list.examples.add().ParseFromString(record)
        except DecodeError as error:
            raise ModelRefusedError(
                f"signature {task.signature!r}: it is asked to {task.kind}, for which rows must be tf.Examples, and "
                f"these are none: {error}"
            ) from error

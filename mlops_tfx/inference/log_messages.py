"""Predictions as ``tensorflow.serving.PredictionLog``, field by field for all rows of a batch at once.

PredictionLog{classify_log=2, regress_log=3, multi_inference_log=4, predict_log=6}, each {request=1, response=2}.
Several signatures that all classify or regress make one MultiInferenceLog per row, as in TFX; with a predicting one
among them, each row has a log per signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from mlops_tfx.errors import DataError
from mlops_tfx.inference import messages
from mlops_tfx.inference.features import feeds_of, gives_records
from mlops_tfx.inference.messages import NOTHING, Messages, constant, field, text, values
from mlops_tfx.inference.signatures import CLASSES, CLASSIFY, PREDICT, REGRESS, SCORES, VALUE
from mlops_tfx.io import wire

if TYPE_CHECKING:
    from mlops_tfx.inference.batches import Batch
    from mlops_tfx.inference.signatures import Task

_REQUEST, _RESPONSE = 1, 2
_LOGS = {CLASSIFY: 2, REGRESS: 3, PREDICT: 6}
_MULTI_INFERENCE = 4


def logs_per_row(tasks: Sequence[Task]) -> int:
    """How many PredictionLogs a row has."""
    return len(tasks) if any(task.kind == PREDICT for task in tasks) else 1


def prediction_logs(batch: Batch, tasks: Sequence[Task], outputs: Sequence[dict[str, Any]]) -> Iterator[pa.BinaryArray]:
    """The serialized logs of all rows, row by row. Raises DataError for outputs that do not fit their kind."""
    rows = len(batch)
    if len(tasks) > 1 and logs_per_row(tasks) == 1:
        yield from messages.joined(_multi_inference(batch, tasks, outputs), rows)
        return
    logs = [_log(batch, task, found) for task, found in zip(tasks, outputs, strict=True)]
    if len(logs) == 1:
        yield from messages.joined(logs[0], rows)
        return
    # Row by row: the first log of all tasks, then the second.
    parts = [pa.chunked_array(messages.joined(log, rows), pa.binary()) for log in logs]
    order = np.arange(rows * len(parts)).reshape(len(parts), rows).T.reshape(-1)
    whole = pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.binary())
    yield from whole.take(pa.array(order)).chunks


def _log(batch: Batch, task: Task, outputs: dict[str, Any]) -> Messages:
    spec = text(3, task.signature)
    if task.kind == PREDICT:
        request = field(1, spec) + _predict_inputs(batch, task)
        response = _tensors(1, outputs) + field(2, spec)
    else:
        request = field(1, spec) + field(2, _input(batch))
        result = _classifications(batch, outputs) if task.kind == CLASSIFY else _regressions(batch, outputs)
        response = field(1, result) + field(2, spec)
    return field(_LOGS[task.kind], field(_REQUEST, request) + field(_RESPONSE, response))


def _multi_inference(batch: Batch, tasks: Sequence[Task], outputs: Sequence[dict[str, Any]]) -> Messages:
    request, response = NOTHING, NOTHING
    for task, found in zip(tasks, outputs, strict=True):
        spec = field(1, text(3, task.signature))
        request += field(1, spec + text(2, f"tensorflow/serving/{task.kind}"))
        if task.kind == CLASSIFY:
            result = field(2, _classifications(batch, found))
        else:
            result = field(3, _regressions(batch, found))
        response += field(1, spec + result)
    request += field(2, _input(batch))
    return field(_MULTI_INFERENCE, field(_REQUEST, request) + field(_RESPONSE, response))


def _input(batch: Batch) -> Messages:
    """Input{example_list{examples}}. Raises DataError for records that are no tf.Examples."""
    if batch.payload != "FORMAT_TF_EXAMPLE":
        raise DataError(
            f"{batch.where}: requests to classify or regress hold tf.Examples, received payload_format="
            f"{batch.payload!r}; ask for columns (output_example_spec), or run a signature that predicts"
        )
    return field(1, field(1, values(batch.records)))


def _classifications(batch: Batch, outputs: dict[str, Any]) -> Messages:
    """ClassificationResult{classifications{classes{label, score}}}."""
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    given = [np.shape(array) for array in (labels, scores) if array is not None]
    if any(len(shape) != 2 for shape in given) or len(set(given)) > 1:
        raise DataError(f"{batch.where}: expected classes and scores of shape [rows, classes], received {given!r}")
    row = NOTHING
    for column in range(given[0][1]):
        entry = NOTHING
        if labels is not None:
            entry += field(1, values(pa.array(labels[:, column], pa.binary())))
        if scores is not None:
            entry += messages.floats(2, scores[:, column])
        row += field(1, entry)
    return field(1, row)


def _regressions(batch: Batch, outputs: dict[str, Any]) -> Messages:
    """RegressionResult{regressions{value}}."""
    array = np.asarray(outputs[VALUE])
    if array.size != len(batch):
        raise DataError(f"{batch.where}: expected a regression of one number per row, received shape={array.shape}")
    return field(1, messages.floats(1, array.reshape(-1)))


def _predict_inputs(batch: Batch, task: Task) -> Messages:
    if gives_records(task, batch):
        content = constant(_tensor_head(tf.string, (1,))) + field(8, values(batch.records))
        return field(2, text(1, task.inputs[0].alias) + field(2, content))
    feeds = feeds_of(task, batch)
    return _tensors(2, {tensor.alias: feeds[tensor.tensor] for tensor in task.inputs})


def _tensors(number: int, arrays: dict[str, Any]) -> Messages:
    """A map of TensorProtos by name, each of one row."""
    found = NOTHING
    for alias, array in arrays.items():
        found += field(number, text(1, alias) + field(2, _tensor(np.asarray(array))))
    return found


def _tensor(array: Any) -> Messages:
    """TensorProtos of shape [1, ...], one per row."""
    shape = (1, *array.shape[1:])
    if array.dtype.kind not in "OSU":
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        content = field(4, values(messages.fixed_width(little))) if array.size else NOTHING
        return constant(_tensor_head(tf.as_dtype(array.dtype), shape)) + content
    found = constant(_tensor_head(tf.string, shape))
    flat = array.reshape(len(array), -1)
    for column in range(flat.shape[1]):
        found += field(8, values(pa.array(flat[:, column], pa.binary())))
    return found


def _tensor_head(dtype: Any, shape: Sequence[int]) -> bytes:
    """TensorProto{dtype=1, tensor_shape=2}."""
    sizes: bytes = tf.TensorShape(shape).as_proto().SerializeToString()
    head = messages.number(1, int(dtype.as_datatype_enum))
    return head + b"\x12" + wire.varint(len(sizes)) + sizes

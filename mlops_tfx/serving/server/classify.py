"""Classification: which tensors of a signature to run, and their values as classes with scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server import statuses

METHOD = "tensorflow/serving/classify"
INPUT = "inputs"
_CLASSES, _SCORES = "classes", "scores"


def outputs_of(definition: Any) -> tuple[str, ...]:
    """Returns the outputs that a classification needs of a SignatureDef. Raises StatusError if it has none."""
    if len(definition.inputs) != 1:
        raise statuses.invalid("Expected one input Tensor.")
    if len(definition.outputs) not in (1, 2):
        raise statuses.invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if INPUT not in definition.inputs:
        raise statuses.invalid(f"No classification inputs found in SignatureDef: {statuses.debug_string(definition)}")
    outputs = tuple(alias for alias in (_CLASSES, _SCORES) if alias in definition.outputs)
    if not outputs:
        raise statuses.invalid(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            f"Signature was: {statuses.debug_string(definition)}"
        )
    return outputs


def fill(result: Any, definition: Any, arrays: dict[str, Any], rows: int) -> None:
    """Writes outputs by alias, ``[rows, classes]`` each, into a ClassificationResult. Raises StatusError."""
    classes, scores = arrays.get(_CLASSES), arrays.get(_SCORES)
    _check(classes, definition, _CLASSES, types_pb2.DT_STRING, rows)
    _check(scores, definition, _SCORES, types_pb2.DT_FLOAT, rows)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise statuses.invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    labels = None if classes is None else classes.tolist()
    values = None if scores is None else scores.tolist()
    columns = max(np.shape(value)[1] for value in arrays.values())
    for row in range(rows):
        entry = result.classifications.add()
        for column in range(columns):
            found = entry.classes.add()
            if labels is not None:
                found.label = _text(labels[row][column])
            if values is not None:
                found.score = values[row][column]


def _check(value: Any, definition: Any, alias: str, dtype: int, rows: int) -> None:
    if value is None:
        return
    shape = np.shape(value)
    if len(shape) != 2:
        raise statuses.invalid(f"Expected Tensor shape: [batch_size num_classes] but got {statuses.shape_text(shape)}")
    received = definition.outputs[alias].dtype
    if received != dtype:
        expected, name = types_pb2.DataType.Name(dtype), types_pb2.DataType.Name(received)
        raise statuses.invalid(f"Expected {alias} Tensor of {expected}. Got: {name}")
    if shape[0] != rows:
        raise statuses.invalid(f"Expected {alias} output batch size of {rows}. Got: {shape[0]}")


def _text(label: bytes) -> str:
    # The field is text. TF Serving sends bytes that are not as they are, and clients cannot read the message.
    return label.decode("utf-8", "replace")

"""Regression: which tensor of a signature to run, and its values as one number per example."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server import statuses

METHOD = "tensorflow/serving/regress"
INPUT = "inputs"
OUTPUT = "outputs"


def outputs_of(definition: Any) -> tuple[str, ...]:
    """Returns the output that a regression needs of a SignatureDef. Raises StatusError if it has none."""
    if len(definition.inputs) != 1:
        raise statuses.invalid("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise statuses.invalid("Expected one output Tensor.")
    if INPUT not in definition.inputs:
        raise statuses.invalid(f"No regression inputs found in SignatureDef: {statuses.debug_string(definition)}")
    if OUTPUT not in definition.outputs:
        raise statuses.invalid(f"No regression outputs found in SignatureDef: {statuses.debug_string(definition)}")
    return (OUTPUT,)


def fill(result: Any, definition: Any, arrays: dict[str, Any], rows: int) -> None:
    """Writes the output, ``[rows]`` or ``[rows, 1]``, into a RegressionResult. Raises StatusError."""
    value = arrays[OUTPUT]
    shape = np.shape(value)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise statuses.invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{statuses.shape_text(shape)}"
        )
    if shape[0] != rows:
        raise statuses.invalid(f"Input batch size did not match output batch size: {rows} vs. {shape[0]}")
    dtype = definition.outputs[OUTPUT].dtype
    if dtype != types_pb2.DT_FLOAT:
        # Two spaces, as in TF Serving.
        raise statuses.invalid(f"Expected output Tensor of DT_FLOAT.  Got: {types_pb2.DataType.Name(dtype)}")
    for number in np.ravel(value).tolist():
        result.regressions.add().value = number

"""What is written of a request: a PredictionLog, and its rows as tf.Examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from mlops_tfx.serving.input_names import RAW_SIGNATURE
from mlops_tfx.serving.server.calls import Call, holds_examples
from mlops_tfx.serving.server.request_log.encoding import encode_rows

_FIELDS = {"Predict": "predict_log", "Classify": "classify_log", "Regress": "regress_log",
           "MultiInference": "multi_inference_log"}  # fmt: skip
_NO_INTEGER = np.iinfo(np.int64).min
_PREDICTION = "prediction/"
# From here on columns are faster.
_MANY_ROWS = 20


def prediction_log(call: Call, outputs: Sequence[Any], sampling: Any, tags: Sequence[str], seconds: int) -> bytes:
    """Returns a serialized PredictionLog of a request that was answered with ``outputs``."""
    log = prediction_log_pb2.PredictionLog()
    pair = getattr(log, _FIELDS[call.api])
    pair.request.CopyFrom(call.request if call.request is not None else _predict_request(call))
    if call.respond is not None:
        pair.response.CopyFrom(call.respond(outputs))
    meta = log.log_metadata
    meta.model_spec.name = call.model_name
    meta.model_spec.version.value = call.version
    meta.model_spec.signature_name = call.signature_name
    meta.sampling_config.CopyFrom(sampling)
    meta.saved_model_tags.extend(tags)
    meta.timestamp_secs = seconds
    return bytes(log.SerializeToString())


def _predict_request(call: Call) -> Any:
    import tensorflow as tf

    request = predict_pb2.PredictRequest()
    request.model_spec.name = call.model_name
    request.model_spec.signature_name = call.signature_name
    for alias, value in call.inputs.items():
        if alias in call.given:
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def examples(call: Call, outputs: Sequence[Any] | None = None) -> list[bytes]:
    """Returns the rows of a request as serialized tf.Examples.

    Serialized examples are kept as they came; other inputs become features, of the name that the schema beside the
    model has for them, or else of the input's. For ``serving_raw``, NaN, ``""`` and -2**63 are no values, as they are
    for the model.

    Args:
        call: the request.
        outputs: the answer, to be added as features ``prediction/<output>``; outputs without a value per row are not.
    """
    features = () if call.checks is None else call.checks.features
    if holds_examples(call, features) and np.ndim(call.values[0]) == 1:
        rows = [bytes(row) for row in call.values[0].tolist()]
    else:
        given = {_feature(call, a): np.asarray(value) for a, value in call.inputs.items() if a in call.given}
        count = max((len(value) for value in given.values() if value.ndim), default=1)
        rows = _rows(given, count, drop_missing=call.signature_name == RAW_SIGNATURE)
    if outputs is None:
        return rows
    named = {_PREDICTION + name: np.asarray(value) for name, value in zip(call.plan.outputs, outputs, strict=True)}
    answers = {name: value for name, value in named.items() if value.ndim and len(value) == len(rows)}
    # Two messages one after the other are read as one that has the features of both.
    return [row + answer for row, answer in zip(rows, _rows(answers, len(rows)), strict=True)]


def _feature(call: Call, alias: str) -> str:
    return alias if call.checks is None else call.checks.features.get(alias, alias)


def _rows(columns: Mapping[str, Any], count: int, drop_missing: bool = False) -> list[bytes]:
    tables = {}
    for name, value in columns.items():
        table = np.broadcast_to(value, (count,)) if value.ndim == 0 else value
        if len(table) != count:
            raise ValueError(f"expected {count} rows in every input, received {len(table)} in {name!r}")
        tables[name] = _typed(table.reshape(count, -1) if count else table)
    if count >= _MANY_ROWS:
        return encode_rows({name: (kind, *_flat(table, drop_missing)) for name, (kind, table) in tables.items()}, count)
    rows = [example_pb2.Example() for _ in range(count)]
    for name, (kind, table) in tables.items():
        for row, values in zip(rows, _cells(table, drop_missing), strict=True):
            if values:
                getattr(row.features.feature[name], kind).value.extend(values)
    return [row.SerializeToString() for row in rows]


def _typed(table: Any) -> tuple[str, Any]:
    """The list of a tf.Example that a dtype goes to, and the values in its type."""
    if table.dtype.kind == "O":
        return "bytes_list", table
    if table.dtype.kind in "iub":
        return "int64_list", table.astype(np.int64)
    return "float_list", table.astype(np.float32)


def _none(table: Any) -> Any:
    """Where a table has what stands for no value."""
    if table.dtype.kind == "O":
        return table == b""
    return table == _NO_INTEGER if table.dtype.kind == "i" else np.isnan(table)


def _flat(table: Any, drop_missing: bool) -> tuple[Any, Any]:
    """Values, and the offsets of the rows among them."""
    rows, width = table.shape
    none = _none(table) if drop_missing else np.zeros(0, bool)
    if not none.any():
        return table.reshape(-1), np.arange(rows + 1) * width
    return table[~none], np.concatenate([[0], np.cumsum((~none).sum(1))])


def _cells(table: Any, drop_missing: bool) -> list[list[Any]]:
    none = _none(table) if drop_missing else np.zeros(0, bool)
    if none.any():
        return [row[~skip].tolist() for row, skip in zip(table, none, strict=True)]
    cells: list[list[Any]] = table.tolist()
    return cells

"""The bodies of ``:classify`` and ``:regress``: examples as objects, and the answers to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.rest import json_tensors, json_values
from mlops_tfx.serving.server.rest.predict_body import misformed

_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def fill_request(value: dict[str, Any], request: Any) -> None:
    """Writes ``context`` and ``examples`` into a ClassificationRequest or RegressionRequest. Raises StatusError."""
    shared = "context" in value
    target = request.input.example_list_with_context if shared else request.input.example_list
    if shared:
        _fill_example(value["context"], target.context)
    if "examples" not in value:
        # TF Serving says so for regress as well.
        raise misformed(value, "When method is classify, key 'examples' is expected and was not found")
    examples = value["examples"]
    if type(examples) is not list:
        raise misformed(value, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise misformed(value, "'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if type(value) is not dict:
        raise statuses.invalid(f"Example must be JSON object but got JSON {json_values.kind(value)}")
    for name, content in value.items():
        _fill_feature(name, content if type(content) is list else [content], example.features.feature[name])


def _fill_feature(name: str, values: list[Any], feature: Any) -> None:
    kind = ""
    for value in values:
        other = _kind(name, value)
        if kind and other != kind:
            raise statuses.invalid(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = other
    if kind == "bytes":
        feature.bytes_list.value.extend(
            value.encode() if type(value) is str else json_tensors.decode_b64(value) for value in values
        )
    elif kind == "float":
        feature.float_list.value.extend(values)
    elif kind == "int64":
        feature.int64_list.value.extend(values)


def _kind(name: str, value: Any) -> str:
    """Which of the three lists of a Feature a value is for. Raises StatusError if it is for none."""
    if type(value) is str or json_tensors.is_b64(value):
        return "bytes"
    if type(value) is float:
        if _LARGEST_FLOAT < abs(value) < float("inf"):
            raise json_tensors.lossy(value, "float")
        return "float"
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise statuses.invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    if type(value) in (bool, int):
        return "int64"
    raise statuses.invalid(f"Feature: {name} has element with unexpected JSON type: {json_values.kind(value)}")


def classify_answer(response: Any) -> bytes:
    """Returns ``{"results": [[[label, score], ...], ...]}``."""
    found = response.result.classifications
    rows = [[[entry.label, np.float32(entry.score)] for entry in row.classes] for row in found]
    return _write(rows, [score for row in rows for _, score in row])


def regress_answer(response: Any) -> bytes:
    """Returns ``{"results": [value, ...]}``."""
    values = np.array([entry.value for entry in response.result.regressions], np.float32)
    return _write(values, values)


def _write(results: Any, numbers: Any) -> bytes:
    write = json_values.write if np.isfinite(numbers).all() else json_values.write_non_finite
    return write({"results": results})

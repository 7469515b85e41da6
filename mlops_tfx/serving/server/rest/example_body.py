"""The bodies of ``:classify`` and ``:regress``: examples as objects, and the answers to them."""

from __future__ import annotations

from typing import Any

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.rest import json_tensors, json_values


def fill_request(value: dict[str, Any], request: Any, method: str) -> None:
    """Writes ``context`` and ``examples`` into a ClassificationRequest or RegressionRequest. Raises StatusError."""
    if "examples" not in value:
        raise statuses.invalid(f"When method is {method}, key 'examples' is expected and was not found")
    examples = value["examples"]
    if type(examples) is not list or not examples:
        raise statuses.invalid("'examples' must be a non-empty list/array")
    shared = "context" in value
    target = request.input.example_list_with_context if shared else request.input.example_list
    if shared:
        _fill_example(value["context"], target.context)
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if type(value) is not dict:
        raise statuses.invalid(
            f"Example must be formatted as an object, received JSON Value: {json_values.show(value)} of Type: "
            f"{json_values.kind(value)}"
        )
    for name, content in value.items():
        _fill_feature(name, content if type(content) is list else [content], example.features.feature[name])


def _fill_feature(name: str, values: list[Any], feature: Any) -> None:
    if not values:
        return
    kinds = {_list_of(name, value) for value in values}
    if len(kinds) > 1:
        raise statuses.invalid(f"Unexpected element type in list of feature {name}: expecting one of {sorted(kinds)}")
    kind = kinds.pop()
    if kind == "bytes_list":
        feature.bytes_list.value.extend(
            value.encode() if type(value) is str else json_tensors.decode_b64(value["b64"]) for value in values
        )
    else:
        getattr(feature, kind).value.extend(values)


def _list_of(name: str, value: Any) -> str:
    if type(value) is str or (json_tensors.is_b64(value) and type(value["b64"]) is str):
        return "bytes_list"
    if type(value) is float:
        return "float_list"
    if type(value) is bool or (type(value) is int and -(2**63) <= value < 2**63):
        return "int64_list"
    raise statuses.invalid(
        f"Unexpected element type in feature {name}: JSON Value: {json_values.show(value)} Type: "
        f"{json_values.kind(value)}"
    )


def classify_answer(response: Any) -> bytes:
    """Returns ``{"results": [[[label, score], ...], ...]}``."""
    rows = [[[found.label, found.score] for found in row.classes] for row in response.result.classifications]
    return _floats(rows)


def regress_answer(response: Any) -> bytes:
    """Returns ``{"results": [value, ...]}``."""
    return _floats([entry.value for entry in response.result.regressions])


def _floats(results: list[Any]) -> bytes:
    import numpy as np

    numbers = [cell[1] for row in results for cell in row] if results and type(results[0]) is list else results
    singles = iter(np.array(numbers, np.float32))
    if results and type(results[0]) is list:
        value: Any = [[[label, next(singles)] for label, _ in row] for row in results]
    else:
        value = list(singles)
    finite = bool(np.isfinite(numbers).all())
    return (json_values.write if finite else json_values.write_non_finite)({"results": value})

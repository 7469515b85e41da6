"""The body of ``:predict``: ``instances`` (rows) or ``inputs`` (columns) to arrays by input."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.rest import json_tensors, json_values


def document(body: bytes) -> dict[str, Any]:
    """Returns the object that a body holds. Raises StatusError."""
    value = json_values.read(body)
    if type(value) is not dict:
        raise statuses.invalid(f"JSON Value: {json_values.show(value)} Is not object")
    return value


def signature_name(value: dict[str, Any], default: str) -> str:
    """Returns the signature that a body asks for. Raises StatusError."""
    name = value.get("signature_name", default)
    if type(name) is not str:
        raise statuses.invalid(
            f"JSON Value: {json_values.show(value)} not formatted correctly. 'signature_name' key must be a string "
            "value."
        )
    return name or default


def arrays(value: dict[str, Any], inputs: Any, optional: Collection[str]) -> tuple[dict[str, Any], bool]:
    """Returns arrays by input, and whether the body is in rows. Raises StatusError.

    Args:
        value: the body.
        inputs: name -> TensorInfo of the signature.
        optional: inputs that may be left out.
    """
    if "instances" in value and "inputs" in value:
        raise statuses.invalid(
            f"JSON Value: {json_values.show(value)} Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist "
        )
    if "instances" in value:
        return _rows(value["instances"], inputs, optional), True
    if "inputs" in value:
        return _columns(value["inputs"], inputs, optional), False
    raise statuses.invalid("Missing 'inputs' or 'instances' key")


def _columns(value: Any, inputs: Any, optional: Collection[str]) -> dict[str, Any]:
    named = type(value) is dict and not json_tensors.is_b64(value)
    if len(inputs) == 1 and not (named and next(iter(inputs)) in value):
        name, info = next(iter(inputs.items()))
        return {name: json_tensors.to_array(value, info.dtype)}
    if not named:
        raise statuses.invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    result = {}
    for name, info in inputs.items():
        if name in value:
            result[name] = json_tensors.to_array(value[name], info.dtype)
        elif name not in optional:
            raise statuses.invalid(f"Missing named input: {name} in 'inputs' object.")
    return result


def _rows(instances: Any, inputs: Any, optional: Collection[str]) -> dict[str, Any]:
    if type(instances) is not list:
        raise statuses.invalid("Expecting 'instances' to be an list/array")
    if not instances:
        raise statuses.invalid("No values in 'instances' array")
    objects = _are_objects(instances)
    if not objects and len(inputs) > 1:
        raise statuses.invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    if not objects:
        name, info = next(iter(inputs.items()))
        return {name: json_tensors.to_batch(instances, info.dtype)}
    names = _names(instances, inputs, optional)
    return {name: json_tensors.to_batch([row[name] for row in instances], inputs[name].dtype) for name in names}


def _are_objects(instances: list[Any]) -> bool:
    objects = _is_object(instances[0])
    for index, item in enumerate(instances):
        if _is_object(item) != objects:
            expected, received = ("object", _list_or_value(item)) if objects else ("value/list", "object")
            raise statuses.invalid(f"Expecting {expected} but got {received} at item {index} of input list")
    return objects


def _is_object(item: Any) -> bool:
    return type(item) is dict and not json_tensors.is_b64(item)


def _list_or_value(item: Any) -> str:
    return "list" if type(item) is list else "value"


def _names(instances: list[dict[str, Any]], inputs: Any, optional: Collection[str]) -> list[str]:
    """The inputs that the rows have: all that are not optional, and the same in every row."""
    given = instances[0].keys()
    for index, row in enumerate(instances):
        if row.keys() == given and given == inputs.keys():
            continue
        for name in row:
            if name not in inputs and len(row) == len(inputs):
                raise statuses.invalid(
                    f"Failed to process element: {index} key: {name} of 'instances' list. Error: INVALID_ARGUMENT: "
                    f"JSON object: does not have named input: {name}"
                )
        missing = inputs.keys() - row.keys()
        if row.keys() != given or row.keys() - inputs.keys() or any(name not in optional for name in missing):
            raise statuses.invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: {json_values.show(row)} keys "
                f"must be equal to: {','.join(sorted(inputs))}"
            )
    return list(given)

"""The body of ``:predict``: ``instances`` (rows) or ``inputs`` (columns) to arrays by input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.rest import json_tensors, json_values


def document(body: bytes) -> dict[str, Any]:
    """Returns the object that a body holds. Raises StatusError."""
    value = json_values.read(body)
    if type(value) is not dict:
        raise misformed(value, "Is not object")
    return value


def signature_name(value: dict[str, Any], default: str) -> str:
    """Returns the signature that a body asks for. Raises StatusError."""
    name = value.get("signature_name", default)
    if type(name) is not str:
        raise misformed(value, "not formatted correctly. 'signature_name' key must be a string value.")
    return name or default


def arrays(value: dict[str, Any], inputs: Any, optional: Collection[str]) -> tuple[dict[str, Any], bool]:
    """Returns arrays by input, and whether the body is in rows. Raises StatusError.

    Args:
        value: the body.
        inputs: name -> TensorInfo of the signature.
        optional: inputs that may be left out.
    """
    if not inputs:
        raise statuses.invalid(f"Failed to get input map for signature: {value.get('signature_name') or 'DEFAULT'}")
    if "instances" in value and "inputs" in value:
        raise misformed(value, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    if "instances" in value:
        return _rows(value, inputs, optional), True
    if "inputs" in value:
        return _columns(value["inputs"], inputs, optional), False
    raise statuses.invalid("Missing 'inputs' or 'instances' key")


def misformed(value: Any, text: str) -> statuses.StatusError:
    """A body that does not have the form of a request."""
    return statuses.invalid(f"JSON Value: {json_values.show(value)} {text}")


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


def _rows(value: dict[str, Any], inputs: Any, optional: Collection[str]) -> dict[str, Any]:
    instances = value["instances"]
    if type(instances) is not list:
        raise misformed(value, "Expecting 'instances' to be an list/array")
    if not instances:
        raise misformed(value, "No values in 'instances' array")
    named = _is_object(instances[0])
    if not named and len(inputs) > 1:
        raise statuses.invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    _check_kinds(instances, named)
    if named:
        columns = {name: [row[name] for row in instances] for name in _names(instances, inputs, optional)}
    else:
        columns = {next(iter(inputs)): instances}
    try:
        return {name: json_tensors.to_array(values, inputs[name].dtype) for name, values in columns.items()}
    except statuses.StatusError as error:
        raise _row_error(columns, inputs, named, error) from None


def _check_kinds(instances: list[Any], named: bool) -> None:
    for index, item in enumerate(instances):
        if _is_object(item) != named:
            expected, received = ("object", "list") if named else ("value/list", "object")
            raise statuses.invalid(f"Expecting {expected} but got {received} at item {index} of input list")


def _is_object(item: Any) -> bool:
    return type(item) is dict and not json_tensors.is_b64(item)


def _names(instances: list[dict[str, Any]], inputs: Any, optional: Collection[str]) -> list[str]:
    """The inputs that the rows have: all that are not optional, and the same in every row."""
    given = instances[0].keys()
    all_given = len(given) == len(inputs) and all(name in inputs for name in given)
    for index, row in enumerate(instances):
        if all_given and row.keys() == given:
            continue
        for name in row:
            if name not in inputs:
                raise _in_row(index, f" key: {name}", f"JSON object: does not have named input: {name}")
        if row.keys() != given or any(name not in optional for name in inputs.keys() - row.keys()):
            raise statuses.invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: {json_values.show(row)} keys "
                f"must be equal to: {','.join(sorted(inputs))}"
            )
    return list(given)


def _in_row(index: int, key: str, text: str) -> statuses.StatusError:
    return statuses.invalid(
        f"Failed to process element: {index}{key} of 'instances' list. Error: {statuses.invalid(text)}"
    )


def _row_error(
    columns: Mapping[str, list[Any]], inputs: Any, named: bool, error: statuses.StatusError
) -> statuses.StatusError:
    """What is wrong with the first row that does not fit, as TF Serving says it, which reads row by row.

    ``error`` is what all rows together gave; it is returned if no single row is to blame.
    """

    def fit(start: int, stop: int) -> bool:
        try:
            for name, values in columns.items():
                json_tensors.to_array([values[0], *values[start:stop]], inputs[name].dtype)
        except statuses.StatusError:
            return False
        return True

    index = _first(fit, len(next(iter(columns.values()))))
    for name, values in columns.items():
        key = f" key: {name}" if named else ""
        try:
            expected, received = (json_tensors.to_array(values[at], inputs[name].dtype) for at in (0, index))
        except statuses.StatusError as fault:
            return statuses.invalid(f"Failed to process element: {index}{key} of 'instances' list. Error: {fault}")
        if expected.size != received.size:
            return _in_row(index, key, f"Expecting tensor size: {expected.size} but got: {received.size}")
        if expected.shape != received.shape:
            shapes = [statuses.shape_text(array.shape) for array in (expected, received)]
            return _in_row(index, key, f"Expecting shape {shapes[0]} but got: {shapes[1]}")
    return error


def _first(fit: Callable[[int, int], bool], count: int) -> int:
    """The first row that does not fit; by halves, since each look takes as long as there are rows in it."""
    start, stop = 0, count
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (middle, stop) if fit(start, middle) else (start, middle)
    return start

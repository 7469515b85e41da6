"""Checks parameter values against their annotations, with pydantic, and turns them into canonical JSON."""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mlops_tfx.placeholders import Placeholder
from mlops_tfx.protos.forms import is_json_object, is_message

_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return TypeAdapter(annotation)
    return TypeAdapter(annotation, config=_STRICT)


def check_parameter(annotation: Any, value: Any) -> tuple[Any, str | None]:
    """Returns the value in the annotated type, and what is wrong with it, if anything.

    Scalars are not converted (``"5"`` is no int, an int is a float), but a number may be given for an enum; a list may
    be given for a tuple; a dict, JSON text or a protobuf message for a configuration model.
    """
    adapter = _adapter(annotation)
    try:
        return adapter.validate_python(value), None
    except ValidationError as strict_error:
        if not (_is_structured(value) or _holds_enum(annotation)):
            return value, _describe(annotation, value, strict_error)
    try:
        return adapter.validate_python(value, strict=False), None
    except ValidationError as error:
        return value, _describe(annotation, value, error)


def _is_structured(value: Any) -> bool:
    return isinstance(value, list | tuple | dict | set) or is_message(value) or is_json_object(value)


def _holds_enum(annotation: Any) -> bool:
    members = (annotation, *get_args(annotation))
    return any(isinstance(member, type) and issubclass(member, enum.Enum) for member in members)


def _describe(annotation: Any, value: Any, error: ValidationError) -> str:
    expected = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    details = [
        (".".join(str(step) for step in item["loc"]) + ": " if item["loc"] else "") + item["msg"]
        for item in error.errors()
    ]
    return f"expected {expected}, received {value!r} ({'; '.join(dict.fromkeys(details))})"


def canonical_json(value: Any) -> str:
    """Returns JSON text that is equal for equal parameter values, whatever the order of their keys."""
    return json.dumps(to_json(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def to_json(value: Any) -> Any:
    """Returns a parameter value as plain JSON data. A function becomes its dotted name, a proto its JSON."""
    if isinstance(value, Placeholder):
        return {"__placeholder__": repr(value)}
    if isinstance(value, enum.Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, BaseModel):
        return {"__model__": type(value).__qualname__, **to_json(value.model_dump(exclude_none=True))}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((to_json(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return _opaque_to_json(value)


def _opaque_to_json(value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR") and hasattr(value, "SerializeToString"):
        return {"__proto__": value.DESCRIPTOR.full_name, "text": str(value)}
    if isinstance(value, bytes):
        return {"__bytes__": value.hex()}
    to_text: Callable[[], str] | None = getattr(value, "to_json", None)
    if callable(to_text) and not isinstance(value, type):
        return {"__json__": to_text()}
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)

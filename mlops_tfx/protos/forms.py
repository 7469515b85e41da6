"""Configuration in the forms that TFX took it in: protobuf messages, and JSON in protobuf's spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_CAPITAL = re.compile(r"(?<!^)([A-Z])")


def is_message(value: Any) -> bool:
    """Whether a value is a protobuf message, of any package and release; imports no protobuf."""
    return hasattr(type(value), "DESCRIPTOR") and hasattr(type(value), "ListFields")


def is_json_object(value: Any) -> bool:
    """Whether a value is text that may be a JSON object."""
    return isinstance(value, str) and value.lstrip().startswith("{")


def plain_fields(value: Any, names: Iterable[str]) -> Any:
    """Returns a message, JSON text or mapping as a dict with these field names; anything else as it is.

    Fields that a message has not set are left out: they take the defaults of the configuration model. JSON may spell
    names with capitals (``splitConfig``), as protobuf writes them.

    Raises:
        ValueError: the text is no JSON, or the message holds an ``Any`` of a type that is not imported.
    """
    if is_message(value):
        return _fields_of(value)
    if is_json_object(value):
        value = json.loads(value)
    if isinstance(value, Mapping):
        known = set(names)
        return {_spelled(name, known): item for name, item in value.items()}
    return value


def _fields_of(message: Any) -> dict[str, Any]:
    from google.protobuf import json_format

    try:
        fields: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    except TypeError as error:
        raise ValueError(f"expected messages of known types in an Any: {error}; import the type's module") from error
    return fields


def _spelled(name: Any, known: set[str]) -> Any:
    snake = _CAPITAL.sub(r"_\1", name).lower() if isinstance(name, str) else name
    return snake if name not in known and snake in known else name

"""Values as text: Base64, messages and configuration models, lists."""

from __future__ import annotations

import base64
import enum
import json
from collections.abc import Callable, Mapping
from typing import Any


class ProtoSerializationFormat(enum.Enum):
    """How ``serialize`` writes a message or a configuration model."""

    TEXT_FORMAT = 1
    JSON = 2
    BINARY = 3
    INLINE_FILE_TEXT_FORMAT = 4


class ListSerializationFormat(enum.Enum):
    """How ``serialize_list`` writes a list."""

    JSON = 1
    COMMA_SEPARATED_STR = 2


def in_base64(value: Any, url_safe: bool) -> str:
    """Returns text or bytes in Base64, with the alphabet for urls or the standard one; TypeError for anything else."""
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, bytes):
        raise TypeError("expected text or bytes")
    return (base64.urlsafe_b64encode(data) if url_safe else base64.b64encode(data)).decode("ascii")


def serialized(value: Any, form: ProtoSerializationFormat) -> str | bytes:
    """Returns the text or bytes of a message, or of a configuration model; TypeError for anything else."""
    is_model = hasattr(type(value), "model_fields")
    if is_model and form is ProtoSerializationFormat.JSON:
        return str(value.model_dump_json(exclude_none=True))
    if not hasattr(value, "DESCRIPTOR"):
        raise TypeError(f"expected a {'message to write as ' + form.name if is_model else 'message'}")
    from google.protobuf import json_format, text_format

    if form is ProtoSerializationFormat.JSON:
        return str(json_format.MessageToJson(value, preserving_proto_field_name=True))
    if form is ProtoSerializationFormat.BINARY:
        return bytes(value.SerializeToString())
    return str(text_format.MessageToString(value))


def list_as_text(values: Any, form: ListSerializationFormat) -> str:
    """Returns a list of plain values as JSON, or with commas and text in quotes; TypeError for anything else."""
    if isinstance(values, str | bytes | Mapping) or not all(isinstance(value, str | int | float) for value in values):
        raise TypeError("expected a list of bool, int, float or str")
    if form is ListSerializationFormat.JSON:
        return json.dumps(list(values))
    return ",".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)


ENCODINGS: Mapping[str, Callable[[Any, Any], str | bytes]] = {
    "b64encode": in_base64,
    "serialize": serialized,
    "serialize_list": list_as_text,
}
"""The functions by the names of the methods of a placeholder."""

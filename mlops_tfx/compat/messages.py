"""``tfx.utils.proto_utils``: messages to JSON and back; real protos and the configuration models of `mlops_tfx.config`.

TFX hands a message to an executor as JSON text, unless its parameter says ``use_proto=True``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from mlops_tfx.config import Config

M = TypeVar("M")


def is_message_type(type_: Any) -> bool:
    """Whether a class is one of proto messages, or of configuration models."""
    return isinstance(type_, type) and (issubclass(type_, Config) or _is_proto_class(type_))


def is_message(value: Any) -> bool:
    """Whether a value is a proto message or a configuration model."""
    return is_message_type(type(value))


def proto_to_json(proto: Any) -> str:
    """Returns a message as JSON text with sorted keys and the names of its fields as declared."""
    return json.dumps(proto_to_dict(proto), indent=2, sort_keys=True)


def proto_to_dict(proto: Any) -> dict[str, Any]:
    """Returns the fields of a message that are set, by their names as declared."""
    if isinstance(proto, Config):
        dumped: dict[str, Any] = proto.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return dumped
    from google.protobuf import json_format

    found: dict[str, Any] = json_format.MessageToDict(proto, preserving_proto_field_name=True)
    return found


def json_to_proto(json_str: str | Config, proto: M) -> M:
    """Sets the fields of a message from JSON text, and returns it; unknown fields are left out, as in TFX.

    A model stands for its text: TFX has text where parameters of our components are models.
    """
    return dict_to_proto(proto_to_dict(json_str) if isinstance(json_str, Config) else json.loads(json_str), proto)


def dict_to_proto(json_dict: Mapping[str, Any], proto: M) -> M:
    """Sets the fields of a message from a dict, and returns it; unknown fields are left out, as in TFX."""
    if isinstance(proto, Config):
        known = {name: value for name, value in json_dict.items() if name in type(proto).model_fields}
        for name, value in type(proto).model_validate(known):
            if name in known:
                setattr(proto, name, value)
        return proto
    from google.protobuf import json_format

    parse: Any = json_format.ParseDict
    parse(json_dict, proto, ignore_unknown_fields=True)
    return proto


def as_text(value: Any) -> Any:
    """Returns a message, list or dict as JSON text, and a function as its dotted path; all else as it is."""
    if is_message(value):
        return proto_to_json(value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def _is_proto_class(type_: type) -> bool:
    return hasattr(type_, "DESCRIPTOR") and hasattr(type_, "SerializeToString")

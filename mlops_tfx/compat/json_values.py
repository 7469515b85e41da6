"""``tfx.utils.json_utils``: JSON with classes, messages and objects that say how (`Jsonable`), in TFX's form."""

from __future__ import annotations

import importlib
import json
from typing import Any

from mlops_tfx.compat import messages

_KIND, _MODULE, _CLASS, _PROTO = "__tfx_object_type__", "__module__", "__class__", "__proto_value__"


class Jsonable:
    """Objects whose attributes are their state; others override both methods."""

    def to_json_dict(self) -> dict[str, Any]:
        """Returns the state as JSON values."""
        return self.__dict__

    @classmethod
    def from_json_dict(cls, dict_data: dict[str, Any]) -> Any:
        """Makes an object of the state."""
        made = cls.__new__(cls)
        made.__dict__ = dict_data
        return made


def dumps(obj: Any) -> str:
    """Returns JSON text, with sorted keys."""
    return json.dumps(obj, default=_encode, sort_keys=True)


def loads(s: str) -> Any:
    """Makes values of JSON text that `dumps` wrote. Classes in it are imported."""
    return json.loads(s, object_hook=_decode)


def _encode(obj: Any) -> dict[str, Any]:
    if isinstance(obj, type):
        return _named("class", obj)
    if isinstance(obj, Jsonable):
        return {**_named("jsonable", type(obj)), **obj.to_json_dict()}
    if messages.is_message(obj):
        return {**_named("proto", type(obj)), _PROTO: messages.proto_to_json(obj)}
    raise TypeError(f"Object of type {type(obj).__name__} is not JSON serializable")


def _named(kind: str, cls: type) -> dict[str, Any]:
    return {_KIND: kind, _MODULE: cls.__module__, _CLASS: cls.__qualname__}


def _decode(found: dict[str, Any]) -> Any:
    kind = found.pop(_KIND, None)
    if kind is None:
        return found
    cls: Any = importlib.import_module(found.pop(_MODULE))
    for name in found.pop(_CLASS).split("."):
        cls = getattr(cls, name)
    if kind == "class":
        return cls
    if kind == "proto":
        return messages.json_to_proto(found[_PROTO], cls())
    if not issubclass(cls, Jsonable):
        raise ValueError(f"expected a class derived from Jsonable, received {cls!r}")
    return cls.from_json_dict(found)

"""Declared properties of artifact types: their types, their values, and what they read as before they are set."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_tfx.errors import ArtifactError
from mlops_tfx.protos.forms import is_message

PropertyValue = Any
"""int, float, str, bool, a JSON value (dict, list) or a protobuf message."""


class PropertyType(enum.Enum):
    """The types that a declared property may have; names and numbers are TFX's."""

    INT = 1
    FLOAT = 2
    STRING = 3
    JSON_VALUE = 4
    PROTO = 5
    BOOLEAN = 6


@dataclass(frozen=True)
class Property:
    """Declares a property of an artifact type."""

    type: PropertyType


_UNSET: Mapping[PropertyType, PropertyValue] = {
    PropertyType.INT: 0,
    PropertyType.FLOAT: 0.0,
    PropertyType.STRING: "",
    PropertyType.BOOLEAN: False,
}
_PYTHON_TYPES: Mapping[PropertyType, tuple[type, ...]] = {
    PropertyType.INT: (int,),
    PropertyType.FLOAT: (float, int),
    PropertyType.STRING: (str,),
    PropertyType.JSON_VALUE: (dict, list, str, float, int, bool, type(None)),
    PropertyType.BOOLEAN: (bool,),
}
_TAKES_BOOL = (PropertyType.BOOLEAN, PropertyType.JSON_VALUE)


def unset_value(kind: PropertyType) -> PropertyValue:
    """Returns what a property reads as before it is set, as in TFX: 0, 0.0, "", False or None."""
    return _UNSET.get(kind)


def check_value(type_name: str, name: str, kind: PropertyType, value: PropertyValue) -> None:
    """Raises ArtifactError for a value of another type."""
    if kind is PropertyType.PROTO:
        fits = value is None or is_message(value)
    else:
        fits = isinstance(value, _PYTHON_TYPES[kind]) and (not isinstance(value, bool) or kind in _TAKES_BOOL)
    if not fits:
        raise ArtifactError(f"property {name!r} of {type_name}: expected {kind.name}, received {name}={value!r}")

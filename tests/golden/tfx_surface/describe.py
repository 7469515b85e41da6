"""What modules offer, as plain data: the same code looks at TFX, in TFX's interpreter, and at mlops_tfx.v1, in ours."""

from __future__ import annotations

import enum
import inspect
import types
import typing

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "any",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "keyword only",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def describe(value):
    """What kind of thing a name stands for, and how it is called."""
    if isinstance(value, types.ModuleType):
        return {"kind": "module"}
    if hasattr(value, "DESCRIPTOR") and hasattr(value, "Name"):
        return {"kind": "numbers", "members": {name: value.Value(name) for name in value.keys()}}
    if hasattr(value, "DESCRIPTOR") and hasattr(value, "ListFields"):
        return {"kind": "message", "name": value.DESCRIPTOR.full_name}
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        return {"kind": "numbers", "members": {member.name: member.value for member in value}}
    if isinstance(value, (str, int, float)):
        return {"kind": "value", "value": value}
    if inspect.isclass(value) and issubclass(value, BaseException):
        return {"kind": "exception"}
    if inspect.isclass(value) and issubclass(value, str):
        return {"kind": "text"}
    if is_annotation(value):
        return {"kind": "annotation"}
    if typing.get_origin(value) is not None or value is typing.Any:
        return {"kind": "type"}
    if inspect.isclass(value) and is_protocol(value):
        return {"kind": "protocol"}
    if callable(value):
        return {"kind": "callable", "parameters": parameters(value)}
    raise TypeError(f"cannot describe {value!r}")


def is_annotation(value):
    """Whether it is only there to be subscripted: ``InputArtifact[Examples]``."""
    if typing.get_origin(value) is typing.Annotated:
        return bool(value.__parameters__)
    return inspect.isclass(value) and hasattr(type(value), "__getitem__")


def is_protocol(value):
    return bool(getattr(value, "_is_protocol", False))


def parameters(function):
    """Name, kind and, if there is one, default of every parameter, in order."""
    found = list(inspect.signature(function).parameters.values())
    if inspect.isclass(function) and _says_nothing(found):
        found = _of_first_telling_base(function) or found
    return [_parameter(parameter) for parameter in found]


def _says_nothing(found):
    return [parameter.kind for parameter in found] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]


def _of_first_telling_base(cls):
    """The parameters of the nearest constructor that does not just pass all on."""
    for base in cls.__mro__[:-1]:
        if inspect.isfunction(vars(base).get("__init__")):
            found = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
            if not _says_nothing(found):
                return found
    return None


def _parameter(parameter):
    found = {"name": parameter.name, "kind": KINDS[parameter.kind]}
    if parameter.default is not inspect.Parameter.empty:
        found["default"] = plain(parameter.default)
    return found


def plain(value):
    """A default as plain data: enums by name or number, what is no JSON by its repr."""
    if isinstance(value, enum.IntEnum):
        return int(value)
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return repr(value)


def methods(cls, names):
    """How methods of a class are called; "property" for those that are read like attributes, None for missing ones."""
    found = {}
    for name in names:
        member = inspect.getattr_static(cls, name, None)
        if isinstance(member, (classmethod, staticmethod)):
            found[name] = parameters(getattr(cls, name))
        elif inspect.isfunction(member):
            found[name] = parameters(member)[1:]
        else:
            found[name] = None if member is None else "property"
    return found

"""Messages that know no field of a name say which one may have been meant. protobuf says only that there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_tfx.errors import ConfigError, did_you_mean

_NO_FIELD = re.compile(r'Protocol message (\w+) has no "(\w+)" field')


def explain_unknown_fields(cls: Any) -> None:
    """Makes constructor and assignment of a message class name the field that is wrong, and the nearest that is not.

    They raise what protobuf itself raises: ValueError (here: ConfigError), TypeError, AttributeError.
    """
    if "_explains_unknown_fields" in vars(cls):
        return
    descriptor, construct, assign = cls.DESCRIPTOR, cls.__init__, cls.__setattr__

    def __init__(self: Any, *args: Any, **fields: Any) -> None:
        try:
            construct(self, *args, **fields)
        except (TypeError, ValueError) as error:
            explained = _explained(cls, construct, fields, error)
            raise explained if isinstance(error, ValueError) else TypeError(str(explained)) from error

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name not in descriptor.fields_by_name:
            raise AttributeError(_no_field(descriptor, name))
        assign(self, name, value)

    def __getattr__(self: Any, name: str) -> Any:
        # Only asked for what is neither a field nor a method; Python itself looks for names with underscores.
        raise AttributeError(name if name.startswith("_") else _no_field(descriptor, name))

    cls.__init__, cls.__setattr__, cls.__getattr__ = __init__, __setattr__, __getattr__
    cls._explains_unknown_fields = True


def _explained(cls: Any, construct: Any, fields: Mapping[str, Any], error: Exception) -> ConfigError:
    found = _NO_FIELD.search(str(error))
    if isinstance(error, ConfigError):
        return error
    if found is not None:
        named, field = found.groups()
        return ConfigError(_no_field(_named(cls.DESCRIPTOR, named) or cls.DESCRIPTOR, field))
    wrong = next((name for name, value in fields.items() if not _fits(cls, construct, name, value)), None)
    place = f"{_name(cls.DESCRIPTOR)}.{wrong}" if wrong else _name(cls.DESCRIPTOR)
    received = f", received {wrong}={fields[wrong]!r}" if wrong else ""
    return ConfigError(f"{place}: {error}{received}")


def _fits(cls: Any, construct: Any, name: str, value: Any) -> bool:
    try:
        construct(cls.__new__(cls), **{name: value})
    except (TypeError, ValueError):
        return False
    return True


def _named(descriptor: Any, name: str) -> Any:
    """The message of this name among a message and those that its fields hold, at any depth."""
    waiting, seen = [descriptor], []
    while waiting:
        message = waiting.pop(0)
        if message.name == name:
            return message
        seen.append(message.full_name)
        inner = [field.message_type for field in message.fields if field.message_type is not None]
        waiting.extend(other for other in inner if other.full_name not in seen)
    return None


def _no_field(descriptor: Any, field: str) -> str:
    return f"{_name(descriptor)} has no field {field!r}{did_you_mean(field, descriptor.fields_by_name)}"


def _name(descriptor: Any) -> str:
    return str(descriptor.full_name).removeprefix(f"{descriptor.file.package}.")

"""Registers the messages in protobuf's default pool, under the file names that TFX registers its own under.

A file that is there already, as TFX itself left it, is taken as it is: the classes are then the same, whichever package
they are imported from. The default pool also lets messages hold those of other packages: ``Any``, and
tensorflow_metadata's ``Path``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, symbol_database
from google.protobuf.internal import enum_type_wrapper

from mlops_tfx.protos.fields import explain_unknown_fields

_DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")
_IMPORTED = {"google/protobuf/any.proto": "google.protobuf.any_pb2"}


def publish(namespace: dict[str, Any], name: str) -> None:
    """Puts the messages and enums of a file, such as ``tfx/proto/trainer.proto``, into a module's namespace."""
    file = _register(name)
    namespace["DESCRIPTOR"] = file
    for enum in file.enum_types_by_name.values():
        namespace[enum.name] = enum_type_wrapper.EnumTypeWrapper(enum)
        namespace.update({value.name: value.number for value in enum.values})
    for message in file.message_types_by_name.values():
        namespace[message.name] = _message_class(message)
        _settle(namespace[message.name], namespace["__name__"], message.name)


def _register(name: str) -> Any:
    """Returns the descriptor of a file, after registering it, and what it imports, where that has not happened."""
    pool: Any = descriptor_pool.Default()
    try:
        return pool.FindFileByName(name)
    except KeyError:
        own = _files()[name]
    for dependency in own.dependency:
        # Descriptors of other packages are registered by importing their modules.
        importlib.import_module(_IMPORTED.get(dependency, dependency.removesuffix(".proto").replace("/", ".") + "_pb2"))
    pool.AddSerializedFile(own.SerializeToString())
    return pool.FindFileByName(name)


@functools.cache
def _files() -> Mapping[str, descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes())
    return {file.name: file for file in files.file}


def _message_class(descriptor: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    database: Any = symbol_database.Default()
    return database.GetPrototype(descriptor)  # protobuf 3.20


def _settle(cls: Any, module: str, path: str) -> None:
    """Says where a class and those nested in it are imported from, so that messages can be pickled."""
    for nested in _nested_messages(cls.DESCRIPTOR):
        inner = _message_class(nested)
        if not hasattr(cls, nested.name):
            setattr(cls, nested.name, inner)  # protobuf 3.20
        _settle(inner, module, f"{path}.{nested.name}")
    cls.__module__, cls.__qualname__ = module, path
    symbol_database.Default().RegisterMessage(cls)
    explain_unknown_fields(cls)


def _nested_messages(descriptor: Any) -> Iterator[Any]:
    return (nested for nested in descriptor.nested_types if not nested.GetOptions().map_entry)

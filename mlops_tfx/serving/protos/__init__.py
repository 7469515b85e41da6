"""TensorFlow's and TensorFlow Serving's messages without TensorFlow.

They live in a descriptor pool of their own: the same names may be registered in the default pool by TensorFlow or by
tensorflow-serving-api, before or after, and the two never meet. The descriptors come from the .proto files beside
this one, by ``generate.py``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")


@functools.cache
def pool() -> Any:
    """Returns the descriptor pool with all messages."""
    files = descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes())
    own = descriptor_pool.DescriptorPool()
    for file in files.file:
        own.AddSerializedFile(file.SerializeToString())
    return own


@functools.cache
def message(name: str) -> Any:
    """Returns a message class by its full name, such as ``tensorflow.TensorProto``."""
    descriptor = pool().FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return _factory().GetPrototype(descriptor)


@functools.cache
def _factory() -> Any:
    """Makes classes of messages, and knows those it has made, as protobuf 3.20 does it."""
    factory: Any = message_factory.MessageFactory
    return factory(pool())


@functools.cache
def enum_values(name: str) -> dict[str, int]:
    """Returns name -> number of an enum by its full name, such as ``tensorflow.DataType``."""
    return {value.name: value.number for value in pool().FindEnumTypeByName(name).values}

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
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


@functools.cache
def enum_values(name: str) -> dict[str, int]:
    """Returns name -> number of an enum by its full name, such as ``tensorflow.DataType``."""
    return {value.name: value.number for value in pool().FindEnumTypeByName(name).values}

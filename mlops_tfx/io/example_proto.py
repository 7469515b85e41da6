"""The messages of tf.train.Example, built without importing TensorFlow (their wire format is the same)."""

from __future__ import annotations

import functools
from typing import Any

_PACKAGE = "mlops_tfx.example"
_INT64, _FLOAT, _MESSAGE, _BYTES, _STRING = 3, 2, 11, 12, 9
_OPTIONAL, _REPEATED = 1, 3


@functools.cache
def example_class() -> Any:
    """The message class: ``example_class().FromString(data).SerializeToString(deterministic=True)``."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="mlops_tfx/example.proto", package=_PACKAGE, syntax="proto3")
    for name, kind in (("BytesList", _BYTES), ("FloatList", _FLOAT), ("Int64List", _INT64)):
        file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate((("bytes", "BytesList"), ("float", "FloatList"), ("int64", "Int64List")), 1):
        field = feature.field.add(name=f"{name}_list", number=number, type=_MESSAGE, label=_OPTIONAL)
        field.type_name, field.oneof_index = f".{_PACKAGE}.{kind}", 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_STRING, label=_OPTIONAL)
    entry.field.add(name="value", number=2, type=_MESSAGE, label=_OPTIONAL, type_name=f".{_PACKAGE}.Feature")
    features.field.add(
        name="feature", number=1, type=_MESSAGE, label=_REPEATED, type_name=f".{_PACKAGE}.Features.FeatureEntry"
    )
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, type=_MESSAGE, label=_OPTIONAL, type_name=f".{_PACKAGE}.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))

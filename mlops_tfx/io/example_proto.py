"""The messages of tf.train.Example, built without importing TensorFlow, and their canonical bytes.

Canonical means: map entries sorted by the bytes of their keys, packed numbers, fields in order. TFX 1.16 gets these
bytes from protobuf 3.20 with ``deterministic=True``. Later releases (upb) put ``delay_minutes`` before ``delay`` and
other keys in order, so their bytes, and hence their splits, differ wherever one feature's name begins with another's.
Here the order is ours, and the same under every release: the map is declared as the list of entries that it is on the
wire.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

_PACKAGE = "mlops_tfx.example"
_INT64, _FLOAT, _MESSAGE, _BYTES, _STRING = 3, 2, 11, 12, 9
_OPTIONAL, _REPEATED = 1, 3


def example_class() -> Any:
    """The message class ``Example{features: Features{feature: [FeatureEntry{key, value: Feature}]}}``."""
    return _classes()[0]


@functools.cache
def _classes() -> tuple[Any, ...]:
    """Example, and SequenceExample with ``feature_lists: {feature_list: [{key, value: FeatureList}]}``."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    # proto2, because there an empty key is written too, as in a map.
    file = descriptor_pb2.FileDescriptorProto(name="mlops_tfx/example.proto", package=_PACKAGE, syntax="proto2")
    for name, kind in (("BytesList", _BYTES), ("FloatList", _FLOAT), ("Int64List", _INT64)):
        field = file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=_REPEATED)
        if kind != _BYTES:
            field.options.packed = True
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, message) in enumerate(
        (("bytes", "BytesList"), ("float", "FloatList"), ("int64", "Int64List")), 1
    ):
        field = _add_message(feature, f"{name}_list", number, message, _OPTIONAL)
        field.oneof_index = 0
    entry = file.message_type.add(name="FeatureEntry")
    entry.field.add(name="key", number=1, type=_STRING, label=_OPTIONAL)
    _add_message(entry, "value", 2, "Feature", _OPTIONAL)
    _add_message(file.message_type.add(name="Features"), "feature", 1, "FeatureEntry", _REPEATED)
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features", _OPTIONAL)
    _add_message(file.message_type.add(name="FeatureList"), "feature", 1, "Feature", _REPEATED)
    entry = file.message_type.add(name="FeatureListEntry")
    entry.field.add(name="key", number=1, type=_STRING, label=_OPTIONAL)
    _add_message(entry, "value", 2, "FeatureList", _OPTIONAL)
    _add_message(file.message_type.add(name="FeatureLists"), "feature_list", 1, "FeatureListEntry", _REPEATED)
    sequence = file.message_type.add(name="SequenceExample")
    _add_message(sequence, "context", 1, "Features", _OPTIONAL)
    _add_message(sequence, "feature_lists", 2, "FeatureLists", _OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make: Any = getattr(message_factory, "GetMessageClass", None)
    if make is None:  # protobuf 3.20
        older: Any = message_factory.MessageFactory
        make = older(pool).GetPrototype
    return tuple(make(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in ("Example", "SequenceExample"))


def _add_message(message: Any, name: str, number: int, kind: str, label: int) -> Any:
    return message.field.add(name=name, number=number, type=_MESSAGE, label=label, type_name=f".{_PACKAGE}.{kind}")


def canonical_bytes(record: bytes) -> bytes:
    """The canonical bytes of a serialized tf.Example. Raises protobuf's DecodeError if it is none."""
    example = example_class().FromString(record)
    _sort_entries(example.features.feature)
    data: bytes = example.SerializeToString(deterministic=True)
    return data


def canonical_sequence_bytes(record: bytes) -> bytes:
    """The canonical bytes of a serialized tf.SequenceExample. Raises protobuf's DecodeError if it is none."""
    sequence = _classes()[1].FromString(record)
    _sort_entries(sequence.context.feature)
    _sort_entries(sequence.feature_lists.feature_list)
    data: bytes = sequence.SerializeToString(deterministic=True)
    return data


def _sort_entries(entries: Any) -> None:
    keys = [entry.key for entry in entries]
    if any(before >= after for before, after in itertools.pairwise(keys)):
        # Of entries with one key, the last counts.
        last = {entry.key: entry.SerializeToString() for entry in entries}
        del entries[:]
        for key in sorted(last):
            entries.add().ParseFromString(last[key])
    for entry in entries:
        entry.key = entry.key
        entry.value.SetInParent()

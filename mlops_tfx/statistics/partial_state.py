"""Partial statistics as bytes: what `MergeStatistics` merges, and what worker processes send back.

Accumulators are written field by field, and only classes on a list are made when reading: a file from anywhere can be
read safely, which a pickle cannot (ADR 20). Layout, little-endian: magic, u32 version, u32 length of the header, header
(JSON), and a zlib stream of u64 length of the tree, tree (JSON), blobs. The header is plain data that can be read
without TFDV.
"""

from __future__ import annotations

import functools
import importlib
import json
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from mlops_tfx.errors import DataError
from mlops_tfx.statistics.compute import Partial

STATE_FILE = "PartialStats.bin"
VERSION = 1

_MAGIC = b"mlops_tfx partial statistics\n"
_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<Q")
_GENERATORS = "tensorflow_data_validation.statistics.generators"
_CLASSES = (
    *(
        f"{_GENERATORS}.basic_stats_generator:{name}"
        for name in (
            "_BasicAcctype",
            "_PartialBasicStats",
            "_PartialCommonStats",
            "_PresenceAndValencyStats",
            "_PartialNumericStats",
            "_PartialStringStats",
            "_PartialBytesStats",
        )
    ),
    "tensorflow_data_validation.utils.variance_util:MeanVarAccumulator",
    "tensorflow_data_validation.utils.variance_util:WeightedMeanVarAccumulator",
    "tensorflow_data_validation.utils.variance_util:MeanCovAccumulator",
    f"{_GENERATORS}.top_k_uniques_sketch_stats_generator:_CombinedSketch",
    f"{_GENERATORS}.image_stats_generator:_PartialImageStats",
    f"{_GENERATORS}.natural_language_domain_inferring_stats_generator:_PartialNLStats",
    f"{_GENERATORS}.natural_language_stats_generator:_PartialNLStats",
    f"{_GENERATORS}.natural_language_stats_generator:_TokenStats",
    f"{_GENERATORS}.natural_language_stats_generator:_ReportedSequence",
    f"{_GENERATORS}.time_stats_generator:_PartialTimeStats",
    f"{_GENERATORS}.cross_feature_stats_generator:_PartialCrossFeatureStats",
    f"{_GENERATORS}.empty_value_counter_generator:_PartialCounterStats",
)
_SKETCHES = ("QuantilesSketch", "MisraGriesSketch", "KmvSketch")


class NotStorableError(TypeError):
    """A partial holds an object of a class that is not on the list: a user's own generator made it."""


def dumps(header: Mapping[str, Any], partial: Partial | None) -> bytes:
    """Writes a partial (None for none) after a header of plain JSON data.

    Raises:
        NotStorableError: the partial holds something that cannot be written; names its class.
    """
    encoder = _Encoder()
    tree = None if partial is None else encoder.encode([partial.rows, sorted(partial.columns), partial.slices])
    text = json.dumps({"tree": tree, "blobs": [len(blob) for blob in encoder.blobs]}).encode()
    body = zlib.compress(b"".join([_LENGTH.pack(len(text)), text, *encoder.blobs]), 1)
    head = json.dumps(header, sort_keys=True).encode()
    return b"".join([_MAGIC, _HEAD.pack(VERSION, len(head)), head, body])


def loads_header(data: bytes, where: str) -> dict[str, Any]:
    """Reads the header. Raises DataError if it is none, or of another version; ``where`` names the file."""
    return _split(data, where)[0]


def loads(data: bytes, where: str) -> tuple[dict[str, Any], Partial | None]:
    """Reads header and partial. Raises DataError as `loads_header` does, and for a damaged partial."""
    header, body = _split(data, where)
    try:
        return header, _decode_body(zlib.decompress(body))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, zlib.error, struct.error) as why:
        raise DataError(
            f"{where}: expected partial statistics, received damaged ones ({why}); compute them again"
        ) from why


def _split(data: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    start = len(_MAGIC) + _HEAD.size
    if not data.startswith(_MAGIC) or len(data) < start:
        raise DataError(f"{where}: expected partial statistics, received something else; compute them again")
    version, length = _HEAD.unpack_from(data, len(_MAGIC))
    if version != VERSION:
        raise DataError(
            f"{where}: expected partial statistics of version {VERSION}, received version={version}; compute them again"
        )
    try:
        header = json.loads(data[start : start + length])
    except ValueError as error:
        raise DataError(
            f"{where}: expected partial statistics, received a damaged header; compute them again"
        ) from error
    return dict(header), data[start + length :]


def _decode_body(body: bytes) -> Partial | None:
    (length,) = _LENGTH.unpack_from(body)
    start = _LENGTH.size + length
    head = json.loads(body[_LENGTH.size : start])
    blobs = []
    for size in head["blobs"]:
        blobs.append(body[start : start + size])
        start += size
    if start != len(body):
        raise ValueError("its length is not as stated")
    if head["tree"] is None:
        return None
    rows, columns, slices = _Decoder(blobs).decode(head["tree"])
    return Partial(rows, set(columns), slices)


@functools.cache
def _classes() -> dict[str, type]:
    """The classes that may occur, by name; versions of TFDV differ in which there are."""
    from mlops_tfx.statistics.top_values import ValueCounts

    found: dict[str, type] = {"ValueCounts": ValueCounts}
    for name in _CLASSES:
        module, _, attribute = name.partition(":")
        cls = getattr(importlib.import_module(module), attribute, None)
        if cls is not None:
            found[f"{module.rpartition('.')[2]}.{attribute}"] = cls
    return found


@functools.cache
def _names() -> dict[type, str]:
    return {cls: name for name, cls in _classes().items()}


def _fields(cls: type) -> tuple[str, ...]:
    slots = getattr(cls, "__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


class _Encoder:
    """Turns accumulators into JSON data and blobs. What JSON has no type for becomes ``{kind: content}``."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []

    def encode(self, value: Any) -> Any:
        import numpy as np

        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, list):
            return [self.encode(item) for item in value]
        for kind, (wanted, encode) in self._kinds().items():
            if type(value) in wanted:
                return {kind: encode(value)}
        return self._object(value)

    def _kinds(self) -> dict[str, tuple[tuple[type, ...], Callable[[Any], Any]]]:
        import numpy as np
        from tensorflow_data_validation import types

        return {
            "bytes": ((bytes,), self._blob),
            "tuple": ((tuple,), lambda value: [self.encode(item) for item in value]),
            "set": ((set, frozenset), lambda value: [self.encode(item) for item in sorted(value)]),
            "dict": ((dict,), self._items),
            "counter": ((Counter,), self._items),
            "default": ((defaultdict,), lambda value: [_names()[value.default_factory], self._items(value)]),
            "path": ((types.FeaturePath,), lambda value: [self.encode(step) for step in value.steps()]),
            "array": ((np.ndarray,), self._array),
        }

    def _items(self, value: Mapping[Any, Any]) -> list[Any]:
        return [[self.encode(key), self.encode(item)] for key, item in value.items()]

    def _blob(self, value: bytes) -> int:
        self.blobs.append(value)
        return len(self.blobs) - 1

    def _array(self, value: Any) -> list[Any]:
        if value.dtype.hasobject:
            raise NotStorableError("an array of Python objects")
        return [value.dtype.str, list(value.shape), self._blob(value.tobytes())]

    def _object(self, value: Any) -> Any:
        import pyarrow as pa
        from tfx_bsl import sketches

        for name in _SKETCHES:
            if isinstance(value, getattr(sketches, name)):
                return {"sketch": [name, self._blob(value.__getstate__())]}
        if isinstance(value, pa.Array):
            return {"arrow": self._blob(_to_ipc(value))}
        known = _names().get(type(value))
        if known is None:
            raise NotStorableError(f"{type(value).__module__}.{type(value).__qualname__}")
        if isinstance(value, tuple):
            return {"named": [known, [self.encode(item) for item in value]]}
        return {"object": [known, self._attributes(value)]}

    def _attributes(self, value: Any) -> dict[str, Any]:
        names = _fields(type(value)) or tuple(vars(value))
        # A slot may be empty, such as that of weights without weights.
        return {name: self.encode(getattr(value, name)) for name in names if hasattr(value, name)}


class _Decoder:
    def __init__(self, blobs: list[bytes]) -> None:
        self._blobs = blobs

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        readers: dict[str, Callable[[Any], Any]] = {
            "bytes": self._blobs.__getitem__,
            "tuple": lambda items: tuple(self.decode(items)),
            "set": lambda items: set(self.decode(items)),
            "dict": self._dict,
            "counter": lambda items: Counter(self._dict(items)),
            "default": lambda both: defaultdict(_classes()[both[0]], self._dict(both[1])),
            "path": self._path,
            "array": self._array,
            "sketch": self._sketch,
            "arrow": lambda blob: _from_ipc(self._blobs[blob]),
            "named": lambda both: _classes()[both[0]](*self.decode(both[1])),
            "object": self._object,
        }
        return readers[kind](content)

    def _dict(self, items: list[Any]) -> dict[Any, Any]:
        return {self.decode(key): self.decode(item) for key, item in items}

    def _path(self, steps: list[Any]) -> Any:
        from tensorflow_data_validation import types

        return types.FeaturePath(self.decode(steps))

    def _array(self, content: list[Any]) -> Any:
        import numpy as np

        dtype, shape, blob = content
        return np.frombuffer(self._blobs[blob], np.dtype(str(dtype))).reshape(shape).copy()

    def _sketch(self, content: list[Any]) -> Any:
        from tfx_bsl import sketches

        name, blob = content
        if name not in _SKETCHES:
            raise ValueError(f"unknown sketch {name!r}")
        cls = getattr(sketches, name)
        sketch = cls.__new__(cls)
        sketch.__setstate__(self._blobs[blob])
        return sketch

    def _object(self, content: list[Any]) -> Any:
        name, attributes = content
        cls = _classes()[name]
        made: Any = object.__new__(cls)
        if unknown := set(attributes) - set(_fields(cls) or attributes):
            raise ValueError(f"{name} has no field {sorted(unknown)}: another version of TFDV wrote it")
        for attribute, value in attributes.items():
            setattr(made, attribute, self.decode(value))
        return made


def _to_ipc(array: Any) -> bytes:
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays([array], ["values"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _from_ipc(data: bytes) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
    batch.validate(full=True)
    return batch.column(0)

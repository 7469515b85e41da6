"""Rows that the data do not have and requests may: one feature of a real row is changed at a time, by the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.skew.rows import SYNTHESISED, RowSet, shown_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = {schema_pb2.BYTES: pa.large_binary(), schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32()}
_INT64 = np.iinfo(np.int64)
_FLOAT32 = np.finfo(np.float32)
_LONG_TEXT = 1 << 16  # bytes; longer than any category, and short enough for every server's default limit
NOT_IN_ANY_VOCABULARY = b"no such value \xe2\x80\x93 42"
_NOT_UTF8 = b"\xff\xfe\x80 not UTF-8"


def synthesise(schema: Any, features: Sequence[str], sampled: RowSet) -> RowSet:
    """Returns rows for every feature, and some for all features together.

    Args:
        schema: the schema of the raw rows.
        features: those to change. Ones whose values lie in several columns (sparse features) are left alone.
        sampled: rows of the data; the one with the most features is the base of all.
    """
    known = {feature.name: feature for feature in schema.feature if feature.type in _TYPES}
    domains = {domain.name: domain for domain in schema.string_domain}
    chosen = [known[name] for name in features if name in known]
    base = _fullest(sampled)
    cases: list[tuple[str, Mapping[str, Any]]] = []
    for feature in chosen:
        values = _values(feature, domains, _present_values(sampled, feature.name))
        cases += [(f"{feature.name}: {what}", {feature.name: value}) for what, value in values]
    cases += _all_at_once(chosen)
    columns = {name: column[base].as_py() for name, column in zip(sampled.batch.schema.names, sampled.batch.columns,
                                                                    strict=True)}  # fmt: skip
    types = {name: column.type for name, column in zip(sampled.batch.schema.names, sampled.batch.columns, strict=True)}
    types |= {feature.name: pa.large_list(_TYPES[feature.type]) for feature in chosen}
    arrays = [pa.array([case.get(name, columns.get(name)) for _, case in cases], types[name]) for name in types]
    return RowSet(SYNTHESISED, pa.RecordBatch.from_arrays(arrays, list(types)), tuple(name for name, _ in cases))


def _fullest(sampled: RowSet) -> int:
    present = np.zeros(len(sampled), np.int64)
    for column in sampled.batch.columns:
        present += np.asarray(column.is_valid())
    return int(np.argmax(present))


def _present_values(sampled: RowSet, name: str) -> Any:
    place = sampled.batch.schema.get_field_index(name)
    column = None if place < 0 else sampled.batch.column(place)
    return pa.array([]) if column is None or pa.types.is_null(column.type) else column.flatten()


def _values(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, Any]]:
    """What the feature is given, and how that is called."""
    width = int(np.prod([dim.size for dim in feature.shape.dim], initial=1)) if feature.HasField("shape") else 1
    makers = {schema_pb2.BYTES: _texts, schema_pb2.INT: _integers, schema_pb2.FLOAT: _floats}
    yield "missing", None
    yield "an empty list", []
    found: dict[Any, str] = {}
    for what, value in makers[feature.type](feature, domains, present):
        # NaN is no NaN to a dict, and the two zeros are one.
        found.setdefault(repr(value), what)
        if found[repr(value)] == what:
            yield f"{what} ({shown_value(value)})", [value] * width
    yield "two values in place of one" if width == 1 else "one value too many", [_filler(feature)] * (width + 1)


def _filler(feature: Any) -> Any:
    return {schema_pb2.BYTES: b"x", schema_pb2.INT: 1, schema_pb2.FLOAT: 1.0}[feature.type]


def _texts(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, bytes]]:
    yield "out of the vocabulary", NOT_IN_ANY_VOCABULARY
    yield "an empty text", b""
    yield "no UTF-8", _NOT_UTF8
    yield "a zero byte", b"a\x00b"
    yield "a long text", b"long " * (_LONG_TEXT // 5)
    values = [value for value in present.to_pylist() if value]
    if values:
        yield "the longest of the sample", max(values, key=len)
        yield "in upper case", values[0].upper()
        yield "with spaces around", b" " + values[0] + b" "
    domain = _string_domain(feature, domains)
    if domain:
        yield "the first of the domain", domain[0].encode()
        yield "the last of the domain", domain[-1].encode()


def _string_domain(feature: Any, domains: Mapping[str, Any]) -> Sequence[str]:
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    return list(domains[feature.domain].value) if feature.domain in domains else []


def _integers(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, int]]:
    yield "zero", 0
    yield "minus one", -1
    yield "the largest int64", _INT64.max
    yield "the smallest int64", _INT64.min
    yield "the smallest int64 but one", _INT64.min + 1
    yield "no float32 is equal to it", 2**24 + 1
    yield "no float64 is equal to it", 2**53 + 1
    values = np.asarray(present)
    if values.size and values.max() < _INT64.max:
        yield "beyond the sample", int(values.max()) + 1
    domain = feature.int_domain
    for what, has, value, step in (
        ("the least of the domain", domain.HasField("min"), domain.min, -1),
        ("the most of the domain", domain.HasField("max"), domain.max, 1),
    ):
        if has:
            yield what, value
            if _INT64.min < value < _INT64.max:
                yield f"{what} and one further", value + step


def _floats(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, float]]:
    yield "NaN", float("nan")
    yield "infinity", float("inf")
    yield "minus infinity", float("-inf")
    yield "the largest float32", float(_FLOAT32.max)
    yield "the smallest float32", float(_FLOAT32.min)
    yield "next to zero", float(_FLOAT32.smallest_subnormal)
    yield "zero", 0.0
    yield "minus zero", -0.0
    yield "one third", float(np.float32(1 / 3))
    values = np.asarray(present, np.float32)
    if np.isfinite(values).any():
        yield "beyond the sample", float(np.nextafter(values[np.isfinite(values)].max(), np.float32(np.inf)))
    domain = feature.float_domain
    for what, has, value, end in (
        ("the least of the domain", domain.HasField("min"), domain.min, -np.inf),
        ("the most of the domain", domain.HasField("max"), domain.max, np.inf),
    ):
        if has:
            yield what, value
            yield f"{what} and one further", float(np.nextafter(np.float32(value), np.float32(end)))


def _all_at_once(features: Sequence[Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """All features missing, and all at the ends of their types."""
    ends = {schema_pb2.BYTES: _NOT_UTF8, schema_pb2.INT: _INT64.max, schema_pb2.FLOAT: float(_FLOAT32.max)}
    fixed = [feature for feature in features if not feature.HasField("shape")]
    return [
        ("all optional features: missing", {feature.name: None for feature in fixed}),
        ("all optional features: extreme", {feature.name: [ends[feature.type]] for feature in fixed}),
    ]

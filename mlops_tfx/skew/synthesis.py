"""Rows that the data do not have and requests may: one feature of a real row is changed at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.skew.rows import SYNTHESISED, RowSet
from mlops_tfx.skew.values import NOT_UTF8, values

TYPES = {schema_pb2.BYTES: pa.large_binary(), schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32()}


def synthesise(
    schema: Any,
    features: Sequence[str],
    sampled: RowSet,
    known: Mapping[str, Iterable[tuple[str, Any]]] | None = None,
) -> RowSet:
    """Returns rows for every feature, and some for all features together.

    Args:
        schema: the schema of the raw rows.
        features: those to change.
        sampled: rows of the data; the one with the most features is the base of all.
        known: feature -> values that graphs treat in a way of their own, and what these are called.
    """
    chosen = known_features(schema, features)
    domains = {domain.name: domain for domain in schema.string_domain}
    cases: list[tuple[str, Mapping[str, Any]]] = []
    for feature in chosen:
        made = values(feature, domains, present_values(sampled, feature.name), (known or {}).get(feature.name, ()))
        cases += [(f"{feature.name}: {what}", {feature.name: value}) for what, value in made]
    cases += _all_at_once(chosen)
    base = base_row(sampled)
    columns = {name: column[0].as_py() for name, column in zip(base.schema.names, base.columns, strict=True)}
    types = {name: column.type for name, column in zip(base.schema.names, base.columns, strict=True)}
    types |= {feature.name: pa.large_list(TYPES[feature.type]) for feature in chosen}
    arrays = [pa.array([case.get(name, columns.get(name)) for _, case in cases], types[name]) for name in types]
    return RowSet(SYNTHESISED, pa.RecordBatch.from_arrays(arrays, list(types)), tuple(name for name, _ in cases))


def known_features(schema: Any, features: Sequence[str]) -> list[Any]:
    """Returns the schema's entries of some features, as far as they have a type."""
    found = {feature.name: feature for feature in schema.feature if feature.type in TYPES}
    return [found[name] for name in features if name in found]


def base_row(sampled: RowSet) -> pa.RecordBatch:
    """Returns the row of the data with the most features, which others are made of."""
    present = np.zeros(len(sampled), np.int64)
    for column in sampled.batch.columns:
        present += np.asarray(column.is_valid())
    return sampled.take([int(np.argmax(present))]).batch


def present_values(sampled: RowSet, name: str) -> Any:
    """Returns all values of a feature as one Arrow array."""
    place = sampled.batch.schema.get_field_index(name)
    column = None if place < 0 else sampled.batch.column(place)
    return pa.array([]) if column is None or pa.types.is_null(column.type) else column.flatten()


def _all_at_once(features: Sequence[Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """All features missing, and all at the ends of their types."""
    ends = {
        schema_pb2.BYTES: NOT_UTF8,
        schema_pb2.INT: np.iinfo(np.int64).max,
        schema_pb2.FLOAT: float(np.finfo(np.float32).max),
    }
    free = [feature for feature in features if not feature.HasField("shape")]
    return [
        ("all optional features: missing", {feature.name: None for feature in free}),
        ("all optional features: extreme", {feature.name: [ends[feature.type]] for feature in free}),
    ]

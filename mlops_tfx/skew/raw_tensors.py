"""Rows as named dense tensors, and which rows no such tensors can express."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from mlops_tfx.serving.export import SERVING_RAW
from mlops_tfx.serving.export.raw_inputs import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.signatures import Signature


def inexpressible(rows: RowSet, signature: Signature, spec: Mapping[str, Any]) -> dict[int, str]:
    """Returns row -> why its values cannot be told to a signature of raw tensors.

    A dense tensor has no gaps. ``serving_raw`` takes NaN, ``""`` and the smallest int64 for missing values of optional
    features, so these cannot be sent as values.

    Args:
        rows: the rows.
        signature: takes raw tensors.
        spec: raw feature -> how it is parsed.
    """
    found: dict[int, str] = {}
    for alias, name in signature.features.items():
        column = _column(rows, name)
        counts = _counts(column)
        if isinstance(spec[name], tf.io.FixedLenFeature):
            if spec[name].default_value is not None:
                _note(found, counts == 0, f"a missing value of {name!r}, which has a default")
            elif signature.inputs[alias].shape.rank == 1:
                _note(found, counts != 1, f"a number of values of {name!r} other than one")
            continue
        if signature.name != SERVING_RAW:
            _note(found, counts != 1, f"a number of values of {name!r} other than one")
            continue
        values = _flat(column)
        parents = np.repeat(np.arange(len(counts)), counts)
        marker = MISSING[signature.inputs[alias].dtype]
        marked = np.isnan(values) if values.dtype.kind == "f" else values == marker
        at = np.zeros(len(counts), bool)
        at[parents[np.asarray(marked, bool)]] = True
        _note(found, at, f"{_marker_name(marker)} as a value of {name!r}: it means missing")
    return found


def _note(found: dict[int, str], where: Any, reason: str) -> None:
    for row in np.flatnonzero(where):
        found.setdefault(int(row), reason)


def _marker_name(marker: Any) -> str:
    return "NaN" if marker != marker else "the empty text" if marker == b"" else "the smallest int64"


def to_tensors(rows: RowSet, signature: Signature, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns input -> array. The rows must be expressible; one row alone may have any number of values."""
    return {
        alias: _tensor(_column(rows, name), signature.inputs[alias], spec[name])
        for alias, name in signature.features.items()
    }


def _tensor(column: Any, target: Any, spec: Any) -> Any:
    counts, values = _counts(column), _flat(column)
    kind = np.dtype(object) if target.dtype == tf.string else np.dtype(target.dtype.as_numpy_dtype)
    if isinstance(spec, tf.io.FixedLenFeature):
        width = int(counts[0]) if len(counts) == 1 else math.prod(spec.shape)
        array = values.astype(kind).reshape(len(counts), width)
        if width == math.prod(spec.shape):
            array = array.reshape(len(counts), *spec.shape)
    else:
        array = np.full((len(counts), max(1, int(counts.max(initial=1)))), MISSING[target.dtype], kind)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        array[np.repeat(np.arange(len(counts)), counts), np.arange(len(values)) - starts] = values
    rank = target.shape.rank
    return array.reshape(len(counts)) if rank == 1 and array.shape[1:] == (1,) else array


def _column(rows: RowSet, name: str) -> Any:
    place = rows.batch.schema.get_field_index(name)
    return rows.batch.column(place) if place >= 0 else pa.nulls(len(rows))


def _counts(column: Any) -> Any:
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    return np.asarray(column.value_lengths().fill_null(0)).astype(np.int64)


def _flat(column: Any) -> Any:
    if pa.types.is_null(column.type):
        return np.zeros(0, np.float32)
    return column.flatten().to_numpy(zero_copy_only=False)

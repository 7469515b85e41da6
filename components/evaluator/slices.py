"""Which rows of a batch belong to which slice, found on whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlops_tfx.components.evaluator.pairing import Array
from mlops_tfx.errors import DataError

# (column, value) pairs, sorted: TFMA's SliceKeyType. () is all rows.
SliceKey = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Values:
    """All values of one column of a batch, flattened: ``rows[i]`` is the row of ``values[i]``, ascending."""

    rows: Array
    values: Array


class Columns(Protocol):
    """Gives the values of a column, or None for a column that is not there."""

    @property
    def count(self) -> int:
        """Number of rows."""

    def values(self, name: str) -> Values | None:
        """All values of a column."""


@dataclass(frozen=True)
class SliceSpec:
    """One SlicingSpec: slice by every value of ``keys``, where every column of ``fixed`` has its value."""

    keys: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, proto: Any) -> SliceSpec:
        """Reads a ``tfma.SlicingSpec``. Numbers written as text are numbers, as in TFMA."""
        fixed = {name: _number(value) for name, value in proto.feature_values.items()}
        return cls(tuple(sorted(set(proto.feature_keys))), tuple(sorted(fixed.items())))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the slices look at."""
        return self.keys + tuple(name for name, _ in self.fixed)


def slice_rows(columns: Columns, specs: Sequence[SliceSpec]) -> dict[SliceKey, Array]:
    """Returns, for every slice that occurs, its rows, ascending and each once."""
    found: dict[SliceKey, Array] = {}
    coded: dict[str, _Coded] = {}
    for spec in specs or (SliceSpec(),):
        for key, rows in _rows_of(columns, spec, coded):
            # Two specs may describe the same slice; a row counts once.
            found[key] = np.union1d(found[key], rows) if key in found else rows
    return found


@dataclass(frozen=True)
class _Coded:
    """A column with its values as codes into ``names``; a value occurs once per row at most."""

    starts: Array
    counts: Array
    codes: Array
    names: Sequence[Any]


def _rows_of(columns: Columns, spec: SliceSpec, coded: dict[str, _Coded]) -> list[tuple[SliceKey, Array]]:
    rows = np.arange(columns.count)
    for name, value in spec.fixed:
        rows = np.intersect1d(rows, _rows_with(_code(columns, name, coded), value))
    key_codes = np.zeros(len(rows), np.int64)
    radices = []
    for name in spec.keys:
        column = _code(columns, name, coded)
        repeats = column.counts[rows]
        # Every row once per value of the column (none where it is missing).
        offsets = np.arange(repeats.sum()) - np.repeat(repeats.cumsum() - repeats, repeats)
        codes = column.codes[np.repeat(column.starts[rows], repeats) + offsets]
        key_codes = np.repeat(key_codes, repeats) * max(1, len(column.names)) + codes
        rows = np.repeat(rows, repeats)
        radices.append(column.names)
    return [(_key(code, spec, radices), members) for code, members in _groups(key_codes, rows)]


def _groups(codes: Array, rows: Array) -> list[tuple[int, Array]]:
    if not len(codes):
        return []
    order = np.argsort(codes, kind="stable")
    codes, rows = codes[order], rows[order]
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    return list(zip(codes[starts].tolist(), np.split(rows, starts[1:]), strict=True))


def _key(code: int, spec: SliceSpec, radices: Sequence[Sequence[Any]]) -> SliceKey:
    pairs = list(spec.fixed)
    for name, names in zip(reversed(spec.keys), reversed(radices), strict=True):
        code, index = divmod(code, len(names))
        pairs.append((name, names[index]))
    return tuple(sorted(pairs))


def _code(columns: Columns, name: str, coded: dict[str, _Coded]) -> _Coded:
    if name not in coded:
        coded[name] = _encode(columns.values(name), columns.count, name)
    return coded[name]


def _encode(column: Values | None, count: int, name: str) -> _Coded:
    if column is None or not len(column.values):
        return _Coded(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(0, np.int64), [])
    codes, names = _distinct(column.values, name)
    # A value twice in one row is one value.
    cells = np.unique(column.rows.astype(np.int64) * len(names) + codes)
    rows, codes = np.divmod(cells, len(names))
    counts = np.bincount(rows, minlength=count)
    return _Coded(counts.cumsum() - counts, counts, codes, names)


def _distinct(values: Array, name: str) -> tuple[Array, list[Any]]:
    if values.dtype.kind in "biuf":
        names, codes = np.unique(values, return_inverse=True)
        return codes.reshape(-1), names.tolist()
    import pyarrow as pa

    encoded = pa.array(values).dictionary_encode()
    return np.asarray(encoded.indices), [_text(value, name) for value in encoded.dictionary.to_pylist()]


def _text(value: Any, name: str) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected UTF-8 text in slicing feature {name!r}, received {value!r}") from error


def _rows_with(column: _Coded, value: Any) -> Array:
    wanted = [index for index, name in enumerate(column.names) if name == value or name == str(value)]
    rows = np.repeat(np.arange(len(column.counts)), column.counts)
    return rows[np.isin(column.codes, wanted)]


def _number(text: str) -> Any:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text

"""Where training's features jump: the ends of buckets, hours and rounded numbers, found by halving, to the last bit.

A boundary that belongs to the other side in serving, or that was copied with fewer digits, is seen at the two numbers
next to it and nowhere else. Training's graph is asked where they are: whatever it computes from a number, if it takes
few values over many numbers, it jumps between some two of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.errors import DataError, UserCodeError
from mlops_tfx.io import wire
from mlops_tfx.skew.arithmetic import as_written
from mlops_tfx.skew.synthesis import TYPES, base_row, present_values
from mlops_tfx.skew.values import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.training import Preprocessing

    Unsigned = NDArray[np.uint64]

_MOST_EDGES = 32
_GRID = 65
_ALL_OF = 512
_INT64, _FLOAT32 = np.iinfo(np.int64), np.finfo(np.float32)
_SIGN64, _SIGN32 = np.uint64(1 << 63), np.uint32(1 << 31)


def find_edges(
    preprocessing: Preprocessing, features: Sequence[Any], sampled: RowSet
) -> dict[str, list[tuple[str, Any]]]:
    """Returns feature -> the numbers on both sides of every jump that was found, and what they are called.

    Args:
        preprocessing: training's path.
        features: entries of the schema.
        sampled: rows of the data.
    """
    numbers = {feature.name: feature for feature in features if _is_one_number(feature)}
    if not numbers:
        return {}
    probe = _Probe(preprocessing, base_row(sampled), numbers)
    brackets: list[_Bracket] = []
    for to_the_ends in (True, False):
        grids = {name: _grid(feature, present_values(sampled, name), to_the_ends) for name, feature in numbers.items()}
        # A graph may refuse numbers far from those that it knows.
        with contextlib.suppress(DataError, UserCodeError), as_written():
            brackets = _halved(probe, _brackets(probe, grids))
            break
    found: dict[str, list[tuple[str, Any]]] = {}
    for bracket in brackets:
        for below, above in bracket.pairs():
            found.setdefault(bracket.feature, []).extend((("at a boundary", above), ("just below a boundary", below)))
    return found


def _is_one_number(feature: Any) -> bool:
    width = int(np.prod([dim.size for dim in feature.shape.dim], initial=1))
    return feature.type in (schema_pb2.INT, schema_pb2.FLOAT) and width == 1


def _grid(feature: Any, present: Any, to_the_ends: bool) -> Any:
    """Numbers of the sample and between them, and those at the ends of the type, in order."""
    is_float = feature.type == schema_pb2.FLOAT
    kind: Any = np.float32 if is_float else np.int64
    values = np.asarray(present, kind)
    values = np.unique(values[np.isfinite(values)])
    ends = [_FLOAT32.min, -1, 0, 1, _FLOAT32.max] if is_float else [_INT64.min, -1, 0, 1, _INT64.max]
    parts = [values, np.array(ends if to_the_ends else [], kind)]
    if len(values):
        least, most = values[0].item(), values[-1].item()
        if not is_float and most - least <= _ALL_OF:
            parts.append(np.arange(least, most + 1))
        else:
            parts.append(np.linspace(least, most, _GRID).astype(kind))
    return np.unique(np.concatenate(parts))


@dataclass
class _Bracket:
    """Pairs of numbers of one feature between which one output jumps.

    Attributes:
        feature: the feature.
        output: the place of the output.
        kind: the numpy type of the numbers.
        low: the lower ones as unsigned integers in the same order.
        high: the upper ones.
        prints: what the output is for the lower ones.
    """

    feature: str
    output: int
    kind: Any
    low: Unsigned
    high: Unsigned
    prints: Unsigned

    @property
    def middle(self) -> Unsigned:
        """Numbers half way, as unsigned integers."""
        return self.low + (self.high - self.low) // np.uint64(2)

    def halve(self, prints: Unsigned) -> None:
        """Keeps the halves with the jump; ``prints`` are what the output is half way."""
        middle, same = self.middle, prints == self.prints
        self.low, self.high = np.where(same, middle, self.low), np.where(same, self.high, middle)

    def pairs(self) -> list[tuple[Any, Any]]:
        """The numbers below and above each jump."""
        below, above = (_from_ordered(ordered, self.kind).tolist() for ordered in (self.low, self.high))
        return list(zip(below, above, strict=True))


def _brackets(probe: _Probe, grids: Mapping[str, Any]) -> list[_Bracket]:
    found = []
    for (name, grid), prints in zip(grids.items(), probe.fingerprints(list(grids.items())), strict=True):
        for output in probe.outputs_of(name):
            values = prints[:, output]
            # What differs for every number is no step function: it jumps everywhere.
            if 2 * len(np.unique(values)) > len(values):
                continue
            places = np.array(spread(np.flatnonzero(values[1:] != values[:-1]).tolist(), _MOST_EDGES), np.int64)
            if len(places):
                ordered = _ordered(grid)
                low, high = ordered[places], ordered[places + 1]
                found.append(_Bracket(name, output, grid.dtype, low, high, values[places]))
    return found


def _halved(probe: _Probe, brackets: list[_Bracket]) -> list[_Bracket]:
    """Brackets of neighbouring numbers."""
    while any((bracket.high - bracket.low > 1).any() for bracket in brackets):
        middles = [(bracket.feature, _from_ordered(bracket.middle, bracket.kind)) for bracket in brackets]
        for bracket, prints in zip(brackets, probe.fingerprints(middles), strict=True):
            bracket.halve(prints[:, bracket.output])
    return brackets


class _Probe:
    """Rows that are one row of the data but for one feature, and what training's graph makes of them."""

    def __init__(self, preprocessing: Preprocessing, base: pa.RecordBatch, features: Mapping[str, Any]) -> None:
        self._preprocessing = preprocessing
        base_columns = dict(zip(base.schema.names, base.columns, strict=True))
        kinds = {name: column.type for name, column in base_columns.items()}
        kinds |= {name: pa.large_list(TYPES[feature.type]) for name, feature in features.items()}
        # A column without any value in the sample has no type yet.
        found = {name: base_columns.get(name, pa.nulls(1)) for name in kinds}
        self._base = {name: one if one.type == kinds[name] else pa.nulls(1, kinds[name]) for name, one in found.items()}

    def outputs_of(self, name: str) -> list[int]:
        """The places of the outputs that are computed from a feature."""
        sources = self._preprocessing.sources
        return [place for place, output in enumerate(self._preprocessing.features) if name in sources[output]]

    def fingerprints(self, given: Sequence[tuple[str, Any]]) -> list[Unsigned]:
        """Returns for each feature and its numbers ``[numbers, outputs]``: equal where the output is."""
        stops = np.cumsum([len(numbers) for _, numbers in given]).tolist()
        same = pa.array(np.zeros(stops[-1], np.int64))
        columns = {name: one.take(same) for name, one in self._base.items()}
        for (name, numbers), stop in zip(given, stops, strict=True):
            lists = pa.LargeListArray.from_arrays(pa.array(np.arange(len(numbers) + 1)), pa.array(numbers))
            whole = columns[name]
            columns[name] = pa.concat_arrays([whole.slice(0, stop - len(numbers)), lists, whole.slice(stop)])
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        prints = _fingerprints(self._preprocessing.transform(batch, "probing"), self._preprocessing.features)
        found: list[Unsigned] = np.split(prints, stops[:-1])
        return found


def _fingerprints(batch: pa.RecordBatch, outputs: Sequence[str]) -> Unsigned:
    found = np.zeros((batch.num_rows, len(outputs)), np.uint64)
    for place, name in enumerate(outputs):
        index = batch.schema.get_field_index(name)
        # Ragged outputs of several columns are left out: what they are made of are texts.
        if index >= 0 and hasattr(batch.column(index).type, "value_type"):
            found[:, place] = _fingerprint(batch.column(index))
    return found


def _fingerprint(column: pa.Array) -> Unsigned:
    counts = np.asarray(column.value_lengths().fill_null(0)).astype(np.int64)
    found = _mixed(counts.astype(np.uint64))
    bits = _bits(column.flatten())
    if bits is not None:
        within = np.arange(len(bits)) - np.repeat(np.cumsum(counts) - counts, counts)
        np.add.at(found, np.repeat(np.arange(len(counts)), counts), _mixed(_mixed(bits) + within.astype(np.uint64)))
    return found


def _bits(values: pa.Array) -> Unsigned | None:
    if wire.is_bytes(values.type):
        return np.array([hash(value) & 0xFFFFFFFFFFFFFFFF for value in values.to_pylist()], np.uint64)
    if not (pa.types.is_float32(values.type) or pa.types.is_int64(values.type)):
        return None
    array = values.to_numpy(zero_copy_only=False)
    found: Unsigned = array.view(np.uint32 if array.dtype == np.float32 else np.uint64).astype(np.uint64)
    return found


def _mixed(numbers: Unsigned) -> Unsigned:
    """Splitmix64: equal numbers stay equal, and sums of different ones do not meet."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def _ordered(numbers: Any) -> Unsigned:
    """Unsigned integers in the order of the numbers, so that neighbours differ by one."""
    if numbers.dtype == np.int64:
        found: Unsigned = numbers.view(np.uint64) ^ _SIGN64
        return found
    bits = numbers.view(np.uint32)
    found = np.where(bits & _SIGN32, ~bits, bits | _SIGN32).astype(np.uint64)
    return found


def _from_ordered(ordered: Unsigned, kind: Any) -> Any:
    if kind == np.int64:
        return (ordered ^ _SIGN64).view(np.int64)
    bits = ordered.astype(np.uint32)
    return np.where(bits & _SIGN32, bits & ~_SIGN32, ~bits).view(np.float32)

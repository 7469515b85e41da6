"""Checks that rows can become the tensors that the schema describes, before TensorFlow is asked for it.

tfx_bsl's adapter trusts what it gets: row lengths that do not add up make ragged tensors that read foreign memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig


@dataclass(frozen=True)
class RawBatches:
    """What batches must look like to become tensors; picklable.

    Attributes:
        arrow_schema: the columns.
        checks: what must hold for the columns of each tensor.
        ragged: the columns of ragged tensors.
    """

    arrow_schema: pa.Schema
    checks: tuple[_Dense | _Sparse | _Ragged, ...]
    ragged: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: TensorAdapterConfig) -> RawBatches:
        """Reads it off the configuration of a TensorAdapter."""
        representations = config.tensor_representations
        return cls(config.arrow_schema, tuple(_checks(representations)), frozenset(_ragged_columns(representations)))

    def check(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """Returns the batch in exactly these columns, after checking that its rows make tensors.

        Raises:
            DataError: a row has another number of values than a dense tensor needs, or values, indices and row lengths
                of a sparse or ragged tensor do not fit each other; names feature, row and remedy.
        """
        columns = [_column(batch, field) for field in self.arrow_schema]
        columns = [_whole(column) if field.name in self.ragged else column
                   for field, column in zip(self.arrow_schema, columns, strict=True)]  # fmt: skip
        checked = pa.RecordBatch.from_arrays(columns, schema=self.arrow_schema)
        for check in self.checks:
            check.run(checked, where)
        return checked


def _checks(representations: Any) -> Iterator[_Dense | _Sparse | _Ragged]:
    for name, representation in representations.items():
        kind = representation.WhichOneof("kind")
        if kind == "dense_tensor":
            dense = representation.dense_tensor
            size = int(np.prod([dim.size for dim in dense.shape.dim], initial=1))
            yield _Dense(dense.column_name, size, dense.HasField("default_value"))
        elif kind == "sparse_tensor":
            sparse = representation.sparse_tensor
            sizes = tuple(dim.size for dim in sparse.dense_shape.dim)
            yield _Sparse(name, sparse.value_column_name, tuple(sparse.index_column_names), sizes)
        elif kind == "ragged_tensor" and representation.ragged_tensor.partition:
            ragged = representation.ragged_tensor
            steps = tuple(
                part.row_length if part.HasField("row_length") else part.uniform_row_length for part in ragged.partition
            )
            # Below ##SEQUENCE##, tfx_bsl makes the steps of a row itself; partitions there divide the values of a step.
            if len(ragged.feature_path.step) == 1:
                yield _Ragged(name, ragged.feature_path.step[0], steps)


def _ragged_columns(representations: Any) -> Iterator[str]:
    for representation in representations.values():
        if representation.WhichOneof("kind") == "ragged_tensor":
            ragged = representation.ragged_tensor
            yield ragged.feature_path.step[0]
            yield from (partition.row_length for partition in ragged.partition if partition.HasField("row_length"))


def _whole(column: pa.Array) -> pa.Array:
    """The column, copied if it is a slice of a longer one, all of whose values tfx_bsl would take."""
    if isinstance(column, (pa.ListArray, pa.LargeListArray)):
        sliced = bool(column.offset) or len(column.flatten()) != len(column.values)
        return column.take(pa.array(np.arange(len(column)))) if sliced else column
    return column


@dataclass(frozen=True)
class _Dense:
    column: str
    size: int
    has_default: bool

    def run(self, batch: pa.RecordBatch, where: str) -> None:
        counts = _counts(batch, self.column)
        wrong = np.flatnonzero((counts != self.size) & ~(self.has_default & (counts == 0)))
        if not len(wrong):
            return
        row = wrong[0]
        found = (
            f"{len(wrong)} of {len(counts)} rows of a batch have another number (row {row}: {counts[row]})"
            if counts.any()
            else "the data has no such feature"
        )
        wanted = f"{self.size} value(s) or none" if self.has_default else f"{self.size} value(s) in every row"
        raise DataError(
            f"{where}: feature {self.column!r}: the schema requires {wanted}, but {found}; "
            "repair the data, or make the feature optional in the schema (value_count, and presence without "
            "min_fraction, instead of shape) and fill missing values in preprocessing_fn"
        )


@dataclass(frozen=True)
class _Sparse:
    name: str
    values: str
    indices: tuple[str, ...]
    sizes: tuple[int, ...]

    def run(self, batch: pa.RecordBatch, where: str) -> None:
        counts = _counts(batch, self.values)
        for column, size in zip(self.indices, self.sizes, strict=True):
            found = _counts(batch, column)
            _refuse(np.flatnonzero(found != counts), where, self.name, self.values, counts, column, found)
            index = np.asarray(_flat(batch, column))
            wrong = (index < 0) | ((index >= size) if size > 0 else False)
            if np.any(wrong):
                value = index[np.flatnonzero(wrong)[0]]
                raise DataError(
                    f"{where}: sparse feature {self.name!r}: expected indices from 0 to {size - 1} in {column!r}, "
                    f"received {value}; repair the data, or the dense_shape in the schema"
                )


@dataclass(frozen=True)
class _Ragged:
    name: str
    values: str
    partitions: tuple[str | int, ...]  # from the outside: a column of row lengths, or the length of all rows

    def run(self, batch: pa.RecordBatch, where: str) -> None:
        inner, items = self.values, _counts(batch, self.values)
        for partition in reversed(self.partitions):
            if isinstance(partition, str):
                lengths = np.asarray(_flat(batch, partition))
                outer = _counts(batch, partition)
                sums = _sums(lengths, outer)
                _refuse(np.flatnonzero(sums != items), where, self.name, inner, items, f"sum of {partition}", sums)
                if np.any(lengths < 0):
                    raise DataError(
                        f"{where}: ragged feature {self.name!r}: expected row lengths from 0 in {partition!r}, "
                        f"received {lengths.min()}; repair the data"
                    )
                inner, items = partition, outer
            else:
                whole = items // partition
                name = f"whole rows of {partition}"
                wrong = np.flatnonzero(whole * partition != items)
                _refuse(wrong, where, self.name, inner, items, name, whole * partition)
                items = whole


def _refuse(
    wrong: Sequence[int] | NDArray[np.int64],
    where: str,
    tensor: str,
    first: str,
    first_counts: NDArray[np.int64],
    second: str,
    second_counts: NDArray[np.int64],
) -> None:
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{where}: feature {tensor!r}: expected {first!r} and {second!r} to fit in every row, but in {len(wrong)} "
            f"of {len(first_counts)} rows of a batch they do not (row {row}: {first_counts[row]} and "
            f"{second_counts[row]}); repair the data, or the tensor representation in the schema"
        )


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(index)
    # A column without any value carries no type.
    return pa.nulls(len(column), field.type) if pa.types.is_null(column.type) else column


def _flat(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch.column(batch.schema.get_field_index(name)).flatten()


def _counts(batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
    return np.asarray(batch.column(batch.schema.get_field_index(name)).value_lengths().fill_null(0))


def _sums(values: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    totals = np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    sums: NDArray[np.int64] = totals[ends[1:]] - totals[ends[:-1]]
    return sums

"""A record batch of examples as the evaluation needs it: columns, serialized examples, labels and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.components.evaluator.pairing import Array
from mlops_tfx.components.evaluator.slices import Values
from mlops_tfx.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


class EvalBatch:
    """A record batch, and what the models' preprocessing makes of it.

    Args:
        record_batch: the rows as columns.
        records: the rows as they lie in the file, if they are not made of the columns; called when they are needed.

    Attributes:
        transformed: for every model, the outputs of its preprocessing functions, by column; searched before the raw
            columns, as in TFMA.
    """

    def __init__(self, record_batch: pa.RecordBatch, records: Callable[[], pa.BinaryArray] | None = None) -> None:
        self.record_batch = record_batch
        self._records = records
        self.count: int = record_batch.num_rows
        self.transformed: dict[str, Mapping[str, Array]] = {}

    @property
    def names(self) -> set[str]:
        """Raw columns and outputs of preprocessing."""
        return set(self.record_batch.schema.names).union(*self.transformed.values())

    @cached_property
    def serialized(self) -> Array:
        """Every row as it lies in the file, or as a serialized tf.Example; shape (rows,)."""
        if self._records is None:
            return serialize(self.record_batch)
        found: Array = self._records().to_numpy(zero_copy_only=False)
        return found

    def only(self, names: Sequence[str]) -> pa.RecordBatch:
        """Some of the raw columns."""
        import pyarrow as pa

        arrays = [self.record_batch.column(self.record_batch.schema.get_field_index(name)) for name in names]
        return pa.RecordBatch.from_arrays(arrays, list(names))

    def values(self, name: str) -> Values | None:
        """All values of a column for slicing, transformed ones first."""
        made = [outputs[name] for outputs in self.transformed.values() if name in outputs]
        if made:
            table = np.concatenate([array.reshape(self.count, -1) for array in made], axis=1)
            return Values(np.repeat(np.arange(self.count), table.shape[1]), table.reshape(-1))
        if name not in self.record_batch.schema.names:
            return None
        return _flattened(self.record_batch.column(self.record_batch.schema.get_field_index(name)))

    def dense(self, name: str, model_name: str, what: str) -> Array:
        """A column with as many values in every row, as an array of shape (rows, values).

        Raises DataError when it is absent, or when a row has fewer or more values; ``what`` names it in the message.
        """
        outputs = self.transformed.get(model_name, {})
        if name in outputs:
            return outputs[name].reshape(self.count, -1)
        column = self.values(name) if name in self.record_batch.schema.names else None
        if column is None:
            raise DataError(f"expected the {what} in column {name!r} of the examples{did_you_mean(name, self.names)}")
        lengths = np.bincount(column.rows, minlength=self.count)
        if not lengths.min(initial=1):
            missing = int((lengths == 0).sum())
            raise DataError(
                f"the {what} {name!r} is missing in {missing} of {self.count} rows of a batch: leave such rows out "
                "of the split, or fill the value in preprocessing and name it in ModelSpec.preprocessing_function_names"
            )
        if lengths.max(initial=1) != lengths.min(initial=1):
            raise DataError(
                f"expected as many values of the {what} {name!r} in every row, received {lengths.min()} to "
                f"{lengths.max()}"
            )
        return column.values.reshape(self.count, -1)


def serialize(record_batch: pa.RecordBatch) -> Array:
    """Returns the rows as serialized tf.Examples, an object array of bytes."""
    import pyarrow as pa
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    # The encoder takes no column of type null, which is one without any value.
    known = [i for i, field in enumerate(record_batch.schema) if not pa.types.is_null(field.type)]
    if not known:
        return np.full(record_batch.num_rows, b"", object)
    chosen = pa.RecordBatch.from_arrays(
        [record_batch.column(i) for i in known], [record_batch.schema.names[i] for i in known]
    )
    return np.array(RecordBatchToExamplesEncoder().encode(chosen), object)


def _flattened(column: pa.Array) -> Values | None:
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return None
    counts = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten()
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        raise DataError("expected columns of plain values, received nested lists")
    return Values(np.repeat(np.arange(len(column)), counts), values.to_numpy(zero_copy_only=False))


def keyed_columns(batch: EvalBatch, model_specs: Sequence[Any], field: str, what: str) -> Any:
    """Labels or weights of a batch: an array, a dict by output, or (several models) a dict by model of these.

    ``field`` is ``label_key`` or ``example_weight_key``; its plural holds keys per output. None: nothing is configured.
    """
    found: dict[str, Any] = {}
    for spec in model_specs:
        name = spec.name if len(model_specs) > 1 else ""
        key, keys = getattr(spec, field), dict(getattr(spec, f"{field}s"))
        if key:
            found[name] = batch.dense(key, name, what)
        elif keys:
            found[name] = {output: batch.dense(column, name, what) for output, column in keys.items()}
    if len(model_specs) == 1:
        return found.get("")
    return found or None

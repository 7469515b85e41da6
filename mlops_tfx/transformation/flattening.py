"""Transformed batches in the columns of transformed examples: tf.Examples have no lists of lists.

A ragged feature lies in several columns, as TensorFlow Transform's schema of the transformed data names them:
``name$ragged_values`` and, for the ragged dimensions after the first, ``name$row_lengths_1``, ``name$row_lengths_2``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError


class Flattener:
    """Takes ragged features apart.

    Args:
        schema: the schema of the transformed data.
    """

    def __init__(self, schema: Any) -> None:
        group = schema.tensor_representation_group[""] if "" in schema.tensor_representation_group else None
        found = {} if group is None else dict(group.tensor_representation)
        self._ragged = {
            name: representation.ragged_tensor
            for name, representation in found.items()
            if representation.WhichOneof("kind") == "ragged_tensor"
        }

    def flatten(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the same rows without nested lists. Raises DataError if nesting is not what the schema says."""
        if not self._ragged:
            return batch
        pairs = [pair for name, column in zip(batch.schema.names, batch.columns, strict=True)
                 for pair in self._columns(name, column)]  # fmt: skip
        return pa.RecordBatch.from_arrays([column for _, column in pairs], [name for name, _ in pairs])

    def _columns(self, name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
        ragged = self._ragged.get(name)
        if ragged is None:
            yield name, column
            return
        lengths = [part.row_length for part in ragged.partition if part.HasField("row_length")]
        uniform = [part.uniform_row_length for part in ragged.partition if part.HasField("uniform_row_length")]
        # Arrow has only the ragged dimensions; the uniform ones, which are the innermost, are part of the last list.
        yield from _unnest(name, column, ragged.feature_path.step[0], lengths, math.prod(uniform))


def _unnest(
    name: str, column: pa.Array, values_name: str, lengths_names: Sequence[str], item_size: int
) -> Iterator[tuple[str, pa.Array]]:
    depth = _depth(column.type)
    if depth != len(lengths_names) + 1:
        raise DataError(
            f"transformed feature {name!r}: expected {len(lengths_names) + 1} ragged dimensions, received {depth}"
        )
    offsets, inner = np.asarray(column.offsets), column.values
    for lengths_name in lengths_names:
        splits = np.asarray(inner.offsets)
        size = item_size if lengths_name == lengths_names[-1] else 1
        yield lengths_name, pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.diff(splits) // size))
        offsets, inner = splits[offsets], inner.values
    yield values_name, pa.LargeListArray.from_arrays(pa.array(offsets), inner)


def _depth(data_type: pa.DataType) -> int:
    return 1 + _depth(data_type.value_type) if pa.types.is_large_list(data_type) else 0

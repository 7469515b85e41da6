"""Record batches in the columns and types that a tensorflow_metadata Schema names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mlops_tfx.errors import DataError


def conform(batch: pa.RecordBatch, schema: Any, where: str) -> pa.RecordBatch:
    """Returns exactly the schema's features, in its order and types; absent ones are null rows.

    Raises:
        DataError: a column has values of another type than the schema says; names file and column.
    """
    known = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    fields = [pa.field(feature.name, _arrow_type(feature)) for feature in schema.feature]
    arrays = [_conform(known.get(field.name), field, batch.num_rows, where) for field in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _arrow_type(feature: Any) -> pa.DataType:
    # tensorflow_metadata's FeatureType: BYTES = 1, INT = 2, FLOAT = 3.
    values = {1: pa.large_binary(), 2: pa.int64(), 3: pa.float32()}
    if feature.type not in values:
        raise DataError(f"feature {feature.name!r} in the schema: expected BYTES, INT or FLOAT, received no such type")
    return pa.large_list(values[feature.type])


def _conform(column: pa.Array | None, field: pa.Field, rows: int, where: str) -> pa.Array:
    if column is None or pa.types.is_null(column.type):
        return pa.nulls(rows, field.type)
    if column.type != field.type:
        raise DataError(
            f"{where}: column {field.name!r}: the schema says {field.type.value_type}, "
            f"the data has {column.type.value_type}; correct the schema or the data"
        )
    return column

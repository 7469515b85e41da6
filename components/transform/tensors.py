"""How the features of a schema become the tensors that preprocessing_fn sees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import analyzer_nodes
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from mlops_tfx.errors import DataError


@dataclass(frozen=True)
class FunctionShape:
    """What tracing preprocessing_fn tells about it.

    Attributes:
        analyze_columns: features that analyzers read, in the schema's order.
        transform_columns: features that the outputs are computed from, in the schema's order.
        analyzers: how many results analyzers have to give; 0: no data need be read.
        opaque: whether the graph calls Python code, which it does not contain.
    """

    analyze_columns: tuple[str, ...]
    transform_columns: tuple[str, ...]
    analyzers: int
    opaque: bool = False


def adapter_config(schema: Any, columns: Collection[str] | None = None) -> TensorAdapterConfig:
    """Returns how record batches become tensors; for some columns only, if given."""
    records = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["Transform"], schema=schema)
    return (records if columns is None else records.Project(list(columns))).TensorAdapterConfig()


def type_specs(schema: Any) -> dict[str, Any]:
    """Returns the TensorFlow type of every feature."""
    specs: dict[str, Any] = TensorAdapter(adapter_config(schema)).OriginalTypeSpecs()
    return specs


def project(schema: Any, columns: Collection[str]) -> Any:
    """Returns a schema of these features only, so that nothing else is decoded."""
    projected = type(schema)()
    projected.CopyFrom(schema)
    del projected.feature[:]
    projected.feature.extend(feature for feature in schema.feature if feature.name in columns)
    return projected


def inspect_function(function: Callable[[Any], Any], specs: Mapping[str, Any], compat_v1: bool) -> FunctionShape:
    """Traces preprocessing_fn, before any data is read, so that mistakes in it come to light first."""
    counts: list[int] = []
    opaque: list[bool] = []

    def counting(inputs: Any) -> Any:
        outputs = function(inputs)
        counts.append(len(tf.compat.v1.get_default_graph().get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)))
        opaque.append(any(_calls_python(operation) for operation in tf.compat.v1.get_default_graph().get_operations()))
        return outputs

    analyze = tft.get_analyze_input_columns(counting, specs, force_tf_compat_v1=compat_v1)
    transform = tft.get_transform_input_columns(counting, specs, force_tf_compat_v1=compat_v1)
    ordered = [tuple(name for name in specs if name in names) for names in (analyze, transform)]
    return FunctionShape(ordered[0], ordered[1], counts[0], any(opaque))


def _calls_python(operation: Any) -> bool:
    return operation.type in ("PyFunc", "PyFuncStateless", "EagerPyFunc")


@dataclass(frozen=True)
class RawBatches:
    """What batches must look like to become tensors; picklable.

    Attributes:
        arrow_schema: the columns.
        required: features that every row must have, with the number of their values.
    """

    arrow_schema: pa.Schema
    required: Mapping[str, int]

    @classmethod
    def of(cls, config: TensorAdapterConfig) -> RawBatches:
        """Reads it off the configuration of a TensorAdapter."""
        required = {}
        for representation in config.tensor_representations.values():
            dense = representation.dense_tensor
            if representation.WhichOneof("kind") == "dense_tensor" and not dense.HasField("default_value"):
                required[dense.column_name] = int(np.prod([dim.size for dim in dense.shape.dim], initial=1))
        return cls(config.arrow_schema, required)

    def check(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """Returns the batch in exactly these columns, after checking that required features are there in every row.

        Raises:
            DataError: a row has another number of values than the schema's fixed shape; names feature, rows and remedy.
        """
        columns = [_column(batch, field) for field in self.arrow_schema]
        for field, column in zip(self.arrow_schema, columns, strict=True):
            if field.name in self.required:
                _check_values(field.name, column, self.required[field.name], where)
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow_schema)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    column = batch.column(batch.schema.get_field_index(field.name))
    # A column without any value carries no type.
    return pa.nulls(len(column), field.type) if pa.types.is_null(column.type) else column


def _check_values(name: str, column: pa.Array, size: int, where: str) -> None:
    counts = np.asarray(column.value_lengths().fill_null(0))
    wrong = np.flatnonzero(counts != size)
    if not len(wrong):
        return
    if counts.any():
        found = (
            f"{len(wrong)} of {len(column)} rows of a batch have another number (row {wrong[0]}: {counts[wrong[0]]})"
        )
    else:
        found = "the data has no such feature"
    raise DataError(
        f"{where}: feature {name!r}: the schema requires {size} value(s) in every row, but {found}; "
        "repair the data, or make the feature optional in the schema (value_count, and presence without "
        "min_fraction, instead of shape) and fill missing values in preprocessing_fn"
    )

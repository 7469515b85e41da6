"""How the features of a schema become the tensors that preprocessing_fn sees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import analyzer_nodes
from tfx_bsl.tfxio import tensor_representation_util as representations
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord
from tfx_bsl.tfxio.tf_sequence_example_record import TFSequenceExampleBeamRecord

from mlops_tfx.errors import DataError


@dataclass(frozen=True)
class FunctionShape:
    """What tracing preprocessing_fn tells about it.

    Attributes:
        columns: all tensors that the schema makes.
        analyze_columns: those that analyzers read, in the same order.
        transform_columns: those that the outputs are computed from, in the same order.
        analyzers: how many results analyzers have to give; 0: no data need be read.
        opaque: whether the graph calls Python code, which it does not contain.
    """

    columns: tuple[str, ...]
    analyze_columns: tuple[str, ...]
    transform_columns: tuple[str, ...]
    analyzers: int
    opaque: bool = False


def adapter_config(schema: Any, names: Collection[str] | None = None) -> TensorAdapterConfig:
    """Returns how record batches become tensors; for some tensors only, if given."""
    records = _TFXIO[has_sequences(schema)](physical_format="inmem", telemetry_descriptors=["Transform"], schema=schema)
    return (records if names is None else records.Project(list(names))).TensorAdapterConfig()


_TFXIO = {False: TFExampleBeamRecord, True: TFSequenceExampleBeamRecord}


def has_sequences(schema: Any) -> bool:
    """Whether a schema describes tf.SequenceExamples: sequence features lie below a feature of type STRUCT."""
    return any(feature.type == schema_pb2.STRUCT for feature in schema.feature)


def type_specs(schema: Any) -> dict[str, Any]:
    """Returns the TensorFlow type of every tensor.

    Raises:
        DataError: the schema's tensor representations and features do not fit each other.
    """
    try:
        specs: dict[str, Any] = TensorAdapter(adapter_config(schema)).OriginalTypeSpecs()
    except (ValueError, KeyError, NotImplementedError) as error:
        raise DataError(
            f"schema: its features do not make tensors: {error}; expected every tensor representation to name "
            "features of the schema, partitions and indices of type INT, and shape only with min_fraction: 1"
        ) from error
    return specs


def project(schema: Any, names: Collection[str]) -> Any:
    """Returns a schema of these tensors and the features that they are made of, so that nothing else is decoded."""
    by_name = representations.InferTensorRepresentationsFromMixedSchema(schema)
    kept = {name: representation for name, representation in by_name.items() if name in names}
    sources = {
        path.steps()
        for representation in kept.values()
        for path in representations.GetSourceColumnsFromTensorRepresentation(representation)
    }
    projected = type(schema)()
    projected.CopyFrom(schema)
    for field in ("feature", "sparse_feature", "tensor_representation_group"):
        projected.ClearField(field)
    for feature in schema.feature:
        steps = [path[1:] for path in sources if path[0] == feature.name]
        if steps:
            _project_struct(projected.feature.add(), feature, {step[0] for step in steps if step})
    if schema.tensor_representation_group or schema.sparse_feature:
        representations.SetTensorRepresentationsInSchema(projected, kept)
    return projected


def _project_struct(target: Any, feature: Any, names: Collection[str]) -> None:
    target.CopyFrom(feature)
    if feature.type == schema_pb2.STRUCT:
        target.struct_domain.ClearField("feature")
        target.struct_domain.feature.extend(inner for inner in feature.struct_domain.feature if inner.name in names)


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
    return FunctionShape(tuple(specs), ordered[0], ordered[1], counts[0], any(opaque))


def _calls_python(operation: Any) -> bool:
    return operation.type in ("PyFunc", "PyFuncStateless", "EagerPyFunc")

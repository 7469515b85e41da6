"""The transform graph as a function from parsed raw features to transformed features.

It knows which raw features each transformed one depends on, so that labels and unused features can be left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import graph_tools, tf2_utils
from tensorflow_transform.tf_metadata import schema_utils

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.errors import ExportError

FeatureSpec = dict[str, Any]


class Transform(Protocol):
    """Transformed features from raw ones."""

    @property
    def sources(self) -> Mapping[str, frozenset[str]]:
        """Transformed feature -> the raw features it depends on."""
        ...

    @property
    def specs(self) -> Mapping[str, Any]:
        """Transformed feature -> its tf.TypeSpec."""
        ...

    @property
    def trackable(self) -> Any:
        """What the SavedModel must keep alive: tables, assets and variables of the transform graph."""
        ...

    def __call__(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Returns every transformed feature that can be computed from ``features``."""
        ...


class GraphTransform:
    """A transform graph written by tf.Transform in TensorFlow 2 form."""

    def __init__(self, folder: str) -> None:
        try:
            loaded = tf.saved_model.load(folder)
        except OSError as error:
            raise ExportError(f"expected a transform graph, received {folder!r}: {error}") from error
        if not hasattr(loaded, "transform_fn"):
            raise ExportError(
                f"the transform graph at {folder!r} is in TensorFlow 1 form; "
                "run Transform again with force_tf_compat_v1=False"
            )
        self.trackable = loaded
        restored = loaded.transform_fn
        self._function = restored.concrete_functions[0] if hasattr(restored, "concrete_functions") else restored
        graph = self._function.graph
        self._inputs: Mapping[str, Any] = tf2_utils.get_structured_inputs_from_func_graph(graph)
        outputs = tf.nest.pack_sequence_as(graph.structured_outputs, graph.outputs, expand_composites=True)
        self.sources = {name: self._sources_of(output) for name, output in outputs.items()}
        self.specs = {name: tf.type_spec_from_value(output) for name, output in outputs.items()}

    def _sources_of(self, output: Any) -> frozenset[str]:
        sinks = [tensor.op for tensor in tf.nest.flatten(output, expand_composites=True)]
        tensors = {id(t) for t in graph_tools.retrieve_sources(sinks, ignore_control_dependencies=True)}
        return frozenset(name for name, value in self._inputs.items() if _component_ids(value) & tensors)

    def __call__(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Returns every transformed feature that can be computed from ``features``."""
        missing = self._inputs.keys() - features.keys()
        values = {name: value for name, value in features.items() if name in self._inputs}
        if missing:
            rows = _count_rows(values.values())
            values.update(tf2_utils.supply_missing_inputs(self._inputs, rows, sorted(missing)))
        # nest.flatten orders a dict by its keys, as it did when the graph was traced.
        outputs = self._function(*tf.nest.flatten(values, expand_composites=True))
        return {name: outputs[name] for name, needed in self.sources.items() if not needed & missing}


class NoTransform:
    """Raw features as they are, for a model without a transform graph."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.sources = {name: frozenset({name}) for name in spec}
        self.specs = {name: parsed_spec(value) for name, value in spec.items()}
        self.trackable = tf.Module()

    def __call__(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Returns ``features``."""
        return dict(features)


def _component_ids(value: Any) -> set[int]:
    return {id(tensor) for tensor in tf.nest.flatten(value, expand_composites=True)}


def _count_rows(values: Collection[Any]) -> Any:
    for value in values:
        if isinstance(value, tf.SparseTensor):
            return tf.cast(value.dense_shape[0], tf.int32)
        if isinstance(value, tf.RaggedTensor):
            return tf.cast(value.nrows(), tf.int32)
        return tf.shape(value)[0]
    return 1


def parsed_spec(spec: Any) -> Any:
    """Returns the tf.TypeSpec of what ``tf.io.parse_example`` gives for a feature."""
    if isinstance(spec, tf.io.FixedLenFeature):
        return tf.TensorSpec([None, *spec.shape], spec.dtype)
    if isinstance(spec, tf.io.VarLenFeature):
        return tf.SparseTensorSpec([None, None], spec.dtype)
    if isinstance(spec, tf.io.SparseFeature):
        size = spec.size if isinstance(spec.size, (list, tuple)) else [spec.size]
        return tf.SparseTensorSpec([None, *size], spec.dtype)
    # What a ragged feature with partitions looks like is known by the parser only.
    empty = tf.io.parse_example(tf.constant([], tf.string), {"feature": spec})["feature"]
    return tf.type_spec_from_value(empty)


def open_transform_output(source: Any) -> tft.TFTransformOutput:
    """Returns a TFTransformOutput for an artifact, a folder or itself."""
    if isinstance(source, tft.TFTransformOutput):
        return source
    folder = source.uri if isinstance(source, Artifact) else source
    if not isinstance(folder, (str, os.PathLike)):
        raise ExportError(
            "expected a TransformGraph artifact, its folder or a tft.TFTransformOutput, "
            f"received transform_graph={source!r}"
        )
    folder = filesystem.local_path(folder)
    if not filesystem.isdir(os.path.join(folder, tft.TFTransformOutput.TRANSFORM_FN_DIR)):
        raise ExportError(f"expected the output folder of Transform, received transform_graph={folder!r}")
    return tft.TFTransformOutput(folder)


def raw_schema(schema: Any, output: tft.TFTransformOutput | None) -> Any:
    """Returns the raw Schema: ``schema`` if given, else that of the transform output."""
    if schema is not None:
        return read_schema(schema)
    if output is None:
        raise ExportError("expected schema=... because transform_graph=None has none")
    return output.raw_metadata.schema


def feature_spec(schema: Any) -> FeatureSpec:
    """Returns how raw features are parsed."""
    spec: FeatureSpec = schema_utils.schema_as_feature_spec(schema).feature_spec
    return spec


def read_schema(source: Any) -> Any:
    """Returns a Schema, given as artifact, file, folder or proto. Raises ExportError if it cannot be read."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not isinstance(source, (Artifact, str, os.PathLike)):
        return source
    path = filesystem.local_path(source.uri if isinstance(source, Artifact) else source)
    if filesystem.isdir(path):
        path = os.path.join(path, "schema.pbtxt")
    try:
        return text_format.Parse(filesystem.read_bytes(path).decode("utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ExportError(f"expected a schema in text form, received schema={path!r}: {error}") from error

"""Artifacts: what nodes hand to each other. A type, a place (``uri``) and properties.

The 21 standard types, their names, declared properties and base types are those of TFX 1.16
(``tfx.types.standard_artifacts``), so that a metadata store written by either can be read by the other.
"""

from mlops_tfx.artifacts.artifact import CONTENT_DIGEST, Artifact, ArtifactState
from mlops_tfx.artifacts.properties import Property, PropertyType, PropertyValue
from mlops_tfx.artifacts.standard import (
    STANDARD_TYPES,
    Config,
    DataView,
    ExampleAnomalies,
    Examples,
    ExamplesDiff,
    ExampleStatistics,
    ExampleValidationMetrics,
    ExternalArtifact,
    HyperParameters,
    InferenceResult,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelEvaluation,
    ModelRun,
    PushedModel,
    Schema,
    SkewBlessing,
    TransformCache,
    TransformGraph,
    TunerResults,
)
from mlops_tfx.artifacts.values import Boolean, Bytes, Float, Integer, JsonValue, String, ValueArtifact

__all__ = [
    "CONTENT_DIGEST",
    "STANDARD_TYPES",
    "Artifact",
    "ArtifactState",
    "Boolean",
    "Bytes",
    "Config",
    "DataView",
    "ExampleAnomalies",
    "ExampleStatistics",
    "ExampleValidationMetrics",
    "Examples",
    "ExamplesDiff",
    "ExternalArtifact",
    "Float",
    "HyperParameters",
    "InferenceResult",
    "InfraBlessing",
    "Integer",
    "JsonValue",
    "Model",
    "ModelBlessing",
    "ModelEvaluation",
    "ModelRun",
    "Property",
    "PropertyType",
    "PropertyValue",
    "PushedModel",
    "Schema",
    "SkewBlessing",
    "String",
    "TransformCache",
    "TransformGraph",
    "TunerResults",
    "ValueArtifact",
]

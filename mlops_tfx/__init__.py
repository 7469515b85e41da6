"""TFX-style pipeline components for machine learning on TensorFlow.

The public names are below; they load when first used, and none of them loads TensorFlow or Beam. The standard
components are in ``mlops_tfx.components``, ready pipelines in ``mlops_tfx.pipelines``, and everything for writing a
component, the decorator ``@component`` too, in ``mlops_tfx.component``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.channel import Channel, artifact_query, external_pipeline_artifact_query, union
    from mlops_tfx.component import Component
    from mlops_tfx.control_flow import Cond, ForEach, PipelineInputs
    from mlops_tfx.execution import LocalRunner
    from mlops_tfx.node_options import NodeExecutionOptions, TriggerStrategy
    from mlops_tfx.pipeline import Pipeline
    from mlops_tfx.placeholders import RuntimeParameter, logical_and, logical_not, logical_or
    from mlops_tfx.ports import Input, Inputs, OptionalInput, OptionalInputs, Output, Outputs
    from mlops_tfx.resolvers import (
        AllSpansStrategy,
        Importer,
        LatestArtifactStrategy,
        LatestBlessedModelStrategy,
        Resolver,
        RollingRangeStrategy,
        SpanRangeStrategy,
        StaticRangeStrategy,
        resolver_function,
    )
    from mlops_tfx.run_options import RunOptions

__version__ = "0.1.0"

__all__ = [
    "AllSpansStrategy",
    "Artifact",
    "Channel",
    "Component",
    "Cond",
    "ForEach",
    "Importer",
    "Input",
    "Inputs",
    "LatestArtifactStrategy",
    "LatestBlessedModelStrategy",
    "LocalRunner",
    "NodeExecutionOptions",
    "OptionalInput",
    "OptionalInputs",
    "Output",
    "Outputs",
    "Pipeline",
    "PipelineInputs",
    "Resolver",
    "RollingRangeStrategy",
    "RunOptions",
    "RuntimeParameter",
    "SpanRangeStrategy",
    "StaticRangeStrategy",
    "TriggerStrategy",
    "artifact_query",
    "external_pipeline_artifact_query",
    "logical_and",
    "logical_not",
    "logical_or",
    "resolver_function",
    "union",
]

_HOMES = {
    "AllSpansStrategy": "resolvers",
    "Artifact": "artifacts",
    "Channel": "channel",
    "Component": "component",
    "Cond": "control_flow",
    "ForEach": "control_flow",
    "Importer": "resolvers",
    "Input": "ports",
    "Inputs": "ports",
    "LatestArtifactStrategy": "resolvers",
    "LatestBlessedModelStrategy": "resolvers",
    "LocalRunner": "execution",
    "NodeExecutionOptions": "node_options",
    "OptionalInput": "ports",
    "OptionalInputs": "ports",
    "Output": "ports",
    "Outputs": "ports",
    "Pipeline": "pipeline",
    "PipelineInputs": "control_flow",
    "Resolver": "resolvers",
    "RollingRangeStrategy": "resolvers",
    "RunOptions": "run_options",
    "RuntimeParameter": "placeholders",
    "SpanRangeStrategy": "resolvers",
    "StaticRangeStrategy": "resolvers",
    "artifact_query": "channel",
    "external_pipeline_artifact_query": "channel",
    "logical_and": "placeholders",
    "logical_not": "placeholders",
    "logical_or": "placeholders",
    "resolver_function": "resolvers",
    "TriggerStrategy": "node_options",
    "union": "channel",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlops_tfx' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"mlops_tfx.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

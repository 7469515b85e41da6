"""Channels: promises of artifacts, which wire the output of one node to the input of another."""

from mlops_tfx.channel.base import ArtifactSource, BaseChannel
from mlops_tfx.channel.outputs import OutputChannel, OutputMap, UnionChannel, union
from mlops_tfx.channel.queries import (
    Channel,
    ExternalPipelineChannel,
    artifact_query,
    external_pipeline_artifact_query,
)
from mlops_tfx.channel.resolved import Invocation, ResolvedChannel

__all__ = [
    "ArtifactSource",
    "BaseChannel",
    "Channel",
    "ExternalPipelineChannel",
    "Invocation",
    "OutputChannel",
    "OutputMap",
    "ResolvedChannel",
    "UnionChannel",
    "artifact_query",
    "external_pipeline_artifact_query",
    "union",
]

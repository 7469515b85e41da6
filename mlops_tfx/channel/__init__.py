"""Channels: promises of artifacts, which wire the output of one node to the input of another."""

from mlops_tfx.channel.base import ArtifactSource, BaseChannel
from mlops_tfx.channel.loopable import Element, Loopable
from mlops_tfx.channel.outputs import OutputChannel, OutputMap, UnionChannel, union
from mlops_tfx.channel.queries import (
    Channel,
    ExternalPipelineChannel,
    artifact_query,
    external_pipeline_artifact_query,
)
from mlops_tfx.channel.resolved import Invocation, ResolvedChannel, ResolvedElements, is_dict_of_channels
from mlops_tfx.channel.within import LoopVarChannel, PipelineInputChannel

__all__ = [
    "ArtifactSource",
    "BaseChannel",
    "Channel",
    "Element",
    "ExternalPipelineChannel",
    "Invocation",
    "LoopVarChannel",
    "Loopable",
    "OutputChannel",
    "OutputMap",
    "PipelineInputChannel",
    "ResolvedChannel",
    "ResolvedElements",
    "UnionChannel",
    "artifact_query",
    "external_pipeline_artifact_query",
    "is_dict_of_channels",
    "union",
]

"""Blocks of nodes that run on a condition, or once per element; what a pipeline within a pipeline takes."""

from mlops_tfx.control_flow.cond import Cond
from mlops_tfx.control_flow.for_each import ForEach
from mlops_tfx.control_flow.pipeline_inputs import PipelineInputs

__all__ = ["Cond", "ForEach", "PipelineInputs"]

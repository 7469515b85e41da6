"""Everything for writing a component: the class, its ports, and ``@component`` for functions."""

from mlops_tfx.base_component import Component
from mlops_tfx.function_component import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    component,
)
from mlops_tfx.ports import Input, Inputs, OptionalInput, OptionalInputs, Output, Outputs
from mlops_tfx.run_context import RunContext

__all__ = [
    "BeamComponentParameter",
    "Component",
    "Input",
    "InputArtifact",
    "Inputs",
    "OptionalInput",
    "OptionalInputs",
    "Output",
    "OutputArtifact",
    "OutputDict",
    "Outputs",
    "Parameter",
    "RunContext",
    "component",
]

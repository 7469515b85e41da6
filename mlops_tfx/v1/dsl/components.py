"""``tfx.v1.dsl.components``: components made of functions."""

from __future__ import annotations

from mlops_tfx.function_component import (
    AsyncOutputArtifact,
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    component,
)

__all__ = [
    "AsyncOutputArtifact",
    "BeamComponentParameter",
    "InputArtifact",
    "OutputArtifact",
    "OutputDict",
    "Parameter",
    "component",
]

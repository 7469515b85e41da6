"""What is wrong with placeholders can mostly be said when they are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mlops_tfx.errors import did_you_mean
from mlops_tfx.placeholders.artifacts import ArtifactPlaceholder, FutureArtifacts, NodeArtifacts
from mlops_tfx.placeholders.containers import placeholders_in
from mlops_tfx.placeholders.expression import Placeholder
from mlops_tfx.placeholders.runtime import ExecProperty, Invocation, RuntimeInfo, RuntimeParameter


def problems_in_parameter(name: str, value: Any, inputs: Collection[str], parameters: Collection[str]) -> Iterator[str]:
    """Yields what cannot work in a parameter of a component with these inputs and parameters."""
    for placeholder in _all(value):
        if isinstance(placeholder, NodeArtifacts) and not placeholder.is_input:
            yield f"parameter {name!r}: {placeholder!r} is not known before the node has its parameters"
        elif isinstance(placeholder, NodeArtifacts) and placeholder.key not in inputs:
            yield f"parameter {name!r}: there is no input {placeholder.key!r}{did_you_mean(placeholder.key, inputs)}"
        elif isinstance(placeholder, ExecProperty) and placeholder.key not in parameters:
            yield f"parameter {name!r}: there is no parameter {placeholder.key!r}" + did_you_mean(
                placeholder.key, parameters
            )
    for placeholder in placeholders_in(value):
        if isinstance(placeholder, ArtifactPlaceholder):
            yield f"parameter {name!r}: {placeholder!r} is an artifact; say .value, .uri or .property(...)"


def problems_in_pipeline(name: str, value: Any) -> Iterator[str]:
    """Yields what cannot work in a setting of a whole pipeline, which is resolved when the run begins."""
    for placeholder in _all(value):
        if isinstance(placeholder, ArtifactPlaceholder | ExecProperty | RuntimeInfo):
            yield (
                f"{name}: {placeholder!r} is not known when a run begins; only RuntimeParameter, environment_variable "
                "and execution_invocation are"
            )


def known_at_start(value: Any) -> bool:
    """Whether all placeholders in a parameter of a node can be resolved when the run begins."""
    unknown = FutureArtifacts | NodeArtifacts | ExecProperty | RuntimeInfo | Invocation
    return not any(isinstance(placeholder, unknown) for placeholder in _all(value))


def runtime_parameters_in(values: Iterable[Any]) -> Iterator[RuntimeParameter]:
    """Yields all runtime parameters."""
    for value in values:
        for placeholder in _all(value):
            if isinstance(placeholder, RuntimeParameter):
                yield placeholder


def _all(value: Any) -> Iterator[Placeholder]:
    for outermost in placeholders_in(value):
        yield from outermost.traverse()
